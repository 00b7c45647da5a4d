//! The part of the agent's loop that is about runs: how they are started, asked for their health, and end.

use std::sync::Arc;

use icefield_plan::ReplicaId;
use icefield_spec::{Health, Probe};
use tokio::sync::mpsc;

use super::{Answered, Work};
use crate::boottime;
use crate::core::{Event, Incarnation};
use crate::driver::NotStarted;
use crate::home::ReplicaHome;
use crate::launch::Turn;
use crate::mounts::Mounter;
use crate::probe::{self, Asked};
use crate::process::Process;
use crate::run::{News, Run, RunNews};
use crate::shim::RunOrder;
use crate::supervisor::{conclude, launch};
use crate::systemd;
use crate::wall_clock::since_1970;
use crate::watch::Watch;

impl Work {
    pub(super) fn start(&mut self, id: &ReplicaId, incarnation: Incarnation) -> Result<(), NotStarted> {
        let plan = &self.kept.newest().ok_or_else(|| NotStarted::for_now("there is no plan"))?.plan;
        // Numbered by the clock, so that no run of an earlier agent has the same number, though its record is lost.
        self.last_run = since_1970().max(self.last_run + 1);
        let turn = Turn { run: self.last_run, restarts: self.local.restarts(id), fence: self.fence };
        let order = Arc::new(self.launcher.prepare(plan, id, incarnation, &self.secrets, turn)?);
        let home = self.launcher.home.replica(id);
        let run = Run::new(Arc::clone(&order), home.clone());
        let before = self.runs.insert(id.clone(), run).and_then(|before| before.order.units.clone());
        if let (None, Some(before)) = (&order.units, &before) {
            before.withdraw();
        }
        let (shim, mounter) = (self.config.shim_command.clone(), self.mounter());
        let (own, own_home) = (Arc::clone(&order), home.clone());
        let launched = async move {
            mounter.mount(&own.mounts).await.map_err(NotStarted::for_now)?;
            launch(&own_home, &own, before.as_ref(), &shim).await
        };
        self.tasks.spawn(follow(order, home, launched, self.mounter(), self.news.clone()));
        Ok(())
    }

    /// Goes on with a run whose units an earlier agent has begun to start.
    pub(super) fn go_on(&mut self, run: &Run) {
        let Some(units) = run.order.units.clone() else { return };
        let (order, home) = (Arc::clone(&run.order), run.home.clone());
        let launched = async move { systemd::go_on(&home, &order, &units).await };
        let (order, home) = (Arc::clone(&run.order), run.home.clone());
        self.tasks.spawn(follow(order, home, launched, self.mounter(), self.news.clone()));
    }

    pub(super) fn mounter(&self) -> Mounter {
        Mounter::new(self.config.base_env.get("PATH").map_or("", String::as_str))
    }

    /// Has singletons run on until `until`.
    pub(super) fn put_off(&mut self, until: u64) {
        if until <= self.fence {
            return;
        }
        self.fence = until;
        for run in self.runs.values() {
            run.put_off(until);
        }
        let left = until.saturating_sub(boottime::now());
        self.local.permit_singletons(self.now() + std::time::Duration::from_millis(left));
    }

    pub(super) fn watch(&mut self, run: &Run, process: Process, mut watch: Watch) {
        let (order, home, news) = (Arc::clone(&run.order), run.home.clone(), self.news.clone());
        let mounter = self.mounter();
        self.tasks.spawn(async move {
            let outcome = conclude(&home, &order, &process, &mut watch).await;
            unmount(&mounter, &order).await;
            let _ = news.send(RunNews { id: order.replica.clone(), run: order.run, news: News::Ended(outcome) });
        });
    }

    pub(super) fn probe(&mut self, id: ReplicaId, health: Health) {
        let Some(run) = self.runs.get(&id) else { return };
        let order = &run.order;
        // An earlier agent may have started it, so its process is asked.
        let secrets = match (&order.secret, &run.process, &health.probe) {
            (Some(secret), Some(process), Probe::Exec { .. }) => process.variables(&secret.names),
            _ => Vec::new(),
        };
        let asked = Asked { order: Arc::clone(order), secrets };
        let (run, answers) = (order.run, self.answers.clone());
        self.tasks.spawn(async move {
            let answer = probe::ask(&health, &asked).await;
            let _ = answers.send(Answered { id, run, answer, health });
        });
    }

    pub(super) fn hear(&mut self, RunNews { id, run: number, news }: RunNews) {
        let now = self.now();
        let Some(run) = self.runs.get_mut(&id).filter(|run| run.order.run == number) else { return };
        let mut launched = false;
        let event = match news {
            News::Launched(process) => {
                tracing::info!(replica = %id, pid = process.pid(), "started");
                let pid = process.pid();
                run.process = Some(process);
                // What its files are made from may have changed while it was being started.
                self.reloads.look(now + self.config.timings.files_apart);
                launched = true;
                Event::Started { pid }
            }
            News::NotLaunched(NotStarted { message, retry }) => {
                tracing::warn!(replica = %id, "not started: {message}");
                Event::NotStarted { message, retry }
            }
            News::Ended((outcome, exit)) => {
                tracing::info!(replica = %id, "{outcome}");
                run.process = None;
                Event::Ended { how: outcome.to_string(), exit }
            }
        };
        self.local.note(&id, event, now);
        if launched {
            // What it ran before it was replaced.
            self.let_go_of_closures();
        }
    }

    pub(super) fn hear_answer(&mut self, Answered { id, run, answer, health }: Answered) {
        if self.runs.get(&id).is_some_and(|own| own.order.run == run) {
            self.local.note(&id, Event::Answered { answer, health }, self.now());
        }
    }
}

/// Tells of a run what came of its launch, and how it has ended.
async fn follow(
    order: Arc<RunOrder>,
    home: ReplicaHome,
    launched: impl Future<Output = Result<(Process, Watch), NotStarted>>,
    mounter: Mounter,
    news: mpsc::UnboundedSender<RunNews>,
) {
    // Without a loop to hear of it, the agent has ended.
    let tell = |what: News| drop(news.send(RunNews { id: order.replica.clone(), run: order.run, news: what }));
    let last = match launched.await {
        Ok((process, mut watch)) => {
            tell(News::Launched(process.clone()));
            News::Ended(conclude(&home, &order, &process, &mut watch).await)
        }
        Err(why) => News::NotLaunched(why),
    };
    unmount(&mounter, &order).await;
    tell(last);
}

/// Unmounts what a run had mounted. What stays is told of here alone: the replica has ended all the same, and the next run
/// finds it mounted.
pub(super) async fn unmount(mounter: &Mounter, order: &RunOrder) {
    if let Err(error) = mounter.unmount(&order.mounts).await {
        tracing::warn!(replica = %order.replica, "{error}");
    }
}
