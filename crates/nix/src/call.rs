use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::NixError;

/// One run of a program: its answer on standard output, and what it says meanwhile on standard error.
pub(crate) struct Call<'a> {
    command: Command,
    what: String,
    timeout: Duration,
    log: Option<PathBuf>,
    on_line: Option<&'a (dyn Fn(&str) + Sync)>,
    stop: Option<&'a AtomicBool>,
}

/// How many of the last lines are shown of one that failed.
const SHOWN: usize = 25;
/// The longest line that is kept whole.
const MAX_LINE: u64 = 64 << 10;
/// How often it is looked whether it should end.
const LOOK: Duration = Duration::from_millis(50);
/// How long it may take to end when it is asked to.
const TO_END: Duration = Duration::from_secs(3);
/// For what takes no time but a network's.
const USUAL: Duration = Duration::from_secs(600);

impl<'a> Call<'a> {
    /// `what` says what it is to do: `building the service web`.
    pub(crate) fn new(command: Command, what: impl Into<String>) -> Self {
        Self { command, what: what.into(), timeout: USUAL, log: None, on_line: None, stop: None }
    }

    pub(crate) const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Writes all that it says into a file.
    pub(crate) fn log(mut self, log: impl Into<PathBuf>) -> Self {
        self.log = Some(log.into());
        self
    }

    /// Has each line told.
    pub(crate) const fn on_line(mut self, on_line: &'a (dyn Fn(&str) + Sync)) -> Self {
        self.on_line = Some(on_line);
        self
    }

    /// Ends it when `stop` is set.
    pub(crate) const fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Runs it to its end; what it answers.
    pub(crate) fn run(mut self) -> Result<String, NixError> {
        let program = self.command.get_program().to_string_lossy().into_owned();
        let spawned = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|source| match source.kind() {
            ErrorKind::NotFound => NixError::Absent { program: program.clone() },
            _ => NixError::NotRun { program: program.clone(), source },
        })?;
        let (sender, lines) = channel();
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let answer = std::thread::spawn(move || {
            let mut answer = Vec::new();
            // What is cut off cannot be read as an answer, which is then said.
            let _ = output.map(|mut output| output.read_to_end(&mut answer));
            String::from_utf8_lossy(&answer).into_owned()
        });
        std::thread::spawn(move || {
            let Some(errors) = errors else { return };
            let mut reader = BufReader::new(errors);
            loop {
                let mut line = Vec::new();
                match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
                let line = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut log = self.log.as_deref().map(create).transpose()?;
        let mut last: VecDeque<String> = VecDeque::new();
        let start = Instant::now();
        let over = loop {
            match lines.recv_timeout(LOOK) {
                Ok(line) => {
                    if let Some(file) = &mut log {
                        // A full disk is no reason to stop; the last lines are shown all the same.
                        let _ = writeln!(file, "{line}");
                    }
                    if let Some(on_line) = self.on_line {
                        on_line(&line);
                    }
                    if last.len() == SHOWN {
                        last.pop_front();
                    }
                    last.push_back(line);
                }
                Err(RecvTimeoutError::Disconnected) => break None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                break Some(true);
            }
            if start.elapsed() > self.timeout {
                break Some(false);
            }
        };
        let said = || last.iter().cloned().collect::<Vec<_>>().join("\n");
        if let Some(stopped) = over {
            end(&mut child);
            return Err(match stopped {
                true => NixError::Stopped { what: self.what },
                false => NixError::TimedOut { what: self.what, after: self.timeout, said: said(), log: self.log },
            });
        }
        let status = child.wait().map_err(|source| NixError::NotRun { program, source })?;
        let answer = answer.join().unwrap_or_default();
        if status.success() {
            return Ok(answer);
        }
        let said = if last.is_empty() { status.to_string() } else { said() };
        Err(NixError::Failed { what: self.what, said, log: self.log })
    }
}

fn create(path: &Path) -> Result<File, NixError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(NixError::file("create", folder))?;
    }
    File::create(path).map_err(NixError::file("create", path))
}

/// Asks it to end, so that it ends what it has started too; kills it if it does not.
fn end(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
    let start = Instant::now();
    while start.elapsed() < TO_END {
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        std::thread::sleep(LOOK / 5);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Call<'static> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Call::new(command, "trying")
    }

    #[test]
    fn an_answer_is_given_and_what_is_said_is_logged() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("logs/a.log");
        assert_eq!(sh("echo well >&2; echo 42").log(&log).run().unwrap(), "42\n");
        assert_eq!(std::fs::read_to_string(log).unwrap(), "well\n");
    }

    #[test]
    fn a_failure_shows_the_last_lines_and_where_the_rest_is() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        let error = sh("i=0; while [ $i -lt 100 ]; do echo line $i >&2; i=$((i+1)); done; exit 1").log(&log).run();
        let text = error.unwrap_err().to_string();
        assert!(text.contains("line 99") && text.contains("line 75") && !text.contains("line 74"), "{text}");
        assert!(text.contains(log.to_str().unwrap()));
    }

    #[test]
    fn what_takes_too_long_or_is_not_wanted_any_longer_is_ended() {
        let error = sh("echo before >&2; exec sleep 100").timeout(Duration::from_millis(100)).run().unwrap_err();
        assert!(matches!(&error, NixError::TimedOut { said, .. } if said == "before"), "{error}");
        let stop = AtomicBool::new(true);
        let error = sh("exec sleep 100").stop(&stop).run().unwrap_err();
        assert!(matches!(error, NixError::Stopped { .. }), "{error}");
    }
}
