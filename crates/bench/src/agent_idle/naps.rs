use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::usage::time_of;
use crate::Failure;

/// A thread that is woken four times a second and does nothing: what to be woken costs on this machine, at this hour.
pub(super) struct Naps {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    task: PathBuf,
}

impl Naps {
    const EACH: Duration = Duration::from_millis(250);

    pub(super) fn start() -> Result<Self, Failure> {
        let over = Arc::new(AtomicBool::new(false));
        let (is_over, (tell, told)) = (Arc::clone(&over), std::sync::mpsc::channel());
        let thread = std::thread::spawn(move || {
            let _ = tell.send(rustix::thread::gettid());
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Self::EACH);
            }
        });
        let task = format!("/proc/self/task/{}", told.recv()?.as_raw_nonzero()).into();
        Ok(Self { over, thread: Some(thread), task })
    }

    /// How long it has been on a processor, in nanoseconds.
    pub(super) fn time(&self) -> Result<u64, Failure> {
        time_of(&self.task)
    }
}

impl Drop for Naps {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
