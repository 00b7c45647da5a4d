use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use icefield_control::raft::DiskFile;

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
    unsynced: Vec<Write>,
}

#[derive(Debug)]
struct Write {
    at: usize,
    data: Vec<u8>,
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
                if let Some(torn) = steps.get(whole) {
                    let sectors: Vec<_> = torn.sectors().collect();
                    let written = chance.below(sectors.len() + 1);
                    sectors[..written].iter().for_each(|(at, data)| write(&mut left, *at, data));
                }
            }
            _ => {
                for (at, data) in steps.iter().flat_map(Write::sectors) {
                    if chance.happens(500) {
                        write(&mut left, at, data);
                    }
                }
            }
        }
        left
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write {
    fn make(&self, content: &mut Vec<u8>) {
        write(content, self.at, &self.data);
    }

    /// What of it is in each of the disk's sectors, and where.
    fn sectors(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let (mut at, mut rest) = (self.at, &self.data[..]);
        std::iter::from_fn(move || {
            let (now, later) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
            let sector = (at, now);
            (at, rest) = (at + now.len(), later);
            (!now.is_empty()).then_some(sector)
        })
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

impl DiskFile for SimFile {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let content = self.lock();
        let at = index(at)?;
        let part = content.now.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    fn write_at(&self, at: u64, data: &[u8]) -> io::Result<()> {
        let step = Write { at: index(at)?, data: data.to_vec() };
        let mut content = self.lock();
        step.make(&mut content.now);
        content.unsynced.push(step);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.honest {
            let content = &mut *self.lock();
            content.unsynced.drain(..).for_each(|step| step.make(&mut content.durable));
        }
        Ok(())
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
        file.write_at(0, &[1; 4 * SECTOR]).unwrap();
        file.sync().unwrap();
        assert_eq!(crashes(&file), [vec![1; 4 * SECTOR]].into());
        // The second half of the second sector and the first half of the third.
        file.write_at(SECTOR as u64 * 3 / 2, &[2; SECTOR]).unwrap();
        let left = crashes(&file);
        assert_eq!(left.len(), 4, "each of two sectors is as before or as written");
        for content in left {
            assert!(content.chunks(SECTOR / 2).all(|half| half.iter().all(|byte| *byte == half[0])));
            assert_eq!((content[SECTOR], content[SECTOR * 3]), (1, 1));
        }
    }

    #[test]
    fn a_disk_that_lies_loses_what_it_said_to_have() {
        let file = SimFile::new(vec![1; SECTOR], false);
        file.write_at(0, &[2; SECTOR]).unwrap();
        file.sync().unwrap();
        assert!(crashes(&file).contains(&vec![1; SECTOR]));
    }
}
