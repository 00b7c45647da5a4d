use std::process::Stdio;
use std::time::Duration;

use icefield_spec::expand;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::driver::find_program;
use crate::shim::ProgramOrder;

/// How much of what the command writes to its standard error is kept for the message.
const SAID: usize = 512;

/// Runs `command` as the replica would; good is status 0. After `timeout` it is killed with all it started.
pub(super) async fn run(command: &[String], program: &ProgramOrder, timeout: Duration) -> Result<(), String> {
    let lookup = |name: &str| program.environment.get(name).cloned();
    let expanded = command.iter().map(|argument| expand(argument, &lookup)).collect::<Result<Vec<_>, _>>();
    let arguments = expanded.map_err(|error| error.to_string())?;
    let (name, rest) = arguments.split_first().ok_or("the command is empty")?;
    let path = program.environment.get("PATH").map_or("", String::as_str);
    let mut child = Command::new(find_program(name, path, &program.folder)?)
        .args(rest)
        .env_clear()
        .envs(&program.environment)
        .current_dir(&program.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    let group = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let mut said = Vec::new();
    let mut errors = child.stderr.take();
    let watched = async {
        loop {
            tokio::select! {
                biased;
                length = read(errors.as_mut(), &mut said), if errors.is_some() => if length == 0 { errors = None },
                status = child.wait() => break status,
            }
        }
    };
    let status = tokio::time::timeout(timeout, watched).await;
    if status.is_err()
        && let Some(group) = group
    {
        // The child has not been waited for, so the number is still its own.
        let _ = kill_process_group(group, Signal::KILL);
    }
    match status {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => {
            let said = String::from_utf8_lossy(&said);
            let said = said.trim().lines().next_back().map_or(String::new(), |line| format!(": {line}"));
            Err(format!("{name} ended with {status}{said}"))
        }
        Ok(Err(error)) => Err(format!("{name}: {error}")),
        Err(_) => Err(format!("{name} took longer than {} ms", timeout.as_millis())),
    }
}

/// Reads a piece and keeps the newest of it.
async fn read(errors: Option<&mut tokio::process::ChildStderr>, said: &mut Vec<u8>) -> usize {
    let mut buffer = [0; SAID];
    let length = match errors {
        Some(errors) => errors.read(&mut buffer).await.unwrap_or(0),
        None => 0,
    };
    said.extend_from_slice(&buffer[..length]);
    said.drain(..said.len().saturating_sub(SAID));
    length
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    async fn sh(script: &str, timeout: u64) -> Result<(), String> {
        let environment = BTreeMap::from([("PATH".into(), "/bin:/usr/bin".into()), ("ANSWER".into(), "42".into())]);
        let program =
            ProgramOrder { program: "/bin/sh".into(), arguments: Vec::new(), environment, folder: "/".into() };
        let command = ["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        run(&command, &program, Duration::from_millis(timeout)).await
    }

    #[tokio::test]
    async fn the_status_is_the_answer() {
        assert_eq!(sh("test \"$ANSWER\" = 42", 5000).await, Ok(()));
        assert_eq!(
            sh("echo first >&2; echo not ready >&2; exit 3", 5000).await,
            Err("sh ended with exit status: 3: not ready".into())
        );
        assert_eq!(sh("yes >&2 & sleep 0.1; kill $$!", 5000).await, Ok(()), "much output is no harm");
    }

    #[tokio::test]
    async fn a_slow_one_is_killed_with_all_it_started() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = format!("(sleep 0.4; echo alive > {}) & wait", file.path().display());
        assert_eq!(sh(&script, 100).await, Err("sh took longer than 100 ms".into()));
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "");
    }
}
