//! The Nix binary cache as a user runs it.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::TestEnvironment;

/// A cache that is served by a process.
struct Serving {
    process: Child,
    address: String,
}

impl Serving {
    fn start(environment: &TestEnvironment, arguments: &[&str]) -> Self {
        let mut command = environment.command();
        command.args(["cache", "serve", "--listen", "127.0.0.1:0"]).args(arguments);
        Self::spawn(command).unwrap()
    }

    /// What a command serves, once it says where.
    fn spawn(mut command: Command) -> Option<Self> {
        let mut process = command.stdout(Stdio::piped()).spawn().ok()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("serving on http://")?.to_owned();
        Some(Self { process, address })
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends the beginning of a request, and leaves the connection open.
    fn begin(&self, head: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }

    /// The status of an answer.
    fn status(&self, path: &str) -> u16 {
        let mut stream = self.begin(&format!("GET /{path} HTTP/1.1\r\nhost: x\r\nconnection: close"), b"");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[9..12]).parse().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A file that the real Nix has brought into a store of the test's own: its store path, and the root of the store. `None` if
/// there is no Nix.
fn added(environment: &TestEnvironment, test: &str, contents: &[u8]) -> Option<(String, PathBuf)> {
    let root = environment.path("root");
    fs::write(environment.path("file"), contents).unwrap();
    let mut add = Command::new("nix-store");
    add.env("NIX_CONFIG", "substituters =\nbuild-users-group =").env("NIX_REMOTE", &root);
    let Ok(output) = add.arg("--add").arg(environment.path("file")).output() else {
        assert!(std::env::var_os("ICEFIELD_REQUIRE_NIX").is_none(), "{test}: nix is not there");
        eprintln!("{test}: skipped, nix is not there");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some((String::from_utf8(output.stdout).unwrap().trim().to_owned(), root))
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).collect()
}

#[test]
fn a_full_disk_is_told_and_nothing_of_the_upload_is_there_with_unshare() {
    let environment = TestEnvironment::new();
    environment.write("tokens", "secret\n");
    fs::create_dir(environment.path("small")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c"]).current_dir(environment.path("")).arg(format!(
        "mount -t tmpfs -o size=40m tmpfs small && exec {} cache serve --listen 127.0.0.1:0 --dir small --tokens tokens",
        env!("CARGO_BIN_EXE_icefield")
    ));
    let Some(serving) = Serving::spawn(command) else {
        eprintln!(
            "a_full_disk_is_told_and_nothing_of_the_upload_is_there_with_unshare: skipped, no file system may be mounted"
        );
        return;
    };
    let upload = |number: u32, length: usize, how: &str| {
        // Its name is wrong too, but that is found out at its end.
        let url = format!("nar/{number:0>52}.nar");
        let body = nar(&noise(length));
        let head = format!("PUT /{url} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\nconnection: close\r\n");
        let (head, body) = match how {
            "announced" => (format!("{head}content-length: {}", body.len()), body),
            _ => (format!("{head}transfer-encoding: chunked"), chunked(&body)),
        };
        let mut answer = String::new();
        serving.begin(&head, &body).read_to_string(&mut answer).unwrap();
        (answer[9..12].to_owned(), serving.status(&url))
    };
    assert_eq!(upload(1, 30 << 20, "announced"), ("507".into(), 404));
    // What is written fills the disk.
    assert_eq!(upload(2, 50 << 20, "in pieces"), ("507".into(), 404));
    // There is room again: it goes on to the end, and is refused for what it is.
    assert_eq!(upload(3, 20 << 20, "announced"), ("422".into(), 404));
}

/// The NAR of a file with these contents.
fn nar(contents: &[u8]) -> Vec<u8> {
    let mut nar = Vec::new();
    for text in [b"nix-archive-1".as_slice(), b"(", b"type", b"regular", b"contents", contents, b")"] {
        nar.extend_from_slice(&(text.len() as u64).to_le_bytes());
        nar.extend_from_slice(text);
        nar.resize(nar.len().next_multiple_of(8), 0);
    }
    nar
}

/// A body in pieces, as HTTP sends one whose length it does not say.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in body.chunks(100_000) {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

#[test]
fn a_key_is_made_once_and_nobody_else_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let environment = TestEnvironment::new();
    let public = environment.ok(["cache", "key", "generate", "shop-1", "--out", "key"]);
    assert!(public.starts_with("shop-1:"), "{public}");
    assert_eq!(environment.ok(["cache", "key", "public", "key"]), public);
    let mode = fs::metadata(environment.path("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = environment.run(["cache", "key", "generate", "shop-1", "--out", "key"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    let strange = environment.run(["cache", "key", "generate", "a b", "--out", "other"]);
    assert!(strange.stderr.contains("without spaces"), "{}", strange.stderr);
    assert!(!environment.path("other").exists());
}

#[test]
fn another_address_than_a_loopback_one_needs_tls() {
    let environment = TestEnvironment::new();
    let outcome = environment.run(["cache", "serve", "--dir", "cache", "--listen", "0.0.0.0:0"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("needs TLS") && outcome.stderr.contains("--certificate"), "{}", outcome.stderr);
    let outcome = environment.run(["cache", "serve", "--dir", "cache", "--upstream", "http://127.0.0.1:1"]);
    assert!(outcome.stderr.contains("--trusted-key"), "{}", outcome.stderr);
}

#[test]
fn a_folder_is_filled_served_verified_and_cleaned_up_with_nix() {
    let environment = TestEnvironment::new();
    let test = "a_folder_is_filled_served_verified_and_cleaned_up_with_nix";
    let Some((path, root)) = added(&environment, test, &noise(100_000)) else { return };
    let root = root.to_str().unwrap();
    let public = environment.ok(["cache", "key", "generate", "shop-1", "--out", "key"]);
    let pushed =
        environment.json(["cache", "push", &path, "--to", "cache", "--store-root", root, "--key", "key", "--json"]);
    assert_eq!((pushed["sent"].as_array().unwrap().len(), pushed["there"].as_u64()), (1, Some(0)));
    let again = environment.ok(["cache", "push", &path, "--to", "cache", "--store-root", root, "--key", "key"]);
    assert_eq!(again, "0 paths sent (0 B), 1 there already\n");
    let serving = Serving::start(&environment, &["--dir", "cache"]);
    let info =
        environment.json(["cache", "info", &path, "--from", &serving.url(), "--trusted-key", public.trim(), "--json"]);
    assert_eq!((info["path"].as_str(), info["trusted"].as_bool()), (Some(path.as_str()), Some(true)));
    assert!(environment.ok(["cache", "info", "--from", "cache"]).starts_with("StoreDir: /nix/store\n"));
    let missing =
        environment.run(["cache", "info", &path.replace("/nix/store/", "/nix/store/0000"), "--from", "cache"]);
    assert_eq!(missing.code, Some(1));
    assert!(environment.ok(["cache", "verify", "--dir", "cache"]).starts_with("1 path ("));
    environment.write("roots", "/nix/store/nonsense\n");
    let wrong = environment.run(["cache", "gc", "--dir", "cache", "--keep-roots", "roots", "--older-than", "0s"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("line 1"), "{}", wrong.stderr);
    environment.write("roots", &format!("{path}\n"));
    let kept =
        environment.json(["cache", "gc", "--dir", "cache", "--keep-roots", "roots", "--older-than", "0s", "--json"]);
    assert_eq!((kept["kept"].as_u64(), kept["removed"].as_array().unwrap().len()), (Some(1), 0));
    let nar = environment.path("cache").join(info["url"].as_str().unwrap());
    let mut bytes = fs::read(&nar).unwrap();
    bytes[5_000] ^= 1;
    fs::write(&nar, bytes).unwrap();
    let bad = environment.run(["cache", "verify", "--dir", "cache", "--repair"]);
    assert_eq!(bad.code, Some(1));
    assert!(bad.stdout.contains(info["url"].as_str().unwrap()) && bad.stdout.contains(".quarantine"), "{}", bad.stdout);
    let hash = &path["/nix/store/".len()..][..32];
    assert_eq!(serving.status(&format!("{hash}.narinfo")), 404);
    environment.ok(["cache", "push", &path, "--to", "cache", "--store-root", root, "--key", "key"]);
    assert_eq!(serving.status(&format!("{hash}.narinfo")), 200);
    environment.write("roots", "");
    environment.ok(["cache", "gc", "--dir", "cache", "--keep-roots", "roots", "--older-than", "0s"]);
    assert_eq!(serving.status(&format!("{hash}.narinfo")), 404);
    assert_eq!(fs::read_dir(environment.path("cache/nar")).unwrap().count(), 0);
}

#[test]
fn a_server_that_is_killed_within_an_upload_shows_nothing_of_it_with_nix() {
    let environment = TestEnvironment::new();
    let test = "a_server_that_is_killed_within_an_upload_shows_nothing_of_it_with_nix";
    let Some((path, root)) = added(&environment, test, &noise(4 << 20)) else { return };
    let root = root.to_str().unwrap();
    environment.write("tokens", "secret\n");
    // What is to come, as it will be sent.
    environment.ok(["cache", "push", &path, "--to", "ready", "--store-root", root]);
    let hash = &path["/nix/store/".len()..][..32];
    let narinfo = fs::read_to_string(environment.path("ready").join(format!("{hash}.narinfo"))).unwrap();
    let url = narinfo.lines().find_map(|line| line.strip_prefix("URL: ")).unwrap();
    let nar = fs::read(environment.path("ready").join(url)).unwrap();
    let files = |folder: &Path| fs::read_dir(folder).map_or(0, Iterator::count);
    let head = |name: &str, length: usize| {
        format!("PUT /{name} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\ncontent-length: {length}")
    };
    let cache = environment.path("cache");
    for kept in [1, nar.len() / 2, nar.len() - 1] {
        let serving = Serving::start(&environment, &["--dir", "cache", "--tokens", "tokens"]);
        let _open = serving.begin(&head(url, nar.len()), &nar[..kept]);
        // Until it has begun to write.
        while files(&cache.join(".incoming")) < 2 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        serving.kill();
        assert_eq!(files(&cache.join("nar")), 0);
        let serving = Serving::start(&environment, &["--dir", "cache", "--tokens", "tokens"]);
        assert_eq!(files(&cache.join(".incoming")), 1, "what was left is swept");
        assert_eq!((serving.status(url), serving.status(&format!("{hash}.narinfo"))), (404, 404));
    }
    // What came whole is there for the narinfo that comes after the restart.
    let serving = Serving::start(&environment, &["--dir", "cache", "--tokens", "tokens"]);
    let mut answer = [0; 12];
    serving.begin(&head(url, nar.len()), &nar).read_exact(&mut answer).unwrap();
    assert_eq!(&answer[9..], b"200");
    serving.kill();
    let serving = Serving::start(&environment, &["--dir", "cache", "--tokens", "tokens"]);
    assert_eq!(serving.status(url), 404);
    let name = format!("{hash}.narinfo");
    serving.begin(&head(&name, narinfo.len()), narinfo.as_bytes()).read_exact(&mut answer).unwrap();
    assert_eq!(&answer[9..], b"200");
    assert_eq!((serving.status(url), serving.status(&name)), (200, 200));
    assert_eq!(environment.run(["cache", "verify", "--dir", "cache"]).code, Some(0));
    let second = environment.run(["cache", "serve", "--listen", "127.0.0.1:0", "--dir", "cache", "--tokens", "tokens"]);
    assert!(
        second.code == Some(1) && second.stderr.contains("one `icefield cache serve` at a time"),
        "{}",
        second.stderr
    );
}
