use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::chance::Chance;

/// The size in which a disk writes: after a crash, each of these is as before or as it was written.
const SECTOR: usize = 512;

/// A file, as its server sees it and as a crash would leave it.
#[derive(Debug)]
pub(crate) struct SimFile {
    content: Mutex<Content>,
    /// Whether a sync does what it says.
    honest: bool,
}

#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// What was done since the last sync.
    unsynced: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl SimFile {
    /// A file whose content is on the disk.
    pub(crate) fn new(content: Vec<u8>, honest: bool) -> Self {
        let content = Content { now: content.clone(), durable: content, unsynced: Vec::new() };
        Self { content: Mutex::new(content), honest }
    }

    /// The content as its server sees it.
    pub(crate) fn now(&self) -> Vec<u8> {
        self.lock().now.clone()
    }

    /// Its length as its server sees it.
    pub(crate) fn length(&self) -> usize {
        self.lock().now.len()
    }

    /// What a crash leaves of it: what was synced, and of the rest nothing, everything, the beginning, or any sectors.
    pub(crate) fn after_crash(&self, chance: &mut Chance) -> Vec<u8> {
        let content = self.lock();
        let mut left = content.durable.clone();
        let steps = &content.unsynced;
        match chance.below(4) {
            0 => {}
            1 => steps.iter().for_each(|step| step.make(&mut left)),
            2 => {
                let whole = chance.below(steps.len() + 1);
                steps[..whole].iter().for_each(|step| step.make(&mut left));
                if let Some(Step::Write(at, data)) = steps.get(whole) {
                    let torn = chance.below(data.len() / SECTOR + 1) * SECTOR;
                    write(&mut left, *at, &data[..torn]);
                }
            }
            _ => {
                for step in steps {
                    match step {
                        Step::Length(_) => step.make(&mut left),
                        Step::Write(at, data) => {
                            for (number, sector) in data.chunks(SECTOR).enumerate() {
                                if chance.happens(500) {
                                    write(&mut left, at + number * SECTOR, sector);
                                }
                            }
                        }
                    }
                }
            }
        }
        left
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, step: Step) {
        let mut content = self.lock();
        step.make(&mut content.now);
        content.unsynced.push(step);
    }

    pub(super) fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let content = self.lock();
        let at = index(at)?;
        let part = content.now.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    pub(super) fn write(&self, at: u64, data: &[u8]) -> io::Result<()> {
        self.step(Step::Write(index(at)?, data.to_vec()));
        Ok(())
    }

    pub(super) fn set_length(&self, length: u64) -> io::Result<()> {
        self.step(Step::Length(index(length)?));
        Ok(())
    }

    pub(super) fn sync(&self) {
        if self.honest {
            let content = &mut *self.lock();
            content.unsynced.drain(..).for_each(|step| step.make(&mut content.durable));
        }
    }
}

impl Step {
    fn make(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(at, data) => write(content, *at, data),
            Self::Length(length) => content.resize(*length, 0),
        }
    }
}

fn write(content: &mut Vec<u8>, at: usize, data: &[u8]) {
    if content.len() < at + data.len() {
        content.resize(at + data.len(), 0);
    }
    content[at..at + data.len()].copy_from_slice(data);
}

fn index(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// A file as redb uses it.
#[derive(Debug)]
pub(super) struct Backend(pub(super) std::sync::Arc<SimFile>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.length() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_length(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn crashes(file: &SimFile) -> BTreeSet<Vec<u8>> {
        let mut chance = Chance::new(1, "crashes");
        (0..200).map(|_| file.after_crash(&mut chance)).collect()
    }

    #[test]
    fn what_was_synced_survives_and_the_rest_may_be_torn_at_sectors() {
        let file = SimFile::new(Vec::new(), true);
        file.write(0, &[1; 4 * SECTOR]).unwrap();
        file.sync();
        assert_eq!(crashes(&file), [vec![1; 4 * SECTOR]].into());
        file.write(SECTOR as u64, &[2; 2 * SECTOR]).unwrap();
        let left = crashes(&file);
        assert_eq!(left.len(), 4, "each of two sectors is as before or as written");
        for content in left {
            assert!(content.chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
            assert_eq!((content[0], content[4 * SECTOR - 1]), (1, 1));
        }
    }

    #[test]
    fn a_disk_that_lies_loses_what_it_said_to_have() {
        let file = SimFile::new(vec![1; SECTOR], false);
        file.write(0, &[2; SECTOR]).unwrap();
        file.sync();
        assert!(crashes(&file).contains(&vec![1; SECTOR]));
    }
}
