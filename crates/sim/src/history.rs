use std::sync::{Mutex, MutexGuard, PoisonError};

use icefield_control::State;
use icefield_spec::{Revision, Spec};

use crate::declare::skeleton;
use crate::hub::Hub;
use crate::invariants::acknowledged::{self, Acknowledged};
use crate::invariants::reads::{self, Reads};

/// What all clients have asked for and were told, in the order of real time.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reads: Reads,
    acknowledged: Acknowledged,
}

impl History {
    /// Something is asked for; gives back the newest version that anybody knew of then.
    pub(crate) fn ask(&self) -> u64 {
        self.lock().reads.floor()
    }

    /// A spec is proposed; gives back the same.
    pub(crate) fn propose(&self, spec: &Spec) -> u64 {
        let reads = &mut self.lock().reads;
        reads.propose(skeleton(spec));
        reads.floor()
    }

    /// A spec is said to be in force since `version`.
    pub(crate) fn applied(&self, hub: &Hub, floor: u64, version: u64, spec: Spec) {
        let inner = &mut *self.lock();
        inner.reads.tell(version);
        hub.check(acknowledged::NAME, inner.acknowledged.spec(floor, version, spec));
    }

    /// The spec with this skeleton is said not to be in force, now and later.
    pub(crate) fn refused(&self, skeleton: Revision) {
        self.lock().acknowledged.refused(skeleton);
    }

    /// A wish is said to be carried out; `subject` is what the event says that tells of it.
    pub(crate) fn wished(&self, hub: &Hub, floor: u64, version: u64, at: u64, subject: String) {
        let inner = &mut *self.lock();
        inner.reads.tell(version);
        hub.check(acknowledged::NAME, inner.acknowledged.wish(floor, version, at, subject));
    }

    /// A state is said to be the present one.
    pub(crate) fn read(&self, hub: &Hub, floor: u64, state: &State) {
        hub.check(reads::NAME, self.lock().reads.check(floor, state));
    }

    /// Whether what was said is so in `state`, of any server.
    pub(crate) fn check(&self, state: &State) -> Result<(), String> {
        self.lock().acknowledged.check(state)
    }

    /// Whether what was said is so in `state`, the last of all.
    pub(crate) fn check_last(&self, state: &State) -> Result<(), String> {
        self.lock().acknowledged.check_wishes(state)
    }

    /// How many writes were acknowledged, and how many reads there were.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.acknowledged.count(), inner.reads.count())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
