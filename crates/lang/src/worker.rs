use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::failure::out_of_memory;
use crate::{Diagnostic, Evaluation, FolderLoader, Request, evaluate};

/// Deeper than any nesting that the text limits let through by hand; pages that are not used cost nothing.
const STACK: usize = 256 << 20;

/// What a process needs besides what it evaluates: its own code, libraries and the answer.
const OVERHEAD: u64 = 128 << 20;

/// The whole of the worker's process: reads a [`Request`] from `input`, takes the limits upon itself, evaluates, and writes
/// the [`Evaluation`] to `output`. Gives the exit status.
///
/// The limits hold for the whole process and cannot be taken back, so this is for a process that does nothing else.
pub fn worker_main(input: &mut dyn Read, output: &mut dyn Write) -> i32 {
    let mut text = String::new();
    if input.read_to_string(&mut text).is_err() {
        return 2;
    }
    let Ok(request) = serde_json::from_str::<Request>(&text) else { return 2 };
    restrict(&request);
    let evaluation = on_big_stack(request);
    match serde_json::to_writer(&mut *output, &evaluation).map_err(drop).and_then(|()| output.flush().map_err(drop)) {
        Ok(()) => 0,
        Err(()) => 3,
    }
}

/// Takes what the kernel can enforce upon this process. A limit that cannot be set is one that the caller's own deadline
/// stands in for.
fn restrict(request: &Request) {
    let limits = &request.limits;
    let memory = limits.memory.saturating_add(STACK as u64 + OVERHEAD);
    let seconds = limits.time.as_secs().clamp(1, 1 << 20);
    // The soft limit on time comes as a signal that tells it apart from being killed for another reason.
    let limits = [(Resource::As, memory, memory), (Resource::Cpu, seconds, seconds + 1), (Resource::Core, 0, 0)];
    for (resource, soft, hard) in limits {
        let limit = Rlimit { current: Some(soft), maximum: Some(hard) };
        let _ = setrlimit(resource, limit);
    }
}

fn on_big_stack(request: Request) -> Evaluation {
    let root = request.root.clone();
    let memory = request.limits.memory;
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        let loader = FolderLoader::new(&request.folder, request.limits.source);
        catch_unwind(AssertUnwindSafe(|| evaluate(&request.root, &loader, &request.vars, &request.limits)))
    });
    let panic = match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(evaluation))) => return evaluation,
        Ok(Ok(Err(panic)) | Err(panic)) => panic,
        Err(error) => {
            return Evaluation::failed(&root, Diagnostic::error(format!("cannot start the evaluation: {error}")));
        }
    };
    let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    // The interpreter panics where the standard allocator aborts.
    if ["out of memory", "capacity overflow", "must not exceed"].iter().any(|sign| said.contains(sign)) {
        return Evaluation::failed(&root, out_of_memory(memory));
    }
    let diagnostic = Diagnostic::error(format!("the interpreter failed: {said}"));
    Evaluation::failed(&root, diagnostic.with_help("this is a bug in Icefield; please report it with the file"))
}
