mod etcd;
mod grpc;
mod http;
mod load;

use std::time::Duration;

use serde::Serialize;

use self::load::{Load, Outcome};
use crate::machine::Machine;
use crate::server_group::ServerGroup;
use crate::{Common, Failure};

/// The size of each value.
const VALUE: usize = 256;

/// How many writes a second three members commit, beside etcd's in the same run.
#[derive(Debug, Serialize)]
pub(crate) struct RaftWrites {
    name: &'static str,
    measures: &'static str,
    clients: usize,
    rounds: usize,
    seconds_each: f64,
    icefield: Outcome,
    etcd: Outcome,
    etcd_version: String,
    /// Icefield's writes a second for each of etcd's: the median over the rounds.
    ratio: f64,
    goal: f64,
    pub(crate) met: bool,
    machine: Machine,
}

/// Measures both in turn, each round for so long.
///
/// Each client has a connection of its own to the leader and one write under way: for Icefield a note of 256 bytes, for etcd a
/// put of as many. All members are on loopback and write to the same disk, each waiting for it (fsync).
pub(crate) async fn measure(
    common: &Common,
    clients: usize,
    rounds: usize,
    each: Duration,
) -> Result<RaftWrites, Failure> {
    let icefield = ServerGroup::start(common).await?;
    let leader = icefield.leader().await?;
    let etcd = etcd::Group::start().await?;
    let etcd_leader = etcd.leader().await?;
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let load = Load { clients, length: each };
    // The first round warms both up and does not count.
    for round in 0..=rounds {
        let our = load.run(|client| http::Notes::open(leader.clone(), client)).await?;
        let their = load.run(|client| grpc::Connection::open(etcd_leader.clone(), client)).await?;
        if round > 0 {
            ratios.push(our.rate() / their.rate());
            ours.push(our);
            theirs.push(their);
        }
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    let goal = if clients > 1 { 1.5 } else { 1.0 };
    Ok(RaftWrites {
        name: "raft-writes",
        measures: "committed writes of 256 bytes on three members with fsync, one under way for each client",
        clients,
        rounds,
        seconds_each: each.as_secs_f64(),
        icefield: Outcome::of(ours),
        etcd: Outcome::of(theirs),
        etcd_version: etcd::version()?,
        ratio,
        goal,
        met: ratio >= goal,
        machine: Machine::this(),
    })
}
