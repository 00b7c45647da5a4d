//! Strangers who send what no client of good will does, while real clients are to notice nothing of it.

mod attack;
mod certificates;
mod customer;
mod random;
mod stranger;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::certificates::Certificates;
use self::customer::{Customers, Fared};
use self::random::Random;
use self::stranger::Outcome;
use crate::machine::Machine;
use crate::server_group::ServerGroup;
use crate::{Common, Failure};

/// What three servers did with it.
#[derive(Debug, Serialize)]
pub(crate) struct Abuse {
    name: &'static str,
    seed: u64,
    requests: usize,
    seconds: f64,
    /// How many of them got which status, or none.
    outcomes: BTreeMap<String, usize>,
    /// The same by what was wrong with them.
    families: BTreeMap<&'static str, BTreeMap<String, usize>>,
    /// Answers with a status of 500 and more; goal 0.
    server_errors: usize,
    /// Servers that ended; goal 0.
    crashes: usize,
    /// The memory of each server in MiB: after the first tenth of the requests, and after all of them.
    memory_before_mib: Vec<f64>,
    memory_after_mib: Vec<f64>,
    /// How much more it may be afterwards.
    memory_bound_mib: f64,
    /// How real clients fared meanwhile; goal: none fails.
    clients: BTreeMap<&'static str, Fared>,
    /// What a server with TLS did with strangers of its own kind.
    certificates: Certificates,
    /// Whether all goals are met.
    pub(crate) met: bool,
    machine: Machine,
}

/// How many strangers there are at once.
const AT_ONCE: usize = 64;
/// How much more memory a server may take afterwards: what the allocator keeps, and the state that the real clients wrote.
const MORE_MIB: f64 = 32.0;

/// Attacks a group of servers so many times; equal seeds give equal attacks.
pub(crate) async fn measure(common: &Common, requests: usize, seed: u64) -> Result<Abuse, Failure> {
    let mut group = ServerGroup::start(common).await?;
    let customers = Customers::start(&group.addresses)?;
    let mut random = Random::new(seed);
    let began = Instant::now();
    let mut families: BTreeMap<&'static str, BTreeMap<String, usize>> = BTreeMap::new();
    let first = requests / 10;
    attack_all(&group, &mut random, first, &mut families).await?;
    let before = settled(&group).await?;
    attack_all(&group, &mut random, requests - first, &mut families).await?;
    let seconds = began.elapsed().as_secs_f64();
    let clients: BTreeMap<&'static str, Fared> = customers.end().await?.into_iter().collect();
    let after = settled(&group).await?;
    let crashes = group.ended();
    drop(group);
    let certificates = certificates::measure(common, requests / 10, &mut random).await?;

    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for (outcome, count) in families.values().flatten() {
        *outcomes.entry(outcome.clone()).or_default() += count;
    }
    let server_errors = outcomes.iter().filter(|(outcome, _)| outcome.starts_with('5')).map(|(_, count)| count).sum();
    let flat = before.iter().zip(&after).all(|(before, after)| after - before <= MORE_MIB);
    let served = clients.values().all(|fared| fared.failed == 0);
    Ok(Abuse {
        name: "abuse",
        seed,
        requests,
        seconds,
        outcomes,
        families,
        server_errors,
        crashes,
        memory_before_mib: before,
        memory_after_mib: after,
        memory_bound_mib: MORE_MIB,
        clients,
        met: server_errors == 0 && crashes == 0 && flat && served && certificates.met(MORE_MIB),
        certificates,
        machine: Machine::this(),
    })
}

async fn attack_all(
    group: &ServerGroup,
    random: &mut Random,
    count: usize,
    families: &mut BTreeMap<&'static str, BTreeMap<String, usize>>,
) -> Result<(), Failure> {
    let free = Arc::new(Semaphore::new(AT_ONCE));
    let mut strangers = JoinSet::new();
    for _ in 0..count {
        let permit = Arc::clone(&free).acquire_owned().await?;
        let attack = attack::attack(random);
        let address = group.addresses[random.below(group.addresses.len())].clone();
        let linger = Duration::from_millis(random.below(2_000) as u64);
        strangers.spawn(async move {
            let outcome = stranger::attack(&address, &attack, linger).await;
            drop(permit);
            (attack.family, outcome)
        });
    }
    while let Some(done) = strangers.join_next().await {
        let (family, outcome) = done?;
        let outcome = match outcome {
            Outcome::Answered(status) => status.to_string(),
            Outcome::Ended => "ended".into(),
            Outcome::NotAnswered => "not answered".into(),
            Outcome::NotConnected => "not connected".into(),
        };
        *families.entry(family).or_default().entry(outcome).or_default() += 1;
    }
    Ok(())
}

/// The memory of each server in MiB once it has let go of what it held.
async fn settled(group: &ServerGroup) -> Result<Vec<f64>, Failure> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(group.resident_kib()?.into_iter().map(|kib| kib as f64 / 1024.0).collect())
}
