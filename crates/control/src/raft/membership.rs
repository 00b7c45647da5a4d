use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use openraft::ChangeMembers;
use openraft::error::{ClientWriteError, RaftError};

use super::group::Group;
use super::members::Member;
use super::rpc::Rpc;
use super::transport::Message;

/// How many servers a group may have: more make it slower and no safer.
const MOST: usize = 7;

/// How long a server may take to say that it is there.
const ANSWER: Duration = Duration::from_millis(500);

/// A server as the group knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Raft's number of it; it is never another server's.
    pub number: u64,
    /// Its name and address.
    pub member: Member,
    /// Whether it votes. One that does not is catching up.
    pub votes: bool,
}

/// Why the group's members were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// This server does not lead.
    #[error("this server does not lead")]
    NotLeader,
    /// Another change is not complete.
    #[error("the servers are just being changed; try again in a moment")]
    UnderWay,
    /// There is a server of this name.
    #[error(
        "there is a server {0} at {1}; give the new one another name, or remove that one first (`icefield member remove {0}`)"
    )]
    NameTaken(String, String),
    /// There is no server of this name.
    #[error("there is no server {name:?}; the servers are {}", servers.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The servers that there are.
        servers: Vec<String>,
    },
    /// There are as many as there may be.
    #[error("the group has {0} servers, and more than {MOST} make it slower and no safer; remove one first")]
    TooMany(usize),
    /// It is the only one.
    #[error("{0} is the only server with a vote; join another one before you remove it")]
    Last(String),
    /// Without it, most of the others would not be there.
    #[error("of the servers that would be left, only {} of {needed} needed answer ({}); start the others first, or use --force if they are gone for good", alive.len(), alive.join(", "))]
    NoQuorum {
        /// Those that answer.
        alive: Vec<String>,
        /// How many must.
        needed: usize,
    },
    /// It was not agreed on.
    #[error("the servers could not agree on it: {0}")]
    Failed(String),
}

impl Group {
    /// The servers of the group, by name.
    pub fn seats(&self) -> Vec<Seat> {
        let metrics = self.raft.metrics();
        let membership = Arc::clone(&metrics.borrow().membership_config);
        // While a change is under way, the old and the new voters must both agree: one counts that is of both.
        let configs = membership.membership().get_joint_config();
        let seat = |(number, member): (&u64, &Member)| Seat {
            number: *number,
            member: self.addresses.of(member),
            votes: configs.iter().all(|voters| voters.contains(number)),
        };
        let mut seats: Vec<Seat> = membership.nodes().map(seat).collect();
        seats.sort_by(|a, b| a.member.name.cmp(&b.member.name));
        seats
    }

    /// Takes a server in under `number`, which no other has ever had; gives back the number that it has. It gets its
    /// vote when it has caught up. Only a leader can take one in.
    pub async fn admit(&self, number: u64, member: Member) -> Result<u64, MembershipError> {
        let seats = self.seats();
        if let Some(seat) = seats.iter().find(|seat| seat.member.name == member.name) {
            // One that was taken in and ended before it could write that down asks again.
            if !seat.votes && seat.member == member {
                return Ok(seat.number);
            }
            return Err(MembershipError::NameTaken(seat.member.name.clone(), seat.member.api.clone()));
        }
        if let Some(replaced) = &member.replaces {
            known(&seats, replaced)?;
        } else if seats.len() >= MOST {
            return Err(MembershipError::TooMany(seats.len()));
        }
        self.change(ChangeMembers::AddNodes([(number, member)].into())).await?;
        Ok(number)
    }

    /// Writes down that this server is reached at another address than before.
    pub async fn relocate(&self, name: &str, api: &str) -> Result<(), MembershipError> {
        let seats = self.seats();
        let seat = known(&seats, name)?;
        if seat.member.api == api {
            return Ok(());
        }
        let member = Member { api: api.into(), ..seat.member.clone() };
        self.change(ChangeMembers::SetNodes([(seat.number, member)].into())).await
    }

    /// Removes a server. Unless `force`d, only if those that are left can decide without it.
    pub async fn remove(&self, name: &str, force: bool) -> Result<(), MembershipError> {
        let seats = self.seats();
        let seat = known(&seats, name)?;
        if !seat.votes {
            return self.change(ChangeMembers::RemoveNodes([seat.number].into())).await;
        }
        let left: Vec<&Seat> = seats.iter().filter(|other| other.votes && other.number != seat.number).collect();
        if left.is_empty() {
            return Err(MembershipError::Last(name.into()));
        }
        let needed = left.len() / 2 + 1;
        let alive = self.alive(&left).await;
        if alive.len() < needed && !force {
            return Err(MembershipError::NoQuorum { alive, needed });
        }
        self.change(ChangeMembers::RemoveVoters([seat.number].into())).await?;
        if seat.number != self.number() {
            // If it is there, it should know; if it does not hear of it, nobody listens to it any more.
            let message =
                Message { to: seat.member.clone(), group: self.id().into(), rpc: Rpc::Leave, body: Vec::new() };
            drop(self.transport.ask(message, ANSWER).await);
        }
        Ok(())
    }

    /// Which of the servers say that they are there.
    pub async fn alive(&self, seats: &[&Seat]) -> Vec<String> {
        let ask = |seat: &&Seat| {
            let (name, number) = (seat.member.name.clone(), seat.number);
            let message =
                Message { to: seat.member.clone(), group: self.id().into(), rpc: Rpc::Alive, body: Vec::new() };
            let answer = (number != self.number()).then(|| self.transport.ask(message, ANSWER));
            async move {
                match answer {
                    Some(answer) => answer.await.is_ok().then_some(name),
                    None => Some(name),
                }
            }
        };
        join_all(seats.iter().map(ask)).await.into_iter().flatten().collect()
    }

    async fn change(&self, change: ChangeMembers<u64, Member>) -> Result<(), MembershipError> {
        self.raft.change_membership(change, false).await.map(drop).map_err(|error| match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => MembershipError::NotLeader,
            RaftError::APIError(ClientWriteError::ChangeMembershipError(
                openraft::error::ChangeMembershipError::InProgress(_),
            )) => MembershipError::UnderWay,
            other => MembershipError::Failed(other.to_string()),
        })
    }
}

fn known<'a>(seats: &'a [Seat], name: &str) -> Result<&'a Seat, MembershipError> {
    let unknown = || {
        let servers = seats.iter().map(|seat| seat.member.name.clone()).collect();
        MembershipError::Unknown { name: name.into(), servers }
    };
    seats.iter().find(|seat| seat.member.name == name).ok_or_else(unknown)
}
