use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use icefield_plan::{NodePlan, ReplicaId};
use icefield_spec::{ReplicaContext, Unit, replica_variables};

use crate::LogLimits;
use crate::cgroup::Groups;
use crate::core::{Incarnation, drain};
use crate::driver::{Drivers, Launch, NotStarted};
use crate::files::{self, Rendered, Sources};
use crate::home::{Home, ReplicaHome};
use crate::past;
use crate::ports;
use crate::private;
use crate::record::{self, Keep};
use crate::secret_variables::{secret_variables, write_environment};
use crate::secrets::SecretStore;
use crate::shim::{RunOrder, put_off};
use crate::systemd::{Systemd, UnitOrder, UnitReplica};
use crate::volumes;

/// What sets one run of a replica apart from its others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// The number of the run.
    pub(crate) run: u64,
    /// How often the replica was started anew before.
    pub(crate) restarts: u32,
    /// Until when it may run if it is a singleton.
    pub(crate) fence: u64,
}

/// Prepares runs: what a supervisor needs, in the replica's folder.
pub(crate) struct Launcher {
    pub(crate) home: Home,
    pub(crate) drivers: Drivers,
    pub(crate) groups: Groups,
    pub(crate) log: LogLimits,
    /// Whether secrets may be kept on a disk if they cannot be in memory.
    pub(crate) secrets_on_disk: bool,
    /// What runs replicas as units, if the agent was told of it and it is there; else why it is not.
    pub(crate) systemd: Result<Option<Systemd>, String>,
}

impl Launcher {
    /// Prepares a run of a replica of `plan` with its secrets.
    pub(crate) fn prepare(
        &self,
        plan: &NodePlan,
        id: &ReplicaId,
        incarnation: Incarnation,
        secrets: &SecretStore,
        turn: Turn,
    ) -> Result<RunOrder, NotStarted> {
        let Turn { run, restarts, fence } = turn;
        let planned = plan.unit(id).ok_or_else(|| NotStarted::for_good("the plan has no unit for it"))?;
        let home = self.home.replica(id);
        let unit = &planned.unit;
        let folders = Folders::of(&self.home, id, unit);
        let context = folders.context(plan, id, &incarnation);
        let variables = replica_variables(unit, &context).map_err(|error| NotStarted::for_good(error.to_string()));
        let variables = variables?;
        let values = secrets.of(unit).map_err(NotStarted::for_now)?;
        let sources = Sources { secrets: &values, endpoints: files::endpoints(&self.home, unit) };
        let files = files::render(unit, &context, &sources).map_err(NotStarted::for_now)?;
        volumes::make(&self.home, id, unit).map_err(NotStarted::for_now)?;
        let work = home.work();
        let launch = Launch { unit, system: &plan.system, variables: variables.clone(), work: &work };
        let program = self.drivers.order(&launch)?;
        if let Some(port) = ports::taken(&incarnation.address, &incarnation.ports) {
            return Err(NotStarted::for_now(format!("port {port} is in use by another process")));
        }
        let secret = secret_variables(&self.home, id, unit, &values).map_err(NotStarted::for_now)?;
        let units = self.units(&UnitReplica {
            plan,
            id,
            incarnation: &incarnation,
            unit,
            home: &home,
            program: &program,
            variables: &variables,
            secrets: secret.as_ref().map(|_| self.home.private_of(id).join("variables.env")).as_deref(),
        })?;
        let groups = match &units {
            // Its units say what its limits are.
            Some(_) => Ok(Vec::new()),
            None => self.groups.create(&format!("{}-{}", id.service, id.index), unit.cpu, unit.memory),
        };
        let groups = groups.unwrap_or_else(|error| {
            tracing::warn!(replica = %id, %error, "its limits are not enforced");
            Vec::new()
        });
        let order = RunOrder {
            run,
            replica: id.clone(),
            incarnation,
            restarts,
            stop_grace: unit.stop_grace,
            drain: drain(unit),
            memory: unit.memory,
            program,
            once: unit.once,
            units,
            mounts: volumes::mounts(&self.home, id, unit),
            lock: unit.is_tied().then(|| self.home.volume_lock(id, unit.once)),
            secret: secret.as_ref().map(|(secret, _)| secret.clone()),
            groups,
            log: self.log,
            fence: unit.is_singleton().then_some(fence),
        };
        put(&home, &order).map_err(NotStarted::for_now)?;
        if secret.is_some() || files::hold_secrets(unit) {
            private::open(&self.home, self.secrets_on_disk).map_err(NotStarted::for_now)?;
        }
        self.put_files(id, &files).map_err(NotStarted::for_now)?;
        if let Some((secret, variables)) = secret {
            let folder = DirBuilder::new().recursive(true).mode(0o700).create(self.home.private_of(id));
            folder.map_err(|error| NotStarted::for_now(format!("its secret variables cannot be kept: {error}")))?;
            let written = match order.units.as_ref().and_then(|units| units.secrets.as_ref()) {
                Some(file) => write_environment(file, &variables).map_err(|error| error.to_string()),
                None => record::write(&secret.file, &variables, Keep::ThisBoot).map_err(|error| error.to_string()),
            };
            written.map_err(NotStarted::for_now)?;
        }
        Ok(order)
    }

    /// The units that a replica is, if systemd runs it here.
    fn units(&self, replica: &UnitReplica<'_>) -> Result<Option<UnitOrder>, NotStarted> {
        let systemd = self.systemd.as_ref().ok().and_then(Option::as_ref);
        systemd.filter(|systemd| systemd.runs(replica.unit)).map(|systemd| systemd.order(replica)).transpose()
    }

    /// The files of a running replica as they are to be now.
    pub(crate) fn render(
        &self,
        plan: &NodePlan,
        id: &ReplicaId,
        incarnation: &Incarnation,
        secrets: &SecretStore,
    ) -> Result<Vec<Rendered>, String> {
        let unit = &plan.unit(id).ok_or("the plan has no unit for it")?.unit;
        let folders = Folders::of(&self.home, id, unit);
        let values = secrets.of(unit)?;
        let sources = Sources { secrets: &values, endpoints: files::endpoints(&self.home, unit) };
        files::render(unit, &folders.context(plan, id, incarnation), &sources)
    }

    /// Writes the files of a replica that does not run; what others it had goes.
    fn put_files(&self, id: &ReplicaId, files: &[Rendered]) -> Result<(), String> {
        for folder in [self.home.replica(id).files(), self.home.private_of(id)] {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(format!("cannot clear {}: {error}", folder.display()));
                }
                _ => {}
            }
        }
        files.iter().try_for_each(Rendered::write)
    }

    /// Deletes all that a replica leaves, but for its volumes and for what the last attempts of a job wrote.
    pub(crate) fn remove(&self, id: &ReplicaId, order: Option<&RunOrder>) {
        if let Some(order) = order {
            Groups::remove(&order.groups);
            if let Some(units) = &order.units {
                units.withdraw();
            }
        }
        let home = self.home.replica(id);
        let private = self.home.private_of(id);
        let mut folders = vec![private.as_path()];
        if order.is_some_and(|order| order.once) {
            past::keep(&self.home, id);
        } else {
            folders.push(home.root());
        }
        for folder in folders {
            if let Err(error) = fs::remove_dir_all(folder)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(replica = %id, %error, "its folder {} stays", folder.display());
            }
        }
    }
}

/// The folders that a replica is told of.
struct Folders {
    endpoints: PathBuf,
    volumes: PathBuf,
    files: PathBuf,
}

impl Folders {
    fn of(home: &Home, id: &ReplicaId, unit: &Unit) -> Self {
        let files = match files::hold_secrets(unit) {
            true => home.private_of(id).join("files"),
            false => home.replica(id).files(),
        };
        Self { endpoints: home.endpoints(), volumes: home.volumes_of(id, unit.once), files }
    }

    fn context<'a>(
        &'a self,
        plan: &'a NodePlan,
        id: &'a ReplicaId,
        incarnation: &'a Incarnation,
    ) -> ReplicaContext<'a> {
        ReplicaContext {
            cluster: &plan.cluster,
            service: &id.service,
            index: id.index,
            node: &plan.node,
            address: &incarnation.address,
            revision: &incarnation.revision,
            ports: &incarnation.ports,
            endpoints: self.endpoints.to_str().unwrap_or_default(),
            volumes: self.volumes.to_str().unwrap_or_default(),
            files: self.files.to_str().unwrap_or_default(),
            credentials: None,
        }
    }
}

/// Writes the order, and clears what tells of the run before.
fn put(home: &ReplicaHome, order: &RunOrder) -> Result<(), String> {
    let work = home.work();
    let mut folder = DirBuilder::new();
    // Records hold environments, and those hold secrets.
    folder
        .recursive(true)
        .mode(0o700)
        .create(&work)
        .map_err(|error| format!("cannot make {}: {error}", work.display()))?;
    // What runs once must not begin again because the machine forgot that it did.
    let keep = if order.once { Keep::Durably } else { Keep::ThisBoot };
    [home.process(), home.exit(), home.start_error(), home.healthy(), home.fence()]
        .iter()
        .try_for_each(|path| record::delete(path))
        .and_then(|()| record::write(&home.run(), order, keep))
        .map_err(|error| error.to_string())?;
    match order.fence {
        Some(until) => put_off(&home.fence(), until).map_err(|error| format!("cannot fence it: {error}")),
        None => Ok(()),
    }
}
