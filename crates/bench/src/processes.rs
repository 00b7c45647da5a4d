use std::ops::{Deref, DerefMut};
use std::process::Child;

/// Processes that end with this value.
#[derive(Debug, Default)]
pub(crate) struct Processes(Vec<Child>);

impl Deref for Processes {
    type Target = Vec<Child>;

    fn deref(&self) -> &Vec<Child> {
        &self.0
    }
}

impl DerefMut for Processes {
    fn deref_mut(&mut self) -> &mut Vec<Child> {
        &mut self.0
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for process in &mut self.0 {
            // There is nobody to tell.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
