use std::collections::BTreeMap;
use std::sync::Arc;

use icefield_control::State;
use icefield_control::raft::Leader;

use crate::history::History;
use crate::invariants::agreement::{self, Agreement};
use crate::invariants::availability::{self, Availability};
use crate::invariants::convergence::{self, Running};
use crate::invariants::generations::{self, Generations};
use crate::invariants::{acknowledged, holders, jobs, rules, secrets, surge, way_back};
use crate::world::World;

/// Looks at all servers and agents, over and over, and holds them against the invariants.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// The version that each server had at the last look, by start.
    versions: BTreeMap<u64, u64>,
    agreement: Agreement,
    generations: Generations,
    availability: Availability,
}

impl Observer {
    /// Has a look.
    pub(crate) async fn look(&mut self, world: &World, history: &History) {
        let hub = &world.hub;
        for server in hub.running() {
            if let Leader::Me(term) = *server.group.leader().borrow() {
                self.availability.led(term);
            }
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
            hub.check(acknowledged::NAME, history.check(&state));
        }
        self.availability.note(&running(world), hub.trace.elapsed());
        if let Some(newest) = self.agreement.newest() {
            hub.check(availability::NAME, self.availability.check(newest));
        }
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
        convergence::check(newest, &versions, &running(world))
    }
}

/// What runs on each node.
fn running(world: &World) -> Vec<Running> {
    world.agents.iter().map(|agent| (agent.node.clone(), agent.processes())).collect()
}
