use std::collections::BTreeMap;
use std::time::Duration;

use icefield_plan::ReplicaId;
use icefield_spec::{Reload, ReloadSignal};
use rustix::process::Signal;

use crate::Timings;
use crate::core::Moment;
use crate::files::Rendered;
use crate::process::{Process, signal_alone};

/// When files are made anew, and which replicas are started anew because of that.
///
/// Agents do not ask each other whose turn it is. The replica with the index `i` waits `i` times
/// [`Timings::renewals_apart`], so those of other nodes have their turns at other times, and none goes while another replica
/// of its service on this node is not healthy.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    look: Option<Moment>,
    renewals: BTreeMap<ReplicaId, Moment>,
}

impl Reloads {
    /// How long a replica whose turn it is waits for the others of its node before it is asked again.
    const AGAIN: Duration = Duration::from_millis(500);
    /// The longest that an index makes a replica wait.
    const LONGEST: Duration = Duration::from_secs(600);

    /// Has all files looked at, at `moment` or earlier.
    pub(crate) fn look(&mut self, moment: Moment) {
        self.look.get_or_insert(moment);
    }

    /// Whether that moment has come; it is over then.
    pub(crate) fn is_due(&mut self, now: Moment) -> bool {
        self.look.take_if(|moment| *moment <= now).is_some()
    }

    /// Has a replica started anew when its turn comes.
    pub(crate) fn renew(&mut self, id: &ReplicaId, now: Moment, timings: &Timings) {
        let wait = timings.renewals_apart.saturating_mul(id.index).min(Self::LONGEST);
        self.renewals.entry(id.clone()).or_insert(now + wait);
    }

    /// The replicas whose turn it is; `others_are_well` says whether a replica may be spared.
    pub(crate) fn turns(&mut self, now: Moment, others_are_well: impl Fn(&ReplicaId) -> bool) -> Vec<ReplicaId> {
        let mut turns: Vec<ReplicaId> = Vec::new();
        for (id, due) in &mut self.renewals {
            if *due > now {
                continue;
            }
            if turns.iter().any(|other| other.service == id.service) || !others_are_well(id) {
                *due = now + Self::AGAIN;
            } else {
                turns.push(id.clone());
            }
        }
        self.renewals.retain(|id, _| !turns.contains(id));
        turns
    }

    /// When to ask again.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.renewals.values().copied().chain(self.look).min()
    }
}

/// Writes those of the files that are not as they are to be, and gives back what is then to be done, each once.
pub(crate) fn write_changed(id: &ReplicaId, files: &[Rendered]) -> Result<Vec<Reload>, String> {
    let mut asked = Vec::new();
    for file in files.iter().filter(|file| file.differs()) {
        file.write()?;
        tracing::info!(replica = %id, "{} has changed", file.path.display());
        if let Some(reload) = file.reload.filter(|reload| !asked.contains(reload)) {
            asked.push(reload);
        }
    }
    if asked.contains(&Reload::Restart) {
        asked.retain(|reload| *reload == Reload::Restart);
    }
    Ok(asked)
}

/// Tells the program of a replica that a file has changed.
pub(crate) fn signal(id: &ReplicaId, process: &Process, signal: ReloadSignal) {
    let number = match signal {
        ReloadSignal::Hup => Signal::HUP,
        ReloadSignal::Usr1 => Signal::USR1,
        ReloadSignal::Usr2 => Signal::USR2,
        ReloadSignal::Winch => Signal::WINCH,
    };
    tracing::info!(replica = %id, "told of its new file by {signal:?}");
    signal_alone(process, number);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn id(text: &str) -> ReplicaId {
        text.parse().unwrap()
    }

    #[test]
    fn changes_of_a_moment_are_looked_at_together() {
        let mut reloads = Reloads::default();
        reloads.look(seconds(1));
        reloads.look(seconds(2));
        assert_eq!(reloads.next(), Some(seconds(1)));
        assert!(!reloads.is_due(Duration::ZERO));
        assert!(reloads.is_due(seconds(1)) && !reloads.is_due(seconds(9)));
    }

    #[test]
    fn replicas_are_started_anew_one_after_the_other() {
        let mut reloads = Reloads::default();
        let timings = Timings::default();
        for text in ["web/0", "web/1", "web/3", "api/0"] {
            reloads.renew(&id(text), Duration::ZERO, &timings);
        }
        assert_eq!(reloads.turns(Duration::ZERO, |_| true), [id("api/0"), id("web/0")]);
        assert_eq!(reloads.next(), Some(seconds(2)));
        assert_eq!(reloads.turns(seconds(2), |_| false), [], "web/0 is not healthy yet");
        assert_eq!(reloads.turns(seconds(7), |_| true), [id("web/1")], "not both");
        assert_eq!(reloads.turns(seconds(8), |_| true), [id("web/3")]);
        assert_eq!(reloads.next(), None);
    }
}
