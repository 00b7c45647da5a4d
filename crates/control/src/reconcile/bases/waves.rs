use std::collections::BTreeSet;

use icefield_spec::Name;

use super::view::{BaseView, Member, Standing};

/// Which nodes are next.
///
/// The rules: the nodes of one zone at a time; no more at once than `max_unavailable`, of which one that was not heard of lately
/// is one, because it may be on its way to what was wanted before; none while nodes are held, because then the network is
/// likelier to have failed than they. A node that runs the target already, or that is
/// still on its way to what is no longer wanted, loses nothing by being asked.
impl BaseView<'_> {
    /// Up to `most` of them.
    pub(super) fn next(&self, most: usize) -> Vec<Name> {
        if !self.seen.health().held.is_empty() {
            return Vec::new();
        }
        let old: Vec<&Member<'_>> = self.members.iter().filter(|member| member.standing == Standing::Old).collect();
        let free = old.iter().filter(|member| self.is_free(member));
        let mut next: Vec<Name> = free.take(most).map(|member| member.node.clone()).collect();
        let is_busy = |member: &&Member<'_>| match member.standing {
            Standing::UnderWay => true,
            Standing::Unknown => member.asked.is_some_and(|asked| !asked.proven),
            _ => false,
        };
        let busy = self.members.iter().filter(is_busy);
        let busy: BTreeSet<&str> = busy.map(|member| member.zone.as_str()).collect();
        let down = self.count(Standing::UnderWay) + self.count(Standing::Unknown);
        // Where two zones are under way (nodes were moved between them), neither is gone on with before that has passed.
        let zone = match busy.len() {
            0 => old.iter().map(|member| member.zone.as_str()).min(),
            1 => busy.first().copied(),
            _ => None,
        };
        let Some(zone) = zone.filter(|_| next.is_empty()) else { return next };
        let spared = (self.update.max_unavailable as usize).saturating_sub(down).min(most);
        let of_zone = old.iter().filter(|member| member.zone == zone);
        next.extend(of_zone.take(spared).map(|member| member.node.clone()));
        next
    }

    /// Whether a node that is not at the target loses nothing by being asked for it.
    fn is_free(&self, member: &Member<'_>) -> bool {
        let sight = self.seen.sight(member.node.as_str());
        let running = sight.and_then(|sight| sight.system.as_ref()).and_then(|system| system.running.as_ref());
        let is_there = running == Some(&self.record.target);
        let is_open = member.report.is_none_or(|report| !report.state.is_final());
        is_there || (member.asked.is_some_and(|asked| !asked.proven) && is_open)
    }
}
