use std::time::{Duration, Instant};

use icefield_api::{ApplyRequest, Client, RolloutEntry, RolloutState};
use icefield_spec::{Bytes, Cpu, Machine, Millis, Name, Pool, Port, Rules, Run, Service, Spec, Spread, Unit, Update};
use serde::Serialize;

use super::DRAIN;
use super::agents::{Agents, WARM_UP};
use crate::machine::Machine as ThisMachine;
use crate::server_group::ServerGroup;
use crate::{Common, Failure};

/// How long a replica must be healthy before it counts.
const HEALTHY_FOR: Duration = Duration::from_secs(5);

/// A rollout of many replicas, held against what it was told to wait for.
#[derive(Debug, Serialize)]
pub(crate) struct Rollout {
    name: &'static str,
    measures: &'static str,
    replicas: u32,
    nodes: u32,
    /// How many replicas were down at once.
    at_once: u32,
    /// Each batch of replicas: as long as the old ones run on, the new ones take to become healthy, and must be so.
    declared_s: f64,
    /// From the apply to the end, as the servers have it.
    took_s: f64,
    above_percent: f64,
    goal_percent: f64,
    met: bool,
    machine: ThisMachine,
}

/// Rolls a service out to simulated agents of real servers.
pub(crate) async fn measure(common: &Common, replicas: u32, nodes: u32) -> Result<Rollout, Failure> {
    const GOAL: f64 = 5.0;
    let group = ServerGroup::start(common).await?;
    let at_once = (replicas / 10).max(1);
    let first = declare("v1", replicas, nodes, at_once)?;
    let names = first.fleet().map(|node| node.name).collect::<Vec<_>>();
    let _agents = Agents::start(&group.client, names);
    done(&group.client, first).await?;
    let entry = done(&group.client, declare("v2", replicas, nodes, at_once)?).await?;
    let took = Duration::from_millis(entry.ended.unwrap_or(entry.started) - entry.started).as_secs_f64();
    let declared = f64::from(replicas.div_ceil(at_once)) * (DRAIN + WARM_UP + HEALTHY_FOR).as_secs_f64();
    let above_percent = (took / declared - 1.0) * 100.0;
    Ok(Rollout {
        name: "rollout",
        measures: "a rolling update, from the apply to its end, beside the waits that it consists of",
        replicas,
        nodes,
        at_once,
        declared_s: declared,
        took_s: took,
        above_percent,
        goal_percent: GOAL,
        met: above_percent <= GOAL,
        machine: ThisMachine::this(),
    })
}

/// Applies `spec` and waits until the rollout is done.
async fn done(client: &Client, spec: Spec) -> Result<RolloutEntry, Failure> {
    const PATIENCE: Duration = Duration::from_secs(600);
    let web = Name::new("web")?;
    let to = spec.services[&web].revision();
    client.apply(&ApplyRequest::whatever_is_there(spec)).await?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let newest = client.rollouts(&web).await?.rollouts.into_iter().next().ok_or("there is no rollout")?;
        match newest.state {
            RolloutState::Done if newest.to == to => return Ok(newest),
            RolloutState::Progressing => tokio::time::sleep(Duration::from_millis(200)).await,
            _ => return Err(format!("the rollout is {:?}: {}", newest.state, newest.message).into()),
        }
    }
    Err("the rollout found no end".into())
}

fn declare(version: &str, replicas: u32, nodes: u32, at_once: u32) -> Result<Spec, Failure> {
    let mut spec = Spec::empty(Name::new("figure")?);
    let machine = Machine::new(Cpu::from_millis(8_000), Bytes::new(16 << 30));
    spec.pools.insert(Name::new("n")?, Pool { count: nodes, machine });
    let run = Run::Exec { command: vec!["serve".into(), version.into()] };
    let mut unit = Unit::new(run, Cpu::from_millis(100), Bytes::new(64 << 20));
    unit.ports.insert(Name::new("http")?, Port::Dynamic);
    let millis = |time: Duration| Millis::new(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let update = Update {
        max_unavailable: at_once,
        healthy_for: millis(HEALTHY_FOR),
        deadline: Millis::new(120_000),
        ..Update::default()
    };
    let rules = Rules { spread: vec![Spread::over("node")], ..Rules::default() };
    spec.services.insert(Name::new("web")?, Service { update, rules, ..Service::new(replicas, unit) });
    Ok(spec)
}
