//! Nodes of the cluster build what a file has Nix build: over a real SSH, with a store that is another than the caller's.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{DevCluster, PATIENCE, TestEnvironment, example};

/// No users, no sandbox, no network.
const NIX: &str = "sandbox = false\nbuild-users-group =\nsubstitute = false\n";

/// A machine that takes builds: an SSH server with a key of the test's own, in whose world another folder is where the
/// caller's store is.
struct Builder {
    server: Child,
    folder: PathBuf,
    key: PathBuf,
    port: u16,
}

impl Builder {
    /// Starts one on `address`; nothing where file systems may not be mounted.
    fn start(environment: &TestEnvironment, address: &str) -> Option<Self> {
        let folder = environment.path("builder");
        let at = |name: &str| folder.join(name);
        for name in ["store", "state", "log"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        fs::create_dir_all(environment.path("store")).unwrap();
        for key in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(key));
            assert!(keygen.status().unwrap().success());
        }
        let port = std::net::TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let store = environment.path("store");
        let settings = format!(
            "store = local?store={}&state={}&log={}\n{NIX}",
            store.display(),
            at("state").display(),
            at("log").display()
        );
        environment.write("builder/nix.conf", &settings);
        let config = format!(
            "ListenAddress {address}:{port}\nHostKey {host}\nAuthorizedKeysFile {user}.pub\nStrictModes no\nUsePAM no\n\
             PermitRootLogin yes\nPasswordAuthentication no\nPidFile none\nSetEnv NIX_USER_CONF_FILES={conf}\n",
            host = at("host").display(),
            user = at("user").display(),
            conf = at("nix.conf").display(),
        );
        let config = environment.write("builder/sshd_config", &config);
        let mount = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
            command.arg(at("store")).arg(&store).arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
            command
        };
        if !mount("mount --bind \"$1\" \"$2\"").status().is_ok_and(|status| status.success()) {
            return None;
        }
        // It wants to be called by its whole path, and a folder of its own.
        fs::create_dir_all("/run/sshd").unwrap();
        let log = fs::File::create(at("sshd.log")).unwrap();
        let mut server = mount("mount --bind \"$1\" \"$2\" && exec \"$(command -v sshd)\" -D -e -f \"$3\"");
        let server = server.stderr(log).spawn().unwrap();
        let builder = Self { server, key: at("user"), folder, port };
        let start = std::time::Instant::now();
        while std::net::TcpStream::connect((address, port)).is_err() {
            assert!(start.elapsed() < PATIENCE, "no answer: {}", builder.log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Some(builder)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("sshd.log")).unwrap_or_default()
    }

    /// What `nix` is to pass to SSH.
    fn options(&self) -> String {
        let ask = "-oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -oBatchMode=yes -oLogLevel=ERROR";
        format!("-p {} -i {} -oIdentitiesOnly=yes {ask}", self.port, self.key.display())
    }

    /// Whether its store has what is called by this path.
    fn has(&self, path: &str) -> bool {
        self.folder.join("store").join(Path::new(path).file_name().unwrap()).exists()
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped in silence would pass for one that passed")]
fn nodes_with_a_label_build_with_nix_with_sshd() {
    let mut environment = TestEnvironment::new();
    let cluster_file = environment.write(
        "cluster.star",
        "cluster(\"shop\")\n\
         node(\"node-a\", cpu = 2, memory = \"1GiB\", labels = {\"role\": \"builder\"})\n\
         node(\"node-b\", cpu = 2, memory = \"1GiB\")\n\
         service(\"idle\", run = exec([\"sleep\", \"1000\"]), cpu = \"10m\", memory = \"8MiB\")\n",
    );
    for entry in fs::read_dir(example("nix")).unwrap() {
        let entry = entry.unwrap();
        environment.write(&format!("shop/{}", entry.file_name().display()), &fs::read_to_string(entry.path()).unwrap());
    }
    let at = |name: &str| environment.path(name).display().to_string();
    let store = format!("local?store={}&state={}&log={}", at("store"), at("state"), at("log"));
    let shop = at("shop");
    environment.set("ICEFIELD_NIX_STORE", store);
    environment.set("NIX_CONFIG", NIX);

    let cluster = DevCluster::start(&environment, &cluster_file, None);
    let status = cluster.status();
    let node = status["nodes"].as_array().unwrap().iter().find(|node| node["name"] == "node-a").unwrap();
    let address = node["address"].as_str().unwrap().to_owned();
    let Some(builder) = Builder::start(&environment, &address) else {
        eprintln!("SKIPPED nodes_with_a_label_build: no file system may be mounted");
        return;
    };
    let build = |label: &str| {
        let mut command = environment.command();
        command.args(["build", &shop, "--json", "--builders", label]).env("NIX_SSHOPTS", builder.options());
        command.output().unwrap()
    };
    let output = build("role=builder");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", builder.log());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let built = report["built"].as_array().unwrap();
    assert_eq!(built.len(), 2);
    for one in built {
        let path = one["path"].as_str().unwrap();
        assert!(builder.has(path), "it was built there: {path}\n{said}\n{}", builder.log());
        assert!(Path::new(path).join("bin").read_dir().unwrap().next().is_some(), "it was brought here: {path}");
    }
    assert!(builder.folder.join("log").read_dir().unwrap().next().is_some(), "its Nix has the logs");

    // Where nobody may log in nothing is built, and the error says so.
    fs::remove_file(builder.folder.join("user.pub")).unwrap();
    let web = environment.path("shop/web.py");
    fs::write(&web, fs::read_to_string(&web).unwrap() + "# changed\n").unwrap();
    let output = build("role=builder");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("could not be built"), "{said}");
    assert!(said.contains("Permission denied") || said.contains("cannot connect"), "{said}");
    let output = build("role=none");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no node that is ready has the label role=none"), "{said}");
    drop(builder);
    cluster.stop();
}
