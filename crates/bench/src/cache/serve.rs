use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use icefield_cache::SecretKey;
use serde::Serialize;

use super::client::Client;
use super::made_up::contents;
use super::process::Process;
use crate::machine::Machine;
use crate::{Common, Failure};

/// How many paths the store has for narinfos, and for NARs; and how large those are, in bytes.
const SMALL: u64 = 200;
const LARGE: u64 = 8;
const LARGE_SIZE: usize = 16 << 20;
/// On how many connections at once it is measured.
const CONNECTIONS: [usize; 2] = [1, 16];

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// The harmonia-cache to measure beside it; without it, nginx serves the same paths as files
    #[arg(long, value_name = "PATH")]
    harmonia: Option<PathBuf>,
    /// How many rounds, each in turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each takes, in seconds
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

/// What is served a second, beside a peer.
#[derive(Debug, Serialize)]
pub(crate) struct Served {
    name: &'static str,
    measures: &'static str,
    /// Beside whom.
    peer: &'static str,
    rows: Vec<Row>,
    goal_ratio: f64,
    met: bool,
    machine: Machine,
}

/// What one number of connections gets: the median of the rounds.
#[derive(Debug, Serialize)]
struct Row {
    connections: usize,
    icefield_per_second: f64,
    peer_per_second: f64,
    ratio: f64,
}

/// Measures narinfos a second.
pub(crate) fn measure_narinfos(common: &Common, arguments: &Arguments) -> Result<Served, Failure> {
    let scene = Scene::make(common, arguments)?;
    let measures = "narinfos a second that clients get, one after the other on each connection, signed";
    scene.measure("cache-narinfo", measures, arguments, |_| 1.0, false)
}

/// Measures bytes of NARs a second.
pub(crate) fn measure_nars(common: &Common, arguments: &Arguments) -> Result<Served, Failure> {
    let scene = Scene::make(common, arguments)?;
    let measures = "bytes of NARs of 16 MiB a second that clients get, one after the other on each connection";
    scene.measure("cache-nar", measures, arguments, |bytes| bytes as f64, true)
}

/// Two servers of the same paths.
struct Scene {
    icefield: Process,
    peer: Process,
    peer_name: &'static str,
    narinfos: Vec<String>,
    _home: tempfile::TempDir,
}

impl Scene {
    /// A store that the real Nix has made, served by both; or a folder, made from it.
    fn make(common: &Common, arguments: &Arguments) -> Result<Self, Failure> {
        let home = tempfile::tempdir()?;
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("in"))?;
        let mut files = Vec::new();
        for number in 0..SMALL + LARGE {
            let size = if number < SMALL { 2_000 } else { LARGE_SIZE };
            let file = at("in").join(format!("file-{number}"));
            fs::write(&file, contents(number + 1, size, 1))?;
            files.push(file);
        }
        let root = at("root");
        let mut add = Command::new("nix-store");
        add.env("NIX_CONFIG", "substituters =\nbuild-users-group =").env("NIX_REMOTE", &root).arg("--add").args(&files);
        let added = add.output().map_err(|error| format!("nix-store cannot be started: {error}"))?;
        if !added.status.success() {
            return Err(String::from_utf8_lossy(&added.stderr).into());
        }
        let paths = String::from_utf8(added.stdout)?;
        let narinfos = paths.lines().filter_map(|path| Some(format!("{}.narinfo", path.get(11..43)?))).collect();
        let key = at("key");
        fs::write(&key, SecretKey::generate("bench-1")?.reveal())?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let (root, key) = (text(&root), text(&key));
        let (icefield, peer, peer_name) = match &arguments.harmonia {
            Some(harmonia) => {
                let ours = ["--from-store", "--store-root", &root, "--key", &key];
                (Process::icefield(common, &ours)?, self::harmonia(harmonia, home.path(), &root, &key)?, "harmonia")
            }
            None => {
                let folder = text(&at("folder"));
                let mut push = Command::new(crate::dev_cluster::binary(common)?);
                push.args(["cache", "push", "--to", &folder, "--key", &key, "--store-root", &root]).args(paths.lines());
                if !push.output()?.status.success() {
                    return Err("the folder cannot be filled".into());
                }
                (Process::icefield(common, &["--dir", &folder])?, nginx(home.path(), &folder)?, "nginx")
            }
        };
        Ok(Self { icefield, peer, peer_name, narinfos, _home: home })
    }

    fn measure(
        &self,
        name: &'static str,
        measures: &'static str,
        arguments: &Arguments,
        worth: fn(u64) -> f64,
        nars: bool,
    ) -> Result<Served, Failure> {
        let each = Duration::from_secs(arguments.seconds.max(1));
        let both = [&self.icefield.address, &self.peer.address];
        // Each calls its NARs as it likes.
        let names = both.map(|address| if nars { self.nars(address) } else { Ok(self.narinfos.clone()) });
        let [ours, theirs] = names;
        let names = [ours?, theirs?];
        let mut rows = Vec::new();
        for connections in CONNECTIONS {
            let mut rates = [Vec::new(), Vec::new()];
            // The first round finds everything cold.
            for round in 0..=arguments.rounds.max(1) {
                for (which, address) in both.iter().enumerate() {
                    let rate = load(address, &names[which], connections, each, worth)?;
                    if round > 0 {
                        rates[which].push(rate);
                    }
                }
            }
            let [ours, theirs] = rates.map(median);
            rows.push(Row { connections, icefield_per_second: ours, peer_per_second: theirs, ratio: ours / theirs });
        }
        let met = rows.iter().all(|row| row.ratio >= 1.0);
        Ok(Served { name, measures, peer: self.peer_name, rows, goal_ratio: 1.0, met, machine: Machine::this() })
    }

    /// Where the large NARs are.
    fn nars(&self, address: &str) -> Result<Vec<String>, Failure> {
        let large = &self.narinfos[usize::try_from(SMALL)?..];
        large.iter().map(|name| url_of(address, name)).collect()
    }
}

/// Where the NAR of a narinfo is.
fn url_of(address: &str, narinfo: &str) -> Result<String, Failure> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address)?;
    write!(stream, "GET /{narinfo} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let url = text.lines().find_map(|line| line.strip_prefix("URL: "));
    Ok(url.ok_or("a narinfo has no URL")?.to_owned())
}

fn harmonia(program: &Path, home: &Path, root: &str, key: &str) -> Result<Process, Failure> {
    let config = home.join("harmonia.toml");
    Process::other(|address| {
        let text = format!(
            "bind = \"{address}\"\nworkers = 2\nreal_nix_store = \"{root}/nix/store\"\n\
             nix_db_path = \"{root}/nix/var/nix/db/db.sqlite\"\nenable_compression = false\nsign_key_paths = [\"{key}\"]\n"
        );
        fs::write(&config, text)?;
        let mut command = Command::new(program);
        command.env("CONFIG_FILE", &config).env("RUST_LOG", "error");
        Ok(command)
    })
}

fn nginx(home: &Path, folder: &str) -> Result<Process, Failure> {
    let config = home.join("nginx.conf");
    Process::other(|address| {
        let home = home.display();
        let text = format!(
            "worker_processes 2; daemon off; pid {home}/pid; error_log {home}/error.log; events {{}}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;\n\
             server {{ listen {address}; root {folder}; }} }}\n"
        );
        fs::write(&config, text)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&config);
        Ok(command)
    })
}

/// What so many connections get in a second.
fn load(
    address: &str,
    names: &[String],
    connections: usize,
    length: Duration,
    worth: fn(u64) -> f64,
) -> Result<f64, Failure> {
    let began = Instant::now();
    let threads: Vec<_> = (0..connections)
        .map(|number| {
            let (address, names) = (address.to_owned(), names.to_vec());
            std::thread::spawn(move || -> std::io::Result<f64> {
                let mut client = Client::open(&address)?;
                let mut got = 0.0;
                for name in names.iter().cycle().skip(number * 7) {
                    if began.elapsed() >= length {
                        break;
                    }
                    got += worth(client.get(name)?);
                }
                Ok(got)
            })
        })
        .collect();
    let mut got = 0.0;
    for thread in threads {
        got += thread.join().map_err(|_| "a client failed")??;
    }
    Ok(got / began.elapsed().as_secs_f64())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
