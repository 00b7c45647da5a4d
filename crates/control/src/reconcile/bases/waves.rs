use std::collections::BTreeSet;

use icefield_spec::Name;

use super::view::{BaseView, Member, Standing};

/// Which nodes are next.
///
/// The rules: the nodes of one zone at a time; no more at once than `max_unavailable`; none while nodes are held, because then
/// the network is likelier to have failed than they. A node that was not heard of lately may be on its way to what was wanted
/// before, so it is one of those. One that runs the target already, or that is still on its way to what is no longer wanted,
/// loses nothing by being asked.
impl BaseView<'_> {
    /// Up to `most` of them.
    pub(super) fn next(&self, most: usize) -> Vec<Name> {
        if !self.seen.health().held.is_empty() {
            return Vec::new();
        }
        let old: Vec<&Member<'_>> = self.members.iter().filter(|member| member.standing == Standing::Old).collect();
        let moving: Vec<&Member<'_>> = self.members.iter().filter(|member| self.may_be_moving(member)).collect();
        let zones: BTreeSet<&str> = moving.iter().map(|member| member.zone.as_str()).collect();
        // Nodes that came back, or were moved between zones, may have made them more than may be. Then they come to their end
        // first, if they do so in time: one that has just done so would begin anew beside the others.
        let is_few = zones.len() <= 1 && moving.len() <= self.update.max_unavailable as usize;
        let free = old.iter().filter(|member| {
            self.is_there(member) || (self.may_be_moving(member) && (is_few || self.is_too_late(member)))
        });
        let next: Vec<Name> = free.take(most).map(|member| member.node.clone()).collect();
        if !next.is_empty() || zones.len() > 1 {
            return next;
        }
        // One that was not heard of lately is waited for until it is back or lost, also if its zone is the next.
        let left = self.members.iter().filter(|member| matches!(member.standing, Standing::Old | Standing::Unknown));
        let zone = zones.first().copied().or_else(|| left.map(|member| member.zone.as_str()).min());
        let down = |member: &&Member<'_>| member.standing == Standing::Unknown || self.may_be_moving(member);
        let down = self.members.iter().filter(down).count();
        let spared = (self.update.max_unavailable as usize).saturating_sub(down).min(most);
        let of_zone = old.iter().filter(|member| Some(member.zone.as_str()) == zone);
        of_zone.take(spared).map(|member| member.node.clone()).collect()
    }

    /// Whether a node runs the target, without having been asked for it.
    fn is_there(&self, member: &Member<'_>) -> bool {
        let sight = self.seen.sight(member.node.as_str());
        let running = sight.and_then(|sight| sight.system.as_ref()).and_then(|system| system.running.as_ref());
        running == Some(&self.record.target)
    }

    /// Whether a node may be on its way to what it was asked for: its agent says so, or has not said yet that it knows of it.
    fn may_be_moving(&self, member: &Member<'_>) -> bool {
        let is_unproven = || member.asked.is_some_and(|asked| !asked.proven);
        match member.standing {
            Standing::UnderWay => true,
            Standing::Unknown => is_unproven(),
            Standing::Old => is_unproven() && member.report.is_none_or(|report| !report.state.is_final()),
            _ => false,
        }
    }
}
