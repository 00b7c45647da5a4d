use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::failure::out_of_memory;
use crate::{Diagnostic, Evaluation, Limits};

/// What a worker is to evaluate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The folder that files are read from, and beyond which none is.
    pub folder: PathBuf,
    /// The root file, relative to it.
    pub root: String,
    /// The values for `var()`.
    pub vars: BTreeMap<String, String>,
    /// What it may use.
    pub limits: Limits,
}

/// The most that a worker may answer.
const MAX_ANSWER: u64 = 256 << 20;
/// The most of a worker's complaints that is looked at.
const MAX_COMPLAINT: u64 = 64 << 10;

/// Evaluates `request` in a process of its own: `worker`, a command that calls [`crate::worker_main`] on its standard
/// input and output. Whatever the file does, this returns, soon after `limits.time` at the latest; if the worker ended
/// by a limit, with a diagnostic that says which.
pub fn evaluate_isolated(mut worker: Command, request: &Request) -> Evaluation {
    worker.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |diagnostic| Evaluation::failed(&request.root, diagnostic);
    let mut child = match worker.spawn() {
        Ok(child) => child,
        Err(error) => return failed(Diagnostic::error(format!("cannot start the evaluation's process: {error}"))),
    };
    match converse(&mut child, request) {
        Ok(answer) => match serde_json::from_slice(&answer.output) {
            Ok(evaluation) if answer.status.success() => evaluation,
            _ => failed(explain(&answer, &request.limits)),
        },
        Err(diagnostic) => {
            // It may have ended by itself; then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
            failed(*diagnostic)
        }
    }
}

struct Answer {
    status: ExitStatus,
    output: Vec<u8>,
    complaint: String,
}

/// Writes the request and reads what comes back, until the worker ends or its time is up.
fn converse(child: &mut Child, request: &Request) -> Result<Answer, Box<Diagnostic>> {
    let broken = |what: &str| Box::new(Diagnostic::error(format!("the evaluation's process has no {what}")));
    let mut stdin = child.stdin.take().ok_or_else(|| broken("input"))?;
    let stdout = child.stdout.take().ok_or_else(|| broken("output"))?;
    let stderr = child.stderr.take().ok_or_else(|| broken("error output"))?;
    let question = serde_json::to_vec(request).map_err(|error| Box::new(Diagnostic::error(error.to_string())))?;
    // A worker that ends early does not read all; what it says then is what counts.
    thread::spawn(move || drop(stdin.write_all(&question)));
    let complaint = read_in_background(stderr, MAX_COMPLAINT);
    let output = read_in_background(stdout, MAX_ANSWER);
    let output = match output.recv_timeout(request.limits.time) {
        Ok(output) => output,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            return Err(Box::new(out_of_time(&request.limits)));
        }
    };
    if output.len() as u64 >= MAX_ANSWER {
        let message = format!("the spec is larger than {} MiB", MAX_ANSWER >> 20);
        return Err(Box::new(Diagnostic::error(message).with_help("declare machines that are alike as one pool")));
    }
    // Its output is closed, so it is at its end.
    let status = child.wait().map_err(|error| Box::new(Diagnostic::error(error.to_string())))?;
    let complaint = complaint.recv().unwrap_or_default();
    Ok(Answer { status, output, complaint: String::from_utf8_lossy(&complaint).into_owned() })
}

fn read_in_background(from: impl Read + Send + 'static, limit: u64) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is the best there is.
        let _ = from.take(limit).read_to_end(&mut bytes);
        drop(sender.send(bytes));
    });
    receiver
}

/// Why a worker ended without an answer.
fn explain(answer: &Answer, limits: &Limits) -> Diagnostic {
    let complaint = &answer.complaint;
    if complaint.contains("overflowed its stack") {
        return Diagnostic::error("the file nests too deeply to be evaluated")
            .with_help("does an expression go on for thousands of operators or brackets? give parts of it a name");
    }
    if complaint.contains("memory allocation") || complaint.contains("out of memory") {
        return out_of_memory(limits.memory);
    }
    let signal = answer.status.signal();
    if signal == Some(Signal::XCPU.as_raw()) {
        return out_of_time(limits);
    }
    if signal == Some(Signal::KILL.as_raw()) {
        let diagnostic = Diagnostic::error("the evaluation was killed");
        return diagnostic.with_help("did somebody do so, or is the machine out of memory?");
    }
    let message = format!("the evaluation's process ended without an answer ({})", answer.status);
    let said = complaint.lines().next().unwrap_or_default();
    let help = "this is a bug in Icefield; please report it with the file";
    let diagnostic = Diagnostic::error(if said.is_empty() { message } else { format!("{message}: {said}") });
    diagnostic.with_help(help)
}

fn out_of_time(limits: &Limits) -> Diagnostic {
    let message = format!("the evaluation takes longer than {} s", limits.time.as_secs_f64());
    Diagnostic::error(message).with_help("does a loop, a range or a text grow far beyond what was meant?")
}
