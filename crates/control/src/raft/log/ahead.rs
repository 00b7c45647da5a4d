use crate::raft::types::{Entry, Membership, Vote};

/// Whether a leader may send entries to the others before its own disk has them.
///
/// Raft lets it, if it does not count itself among those who have an entry until its disk has it ("Consensus: Bridging
/// Theory and Practice", 10.2.1). openraft counts it at once when it is told that an entry is written. So it is told early
/// only where an entry cannot be agreed on without another server, and such a server's answer is held back until this
/// server's disk has the entry too ([`network`](crate::raft::network)).
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// What the server has voted last, since it was started.
    vote: Option<Vote>,
    /// The vote by which this server leads.
    lead: Option<Vote>,
    /// The newest membership that is known, by its entry: whether all of it takes two servers to agree.
    membership: Option<(u64, bool)>,
}

impl Ahead {
    /// The server has voted: what it led by before is over.
    pub(super) fn voted(&mut self, vote: &Vote) {
        self.vote = Some(*vote);
        self.lead = self.lead.filter(|lead| lead == vote);
    }

    /// The server leads by this vote, with this membership or a newer one that it has been given since. Heard after it has
    /// voted for another, it says nothing.
    pub(super) fn leads(&mut self, vote: Vote, membership: &Membership) {
        self.lead = Some(vote).filter(|vote| self.vote.as_ref() == Some(vote));
        let index = membership.log_id().map_or(0, |id| id.index);
        if self.membership.is_none_or(|(newest, _)| newest <= index) {
            self.membership = Some((index, takes_two(membership.membership())));
        }
    }

    /// Whether these entries, which come next, may be sent before they are on the disk.
    pub(super) fn admits(&mut self, entries: &[Entry]) -> bool {
        let mut memberships = entries.iter().filter_map(|entry| match &entry.payload {
            openraft::EntryPayload::Membership(membership) => Some((entry.log_id.index, takes_two(membership))),
            _ => None,
        });
        if let Some(newest) = memberships.next_back() {
            // All before is on the disk when it is, whoever counts from then on.
            self.membership = Some(newest);
            return false;
        }
        let takes_two = self.membership.is_some_and(|(_, takes_two)| takes_two);
        let own = |lead: Vote| entries.iter().all(|entry| entry.log_id.leader_id == lead.leader_id);
        takes_two && self.lead.is_some_and(own)
    }

    /// The entries from `index` on are no more.
    pub(super) fn truncated(&mut self, index: u64) {
        self.membership = self.membership.filter(|(newest, _)| *newest < index);
    }
}

fn takes_two(membership: &openraft::Membership<u64, crate::raft::members::Member>) -> bool {
    membership.get_joint_config().iter().all(|voters| voters.len() > 1)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use openraft::{EntryPayload, LeaderId, LogId};

    use super::*;

    fn id(term: u64, leader: u64, index: u64) -> LogId<u64> {
        LogId::new(LeaderId::new(term, leader), index)
    }

    fn plain(term: u64, leader: u64, index: u64) -> Entry {
        Entry { log_id: id(term, leader, index), payload: EntryPayload::Blank }
    }

    fn membership(configs: &[&[u64]]) -> openraft::Membership<u64, crate::raft::members::Member> {
        let configs = configs.iter().map(|voters| voters.iter().copied().collect::<BTreeSet<_>>()).collect();
        openraft::Membership::new(configs, BTreeMap::new())
    }

    fn stored(index: u64, configs: &[&[u64]]) -> Membership {
        Membership::new(Some(id(1, 1, index)), membership(configs))
    }

    fn change(index: u64, configs: &[&[u64]]) -> Entry {
        Entry { log_id: id(2, 1, index), payload: EntryPayload::Membership(membership(configs)) }
    }

    fn leading() -> Ahead {
        let mut ahead = Ahead::default();
        ahead.voted(&Vote::new_committed(2, 1));
        ahead.leads(Vote::new_committed(2, 1), &stored(3, &[&[1, 2, 3]]));
        ahead
    }

    #[test]
    fn a_leader_of_several_may_be_ahead_with_what_it_makes() {
        let mut ahead = leading();
        assert!(ahead.admits(&[plain(2, 1, 4), plain(2, 1, 5)]));
        assert!(!ahead.admits(&[plain(1, 1, 6)]), "of a term before: another leader sends it back");
        assert!(!ahead.admits(&[plain(3, 2, 6)]), "another's");
        assert!(!Ahead::default().admits(&[plain(2, 1, 4)]), "nothing is known yet");
    }

    #[test]
    fn nobody_is_ahead_after_another_vote() {
        let mut ahead = leading();
        ahead.voted(&Vote::new_committed(2, 1));
        assert!(ahead.admits(&[plain(2, 1, 4)]));
        ahead.voted(&Vote::new(3, 2));
        assert!(!ahead.admits(&[plain(2, 1, 5)]));
        ahead.leads(Vote::new_committed(2, 1), &stored(3, &[&[1, 2, 3]]));
        assert!(!ahead.admits(&[plain(2, 1, 5)]), "that it led is heard late");
    }

    #[test]
    fn who_agrees_alone_waits_for_its_disk() {
        let mut ahead = leading();
        assert!(!ahead.admits(&[change(4, &[&[1, 2, 3], &[1]])]), "what changes the members is written first");
        assert!(!ahead.admits(&[plain(2, 1, 5)]), "one of both agrees alone");
        assert!(!ahead.admits(&[change(6, &[&[1]])]));
        ahead.leads(Vote::new_committed(2, 1), &stored(3, &[&[1, 2, 3]]));
        assert!(!ahead.admits(&[plain(2, 1, 7)]), "what is heard late does not count");
        assert!(!ahead.admits(&[change(8, &[&[1, 2]])]));
        assert!(ahead.admits(&[plain(2, 1, 9)]));
    }

    #[test]
    fn members_that_were_taken_back_say_nothing() {
        let mut ahead = Ahead::default();
        ahead.voted(&Vote::new_committed(2, 1));
        assert!(!ahead.admits(&[change(9, &[&[1, 2, 3]])]));
        ahead.truncated(9);
        ahead.leads(Vote::new_committed(2, 1), &stored(3, &[&[1]]));
        assert!(!ahead.admits(&[plain(2, 1, 9)]));
    }
}
