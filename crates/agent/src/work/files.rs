//! The part of the agent's loop that is about what replicas need before they start: closures, secrets and files.

use std::collections::BTreeMap;

use icefield_plan::{Generation, ReplicaId};
use icefield_spec::Reload;

use super::Work;
use crate::closures::Closures;
use crate::core::Local;
use crate::reload;

impl Work {
    /// Takes note of which replicas cannot be started until a server has told something, and has it asked for.
    pub(super) fn look_for_what_is_missing(&mut self) {
        let Some(Generation { plan, .. }) = self.kept.newest() else { return };
        let missing = self.secrets.keep_only(plan);
        self.missing.send_if_modified(|before| std::mem::replace(before, missing.clone()) != missing);
        let unfetched = self.closures.missing(&Closures::wanted(plan));
        self.unfetched.send_if_modified(|before| std::mem::replace(before, unfetched.clone()) != unfetched);
        let mut held = BTreeMap::new();
        for id in plan.replicas.keys() {
            let Some(unit) = plan.unit(id).map(|planned| &planned.unit) else { continue };
            if let Some(why) = self.closures.waits(unit, &plan.system) {
                held.insert(id.clone(), why);
                continue;
            }
            if unit.files.is_empty() && unit.secret_env.is_empty() {
                continue;
            }
            let unknown = || {
                let mut services = unit.files.values().flat_map(|file| file.peers());
                let service =
                    services.find(|service| self.endpoints.known().get(service).is_none_or(Option::is_none))?;
                Some(format!("waits for the endpoints of {service}: no server has told them yet"))
            };
            if let Some(why) = self.secrets.of(unit).err().or_else(unknown) {
                held.insert(id.clone(), why);
            }
        }
        for (id, why) in &held {
            if self.local.held(id) != Some(why) {
                tracing::info!(replica = %id, "cannot be started for now: it {why}");
            }
        }
        self.local.hold(held);
    }

    /// Lets go of the closures that no generation which is kept is of, and nothing that still runs.
    pub(super) fn let_go_of_closures(&mut self) {
        let Some(Generation { plan, .. }) = self.kept.newest() else { return };
        let programs = self.runs.values().map(|run| run.order.program.program.as_path());
        let mut wanted = Closures::wanted(plan);
        wanted.extend(self.past.closures().cloned());
        self.closures.keep_only(&wanted, programs);
    }

    /// Makes the files of running replicas anew that are due, and has those started anew whose turn it is.
    pub(super) fn reload(&mut self) {
        let now = self.now();
        if self.reloads.is_due(now)
            && let Some(Generation { plan, .. }) = self.kept.newest()
        {
            for (id, run) in &self.runs {
                let planned = plan.unit(id).filter(|planned| !planned.unit.files.is_empty());
                let is_of_it = plan.replicas.get(id).is_some_and(|own| own.revision == run.order.incarnation.revision);
                let (Some(_), Some(process), true) = (planned, &run.process, is_of_it) else { continue };
                if self.local.held(id).is_some() {
                    continue;
                }
                let made = self.launcher.render(plan, id, &run.order.incarnation, &self.secrets);
                let (remark, asked) = match made.and_then(|files| reload::write_changed(id, &files)) {
                    Ok(asked) => (None, asked),
                    Err(why) => (Some(format!("{why}; the last good one stays")), Vec::new()),
                };
                self.local.remark(id, remark);
                for reload in asked {
                    match reload {
                        Reload::Signal { signal } => reload::signal(id, process, signal),
                        Reload::Restart => self.reloads.renew(id, now, &self.config.timings),
                    }
                }
            }
        }
        let is_well = |local: &Local, of: &ReplicaId| {
            let others = self.runs.keys().filter(|other| other.service == of.service && *other != of);
            others.into_iter().all(|other| local.is_healthy(other))
        };
        for id in self.reloads.turns(now, |id| is_well(&self.local, id)) {
            tracing::info!(replica = %id, "started anew, because a file has changed");
            self.local.renew(&id);
        }
    }
}
