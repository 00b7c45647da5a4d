//! The NixOS system of a node: comes to what is wanted, or goes back from it, in virtual time.

use icefield_api::{SystemReport, SystemState};
use icefield_plan::PlannedSystem;
use icefield_spec::StorePath;

/// How long an agent takes to fetch, to switch, and to find that something is bad, in milliseconds.
const FETCH: u64 = 500;
const SWITCH: u64 = 300;
const FIND_OUT: u64 = 1_500;

#[derive(Debug, Clone, Default)]
pub(crate) struct System {
    pub(crate) report: SystemReport,
    since: u64,
    before: Option<StorePath>,
}

/// A system of a version; what the version is called decides how nodes do with it: `bad` ones are gone back from, `stuck` ones
/// are never fetched, `kernel` ones need a restart.
pub(crate) fn system(version: &str) -> StorePath {
    let hash: String =
        version.bytes().map(|b| char::from(b"0123456789abcdfghijklmnpqrsvwxyz"[usize::from(b % 32)])).collect();
    StorePath::new(&format!("/nix/store/{hash:0<32}-nixos-system-{version}")).unwrap()
}

impl System {
    /// Whether the node is not to be counted on.
    pub(crate) fn is_open(&self) -> bool {
        use SystemState::{Confirming, Fetching, NeedsReboot, Rebooting, RollingBack, Switching};
        matches!(self.report.state, Fetching | NeedsReboot | Switching | Rebooting | Confirming | RollingBack)
    }

    pub(crate) fn pass(&mut self, wanted: Option<&PlannedSystem>, generation: u64, now: u64) {
        let Some(wanted) = wanted else { return };
        let report = &mut self.report;
        if report.asked != wanted.asked {
            let is_there = report.running.as_ref() == Some(&wanted.path);
            (report.asked, report.system, report.generation) = (wanted.asked, Some(wanted.path.clone()), generation);
            report.message.clear();
            report.state = if is_there { SystemState::Active } else { SystemState::Fetching };
            (self.since, self.before) = (now, report.running.clone());
            return;
        }
        let is = |word: &str| wanted.path.as_str().contains(word);
        let for_so_long = |millis: u64| now - self.since >= millis;
        let next = match report.state {
            SystemState::Fetching if is("stuck") => return,
            SystemState::Fetching if for_so_long(FETCH) && is("kernel") => SystemState::NeedsReboot,
            SystemState::Fetching if for_so_long(FETCH) => SystemState::Switching,
            SystemState::NeedsReboot if wanted.drained => SystemState::Rebooting,
            SystemState::Switching | SystemState::Rebooting if for_so_long(SWITCH) => {
                report.running = Some(wanted.path.clone());
                SystemState::Confirming
            }
            SystemState::Confirming if is("bad") && for_so_long(FIND_OUT) => SystemState::RollingBack,
            SystemState::Confirming if !is("bad") && for_so_long(wanted.healthy_for.get()) => SystemState::Active,
            SystemState::RollingBack if for_so_long(SWITCH) => {
                report.running.clone_from(&self.before);
                report.message = "no server answers".into();
                SystemState::RolledBack
            }
            _ => return,
        };
        (report.state, self.since) = (next, now);
    }
}
