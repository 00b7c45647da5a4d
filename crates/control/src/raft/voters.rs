use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use openraft::{ChangeMembers, ServerState};

use super::members::Member;
use super::types::{Batch, Raft};

/// A learner may lack so many entries when it gets its vote.
const BEHIND: u64 = 64;

/// The numbers of those that vote.
pub(super) fn voters(raft: &Raft) -> impl Iterator<Item = u64> + use<> {
    let metrics = raft.metrics();
    let membership = Arc::clone(&metrics.borrow().membership_config);
    let voters: Vec<u64> = membership.membership().voter_ids().collect();
    voters.into_iter()
}

/// Gives learners their vote once they have caught up, while this server leads, and brings to its end what another leader
/// has begun.
///
/// Raft hears how far another server is from the answers to what it sends, and overhears that where the members have just
/// changed. If nothing is written then, it does not ask again; so while a change is under way, something is.
pub(super) async fn promote(raft: Raft, every: Duration) {
    /// Something is written after so many heartbeats, at first.
    const PATIENCE: u32 = 3;
    /// The longest time between two writes: a learner may never come.
    const LONGEST: Duration = Duration::from_secs(10);
    let mut metrics = raft.metrics();
    let mut pause = every * PATIENCE;
    let mut last = None;
    loop {
        let now = metrics.borrow_and_update().clone();
        let membership = *now.membership_config.log_id();
        if last != membership {
            (last, pause) = (membership, every * PATIENCE);
        }
        match Turn::of(&now) {
            Turn::Settled => {
                if metrics.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Turn::Wait => tokio::time::sleep(every).await,
            Turn::Change(voters) => {
                let change = raft.change_membership(ChangeMembers::ReplaceAllVoters(voters), false);
                // It goes on, whether it is waited for or not.
                match tokio::time::timeout(pause, change).await {
                    Ok(Ok(_)) => continue,
                    Ok(Err(error)) => tracing::debug!(%error, "a server has no vote yet"),
                    Err(_) => tracing::debug!("a server has no vote yet, and nobody knows why"),
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
        if let Ok(nothing) = Batch::of([])
            && let Err(fatal) = raft.client_write_ff(nothing).await
        {
            tracing::debug!(%fatal, "Raft has stopped");
            return;
        }
    }
}

/// What is to be done about the members now.
enum Turn {
    /// Nothing: all vote, or another server leads.
    Settled,
    /// A server is yet to catch up.
    Wait,
    /// These are to vote.
    Change(BTreeSet<u64>),
}

impl Turn {
    fn of(metrics: &openraft::RaftMetrics<u64, Member>) -> Self {
        let membership = metrics.membership_config.membership();
        let Some(replication) = metrics.replication.as_ref().filter(|_| metrics.state == ServerState::Leader) else {
            return Self::Settled;
        };
        // One change at a time. One that is under way has the new voters last.
        if let [_, .., new] = membership.get_joint_config().as_slice() {
            return Self::Change(new.clone());
        }
        let mut voters: BTreeSet<u64> = membership.voter_ids().collect();
        let nodes: BTreeMap<u64, &Member> = membership.nodes().map(|(number, member)| (*number, member)).collect();
        if nodes.len() == voters.len() {
            return Self::Settled;
        }
        let last = metrics.last_log_index.unwrap_or_default();
        let ready = nodes.iter().find(|(number, _)| {
            let matched = replication.get(number).copied().flatten().map(|matched| matched.index);
            !voters.contains(number) && matched.is_some_and(|matched| matched + BEHIND >= last)
        });
        let Some((number, member)) = ready else { return Self::Wait };
        voters.insert(*number);
        if let Some(replaced) = &member.replaces {
            let replaced = nodes.iter().find(|(_, other)| other.name == *replaced);
            replaced.map(|(number, _)| voters.remove(number));
        }
        Self::Change(voters)
    }
}
