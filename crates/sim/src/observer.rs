use std::collections::BTreeMap;
use std::sync::Arc;

use icefield_control::State;
use icefield_spec::Name;

use crate::history::History;
use crate::invariants::agreement::{self, Agreement};
use crate::invariants::availability::{self, Availability};
use crate::invariants::canary::{self, Canaries};
use crate::invariants::convergence::{self, Running};
use crate::invariants::generations::{self, Generations};
use crate::invariants::last_good::{self, LastGood};
use crate::invariants::versions::{self, Versions};
use crate::invariants::waves::{self, Waves};
use crate::invariants::zones::{self, Zones};
use crate::invariants::{acknowledged, drains, holders, jobs, mixture, reboots, rules, secrets, surge, way_back};
use crate::system::Standing;
use crate::world::World;

/// Looks at all servers and agents, over and over, and holds them against the invariants.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// The version that each server had at the last look, by start.
    versions: BTreeMap<u64, u64>,
    agreement: Agreement,
    generations: Generations,
    availability: Availability,
    waves: Waves,
    zones: Zones,
    canaries: Canaries,
    last_good: LastGood,
    secret_versions: Versions,
}

impl Observer {
    /// Has a look.
    pub(crate) async fn look(&mut self, world: &World, history: &History) {
        let hub = &world.hub;
        for server in hub.running() {
            let state = server.group.state().await;
            let before = self.versions.insert(server.life, state.version);
            if before == Some(state.version) {
                continue;
            }
            hub.trace.mark([server.number as u64, server.life, state.version], &[]);
            hub.check(agreement::NAME, self.agreement.check(server.group.name(), &state));
            hub.check(generations::NAME, self.generations.check(server.life, &state));
            hub.check(rules::NAME, rules::check(&state));
            hub.check(surge::NAME, surge::check(&state));
            hub.check(way_back::NAME, way_back::check(&state));
            hub.check(jobs::NAME, jobs::check_past(&state));
            hub.check(secrets::NAME, secrets::check(&state));
            hub.check(mixture::NAME, mixture::check(&state));
            hub.check(acknowledged::NAME, history.check(&state));
        }
        self.availability.note(&running(world), hub.trace.elapsed());
        if let Some(newest) = self.agreement.newest() {
            hub.check(drains::NAME, drains::check(&self.availability, newest));
            hub.check(availability::NAME, self.availability.check(newest));
            hub.check(versions::NAME, self.secret_versions.check(newest));
        }
        self.look_at_systems(world);
        let singletons = |agent: &Arc<crate::agent::Agent>| {
            let node = agent.node.clone();
            agent.singletons().into_iter().map(move |replica| (node.clone(), replica))
        };
        let running: Vec<_> = world.agents.iter().flat_map(singletons).collect();
        if running.len() > 1
            && let Some(state) = self.agreement.newest()
        {
            hub.check(holders::NAME, holders::check(&running, state));
        }
        let attempts = |agent: &Arc<crate::agent::Agent>| {
            let node = agent.node.clone();
            agent.attempts().into_iter().map(move |replica| (node.clone(), replica))
        };
        let running: Vec<_> = world.agents.iter().flat_map(attempts).collect();
        if let Some(state) = self.agreement.newest() {
            hub.check(jobs::NAME, jobs::check_running(&running, state));
        }
    }

    /// Looks at how nodes stand with their systems.
    fn look_at_systems(&mut self, world: &World) {
        let (hub, now) = (&world.hub, world.hub.trace.elapsed());
        let Some(newest) = self.agreement.newest() else { return };
        let systems = systems(world);
        let contact = |agent: &Arc<crate::agent::Agent>| {
            let contact = agent.contact();
            let is_known = now.saturating_sub(contact.until) <= 500;
            (agent.node.clone(), if is_known { contact.until.saturating_sub(contact.since) } else { 0 })
        };
        hub.check(waves::NAME, self.waves.check(newest, &systems));
        hub.check(zones::NAME, self.zones.check(newest, &world.agents.iter().map(contact).collect()));
        hub.check(canary::NAME, self.canaries.check(newest));
        hub.check(last_good::NAME, self.last_good.check(newest, &systems));
        for agent in &world.agents {
            if let Some(running) = agent.restarted() {
                hub.check(reboots::NAME, reboots::check(newest, &agent.node, &running));
            }
        }
    }

    /// The newest state that any server has shown.
    pub(crate) fn newest(&self) -> Option<&Arc<State>> {
        self.agreement.newest()
    }

    /// Whether all is as it should be.
    pub(crate) async fn converged(&self, world: &World) -> Result<(), String> {
        let servers = world.hub.running();
        if servers.len() < world.servers {
            return Err("a server is down".into());
        }
        let mut versions = Vec::new();
        for server in &servers {
            versions.push(server.group.state().await.version);
        }
        if !servers.iter().any(|server| server.leads()) {
            return Err("nobody leads".into());
        }
        let Some(newest) = self.newest() else { return Err("there is no state".into()) };
        convergence::check(newest, &versions, &running(world), &systems(world))?;
        let values = world.agents.iter().flat_map(|agent| agent.values());
        versions::check_values(newest, &values.collect::<Vec<_>>())
    }
}

/// What runs on each node.
fn running(world: &World) -> Vec<Running> {
    world.agents.iter().map(|agent| (agent.node.clone(), agent.processes())).collect()
}

/// How each node stands with its system, and for how many milliseconds it has heard of nobody.
fn systems(world: &World) -> Vec<(Name, Standing, u64)> {
    let now = world.hub.trace.elapsed();
    let silence = |agent: &crate::agent::Agent| now.saturating_sub(agent.contact().until);
    world.agents.iter().map(|agent| (agent.node.clone(), agent.system(), silence(agent))).collect()
}
