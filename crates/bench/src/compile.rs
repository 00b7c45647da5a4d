use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::dev_cluster::binary;
use crate::figure::Times;
use crate::{Common, Failure};

/// The times, and what a change of one service changes.
#[derive(Debug, Serialize)]
pub(crate) struct Compile {
    #[serde(flatten)]
    times: Times,
    /// How many files there are.
    files: usize,
    /// How many of them differ after one service was changed.
    files_changed: usize,
    /// How many of those are neither that service's file nor of a node that it is on: goal 0.
    files_changed_beyond: usize,
    /// The same command with one changed service, into the same folder.
    changed_ms: f64,
}

/// Evaluate, place and write the whole fleet.
pub(crate) fn measure(common: &Common, runs: usize) -> Result<Compile, Failure> {
    let binary = binary(common)?;
    let work = tempfile::tempdir()?;
    let source = work.path().join("icefield.star");
    let text = fs::read_to_string(common.examples.join("fleet/icefield.star"))?;
    fs::write(&source, &text)?;
    let mut times = Vec::new();
    for run in 0..runs {
        let out = work.path().join(format!("out-{run}"));
        // Nothing is removed between runs: ext4 is slow to create files soon after many were removed.
        times.push(compile(&binary, &source, &out)?);
    }
    let out = work.path().join("out-0");
    let before = read(&out)?;
    let changed = text.replace("\"standard\"", "\"changed\" if number == 7 else \"standard\"");
    if changed == text {
        return Err("examples/fleet has no place to change service 7 at".into());
    }
    fs::write(&source, changed)?;
    let changed_ms = compile(&binary, &source, &out)?.as_secs_f64() * 1e3;
    let after = read(&out)?;
    let differing: Vec<&PathBuf> = after
        .iter()
        .filter(|(path, text)| before.get(*path) != Some(text))
        .map(|(path, _)| path)
        .chain(before.keys().filter(|path| !after.contains_key(*path)))
        .collect();
    let beyond = differing.iter().filter(|path| !belongs_to_service_7(path, &before, &after)).count();
    let measures = "`icefield compile examples/fleet --target nix` into a new folder";
    Ok(Compile {
        times: Times::new("compile", measures, Duration::from_secs(2), times),
        files: after.len(),
        files_changed: differing.len(),
        files_changed_beyond: beyond,
        changed_ms,
    })
}

/// Whether a file is that of the changed service, or of a node that the service is on.
fn belongs_to_service_7(path: &Path, before: &Files, after: &Files) -> bool {
    let name = path.to_string_lossy();
    let of_service = |files: &Files| files.get(path).is_some_and(|text| text.contains("service-7"));
    name == "services/service-7.nix" || (name.starts_with("nodes/") && (of_service(before) || of_service(after)))
}

/// One run; how long it took.
fn compile(binary: &Path, source: &Path, out: &Path) -> Result<Duration, Failure> {
    let began = Instant::now();
    let output = Command::new(binary)
        .arg("compile")
        .arg(source)
        .args(["--target", "nix", "--out"])
        .arg(out)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(began.elapsed())
}

type Files = BTreeMap<PathBuf, String>;

/// Every file below `folder`, by its path there; what starts with a dot is no artefact.
fn read(folder: &Path) -> Result<Files, Failure> {
    let mut files = Files::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                files.insert(path.strip_prefix(folder)?.to_path_buf(), fs::read_to_string(&path)?);
            }
        }
    }
    Ok(files)
}
