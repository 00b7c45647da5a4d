use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::client::Client;
use super::made_up::MadeUp;
use super::process::Process;
use crate::machine::Machine;
use crate::{Common, Failure};

const PATHS: u32 = 100;
/// How large each NAR is, in bytes: together 1 GiB.
const SIZE: usize = (1 << 30) / PATHS as usize;
const CONNECTIONS: usize = 4;
const TOKEN: &str = "bench";
const GOAL_RATE: f64 = 200e6;
const GOAL_MIB: f64 = 64.0;

/// How fast uploads are taken.
#[derive(Debug, Serialize)]
pub(crate) struct Upload {
    name: &'static str,
    measures: &'static str,
    paths: u32,
    nar_bytes: u64,
    file_bytes: u64,
    connections: usize,
    seconds: f64,
    nar_bytes_per_second: f64,
    file_bytes_per_second: f64,
    peak_memory_mib: f64,
    goal_bytes_per_second: f64,
    goal_memory_mib: f64,
    met: bool,
    machine: Machine,
}

/// Measures it into a folder below `folder`.
pub(crate) fn measure(common: &Common, folder: &Path) -> Result<Upload, Failure> {
    let home = tempfile::tempdir_in(folder)?;
    let text = |name: &str| home.path().join(name).to_string_lossy().into_owned();
    std::fs::write(text("tokens"), TOKEN)?;
    let paths: Vec<MadeUp> = (0..PATHS).map(|number| MadeUp::new(number, SIZE, 2, &[])).collect::<Result<_, _>>()?;
    let server = Process::icefield(common, &["--dir", &text("cache"), "--tokens", &text("tokens")])?;
    let address = &server.address;
    let began = Instant::now();
    std::thread::scope(|scope| {
        let uploads: Vec<_> = paths
            .chunks(PATHS as usize / CONNECTIONS)
            .map(|some| {
                scope.spawn(move || -> std::io::Result<()> {
                    let mut client = Client::open(address)?;
                    for path in some {
                        client.put(&path.info.url, TOKEN, &path.file)?;
                        let name = format!("{}.narinfo", path.info.path.hash());
                        client.put(&name, TOKEN, path.info.to_string().as_bytes())?;
                    }
                    Ok(())
                })
            })
            .collect();
        uploads
            .into_iter()
            .try_for_each(|upload| upload.join().map_err(|_| std::io::Error::other("a client failed"))?)
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let peak_memory_mib = server.peak_mib()?;
    let nar_bytes: u64 = paths.iter().map(|path| path.info.nar_size).sum();
    let file_bytes: u64 = paths.iter().map(|path| path.file.len() as u64).sum();
    let nar_bytes_per_second = nar_bytes as f64 / seconds;
    Ok(Upload {
        name: "cache-upload",
        measures: "NARs, compressed by Zstandard to half, and their narinfos, each verified and made visible by itself",
        paths: PATHS,
        nar_bytes,
        file_bytes,
        connections: CONNECTIONS,
        seconds,
        nar_bytes_per_second,
        file_bytes_per_second: file_bytes as f64 / seconds,
        peak_memory_mib,
        goal_bytes_per_second: GOAL_RATE,
        goal_memory_mib: GOAL_MIB,
        met: nar_bytes_per_second >= GOAL_RATE && peak_memory_mib <= GOAL_MIB,
        machine: Machine::this(),
    })
}
