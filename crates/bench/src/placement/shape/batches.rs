use icefield_placement::Demand;
use icefield_spec::Name;

use super::basic;
use crate::placement::fleet::{name, service};
use crate::placement::live::Live;

/// How many replicas are asked for at a time.
pub(super) const BATCH: u32 = 500;

/// Services that grow by a batch at a time, one after the other, until all are whole.
pub(super) struct Batches {
    whole: Vec<u32>,
    at: usize,
    replicas: u32,
}

impl Batches {
    pub(super) fn new(whole: Vec<u32>) -> Self {
        Self { whole, at: 0, replicas: 0 }
    }

    /// The services that are whole.
    pub(super) fn whole(&self) -> &[u32] {
        &self.whole[..self.at]
    }

    /// Asks for the next batch; `false` if there is none left.
    pub(super) fn ask(&mut self, live: &mut Live) -> bool {
        let mut left = BATCH;
        while left > 0 && self.at < self.whole.len() {
            let more = left.min(self.whole[self.at] - self.replicas);
            self.replicas += more;
            left -= more;
            let number = self.at as u32;
            let (name, demand) = asked(number, self.replicas);
            live.set_service(&name, vec![demand]);
            if self.replicas == self.whole[self.at] {
                self.at += 1;
                self.replicas = 0;
            }
        }
        left < BATCH
    }
}

/// So many replicas of the `number`th service.
pub(super) fn asked(number: u32, replicas: u32) -> (Name, Demand) {
    let service = service(number, replicas, basic::CPU, basic::MEMORY);
    (name("service", number), Demand::whole(&service))
}
