//! Files that were cut short or changed: what a server acknowledged it has again, or it refuses to start.

#![allow(clippy::print_stdout, reason = "how much was repaired is worth knowing")]

use std::fs;
use std::path::{Path, PathBuf};

use icefield_api::History;
use icefield_control::{Server, ServerConfig, ServerError};

use crate::harness::{Group, request};

/// What became of starting a server with a damaged file.
enum Outcome {
    /// It says that the file is damaged.
    Refused,
    /// It starts, with this history.
    Started(History),
}

fn try_start(group: &Group, config: &ServerConfig) -> Outcome {
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = ServerConfig { listen, begin: icefield_control::Begin::Resume, ..config.clone() };
    group.block_on(async {
        let server = loop {
            match Server::start(config.clone()).await {
                Ok(server) => break server,
                // The one before has not quite gone.
                Err(error) if error.to_string().contains("in use") => {}
                Err(error) => {
                    let words = ["is damaged", "cannot be gone on from"];
                    assert!(words.iter().any(|words| error.to_string().contains(words)), "{error}");
                    return Outcome::Refused;
                }
            }
        };
        let client = icefield_api::Client::new([format!("http://{}", server.address())]);
        let (told, ends) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(server.run_until(async {
            let _ = ends.await;
        }));
        let history = loop {
            match client.history().await {
                Ok(history) => break Some(history),
                Err(_) if running.is_finished() => break None,
                Err(_) => {}
            }
        };
        let _ = told.send(());
        match (history, running.await.unwrap()) {
            (Some(history), _) => Outcome::Started(history),
            (None, Err(ServerError::Failed { .. })) => Outcome::Refused,
            (None, other) => panic!("it ended by itself: {other:?}"),
        }
    })
}

/// A folder of a server that has acknowledged some applies, and its history.
fn folder() -> (Group, ServerConfig, History) {
    let mut group = Group::start(1);
    for replicas in 0..12 {
        group.block_on(group.client().apply(&request(replicas))).unwrap();
    }
    let history = group.block_on(group.client().history()).unwrap();
    group.kill(0);
    let config = group.configs[0].clone();
    (group, config, history)
}

/// The files of a folder, to be put back as they were.
struct Files(Vec<(PathBuf, Vec<u8>)>);

impl Files {
    fn read(folder: &Path) -> Self {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        Self(files.map(|path| (path.clone(), fs::read(path).unwrap())).collect())
    }

    /// Puts all back, but `log` with this content.
    fn restore_but(&self, log: &Path, content: &[u8]) {
        for (path, whole) in &self.0 {
            fs::write(path, if path == log { content } else { whole }).unwrap();
        }
    }
}

/// How much of the log's file was written; the rest is zeros.
fn used(file: &[u8]) -> usize {
    file.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

/// Where in the log's file the entry with the newest spec is.
fn last_record(file: &[u8]) -> std::ops::RangeInclusive<usize> {
    let newest = b"\"replicas\":11";
    let find = |text: &[u8], part: &[u8]| text.windows(part.len()).rposition(|window| window == part);
    let within = find(file, newest).expect("the newest spec is in the log");
    let start = find(&file[..within], b"{\"log_id\"").expect("an entry begins with its id");
    let mut entry = serde_json::Deserializer::from_slice(&file[start..]).into_iter::<serde_json::Value>();
    entry.next().unwrap().expect("an entry is JSON");
    start..=start + entry.byte_offset()
}

#[test]
fn a_log_that_was_cut_short_is_repaired_or_refused() {
    let (group, config, history) = folder();
    let log = config.data.join("log-00000001");
    let (whole, files) = (fs::read(&log).unwrap(), Files::read(&config.data));
    let (mut refused, mut served) = (0, 0);
    // At every byte of the last record, throughout what comes after it, and throughout what was written.
    let (record, used) = (last_record(&whole), used(&whole));
    let behind = [used, used + 1, used + 4096, whole.len() - 1];
    for length in record.chain(behind).chain((1..used).step_by(used / 40)) {
        files.restore_but(&log, &whole[..length]);
        match try_start(&group, &config) {
            Outcome::Refused => refused += 1,
            Outcome::Started(found) => {
                served += 1;
                assert_eq!(found, history, "cut to {length} of {} bytes, and served so", whole.len());
            }
        }
    }
    println!("{refused} refused, {served} repaired");
    assert!(refused > 0 && served > 0);
}

#[test]
fn a_log_with_flipped_bits_is_repaired_or_refused() {
    let (group, config, history) = folder();
    let log = config.data.join("log-00000001");
    let (whole, files) = (fs::read(&log).unwrap(), Files::read(&config.data));
    let (mut refused, mut served) = (0, 0);
    let used = used(&whole);
    for at in (0..used).step_by(used / 150).chain([used + 9, used + 4096, whole.len() - 1]) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        files.restore_but(&log, &flipped);
        match try_start(&group, &config) {
            Outcome::Refused => refused += 1,
            Outcome::Started(found) => {
                served += 1;
                assert_eq!(found, history, "byte {at} was changed, and the rest served");
            }
        }
    }
    println!("{refused} refused, {served} not concerned or repaired");
    assert!(refused > 0 && served > 0);
}
