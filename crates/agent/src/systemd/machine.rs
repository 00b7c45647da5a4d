use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use icefield_nix::NixConfig;
use icefield_plan::{NodePlan, ReplicaId};
use icefield_spec::{Run, StorePath, Unit};
use tokio::time::{Instant, sleep};

use super::manifest::Manifest;
use super::order::UnitOrder;
use super::tree::{Accounts, Given, of_manifest, of_program};
use super::{SystemdConfig, SystemdManager};
use crate::core::Incarnation;
use crate::driver::{NotStarted, built_closure};
use crate::home::ReplicaHome;
use crate::shim::ProgramOrder;

/// How long the manager is asked whether it is there: a switch to another system may have it start itself anew, and the agent.
const TO_ANSWER: Duration = Duration::from_secs(2);

/// The systemd of this machine that runs replicas.
#[derive(Debug, Clone)]
pub(crate) struct Systemd {
    config: SystemdConfig,
    nix: NixConfig,
}

/// A replica that is to be a unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnitReplica<'a> {
    pub(crate) plan: &'a NodePlan,
    pub(crate) id: &'a ReplicaId,
    pub(crate) incarnation: &'a Incarnation,
    pub(crate) unit: &'a Unit,
    pub(crate) home: &'a ReplicaHome,
    /// What it executes, and in which environment.
    pub(crate) program: &'a ProgramOrder,
    /// Its variables alone.
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// The file with its secret variables.
    pub(crate) secrets: Option<&'a Path>,
}

impl Systemd {
    /// Asks the manager whether it is there.
    ///
    /// # Errors
    /// It does not answer, or units cannot be linked into its folder.
    pub(crate) async fn open(config: SystemdConfig, nix: NixConfig) -> Result<Self, String> {
        let manager = match config.manager {
            SystemdManager::System => "system",
            SystemdManager::User => "user",
        };
        let told = |why: String| format!("no service runs under systemd here (--systemd {manager}): {why}");
        let begun = Instant::now();
        let version = loop {
            match config.version().await {
                Err(_) if begun.elapsed() < TO_ANSWER => sleep(TO_ANSWER / 20).await,
                answer => break answer.map_err(told)?,
            }
        };
        let folder = fs::create_dir_all(&config.unit_dir);
        folder.map_err(|error| told(format!("cannot make {}: {error}", config.unit_dir.display())))?;
        tracing::info!(%version, manager, "services run under systemd");
        Ok(Self { config, nix })
    }

    /// Whether replicas of `unit` are units of systemd here.
    ///
    /// A singleton has to end when its node's promise is over, whoever else has ended by then; of what runs once the end has to
    /// be kept; and what uses folders of the node has to hold their lock. That a supervisor does.
    pub(crate) fn runs(&self, unit: &Unit) -> bool {
        match unit.run {
            Run::Nixos { .. } => true,
            Run::Nix { .. } => !unit.once && !unit.is_singleton() && !unit.is_tied(),
            _ => false,
        }
    }

    /// The units that a replica is.
    pub(crate) fn order(&self, replica: &UnitReplica<'_>) -> Result<UnitOrder, NotStarted> {
        let UnitReplica { plan, id, incarnation, unit, home, program, variables, secrets } = *replica;
        let closure = built_closure(unit, &plan.system)?;
        let log = home.log();
        let given = Given {
            manager: &self.config,
            cluster: &plan.cluster,
            node: &plan.node,
            id,
            revision: &incarnation.revision,
            unit,
            variables,
            secrets,
            log: &log,
        };
        if let Run::Nixos { .. } = unit.run {
            if unit.is_singleton() {
                return Err(NotStarted::for_good(
                    "a service of NixOS modules cannot be a singleton: nothing would end it when this node is cut off",
                ));
            }
            let mut order = of_manifest(&given, &self.manifest(closure)?, &accounts(), |path| self.nix.physical(path))
                .map_err(NotStarted::for_good)?;
            // What is there already is not for systemd to make, nor for us to take away.
            order.bound.retain(|path| path.symlink_metadata().is_err());
            return Ok(order);
        }
        let file =
            format!("{}/lib/systemd/system/icefield-{}@.service", self.nix.physical(closure.as_str()), id.service);
        if !Path::new(&file).exists() {
            let message = format!("its closure has no unit {file}; `icefield apply FILE` builds it anew");
            return Err(NotStarted::for_good(message));
        }
        Ok(of_program(&given, &file, program))
    }

    fn manifest(&self, closure: &StorePath) -> Result<Manifest, NotStarted> {
        let path = self.nix.physical(closure.as_str());
        let bytes = fs::read(&path).map_err(|error| NotStarted::for_now(format!("cannot read {path}: {error}")))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            NotStarted::for_good(format!(
                "{path} does not list units as this agent knows it ({error}); `icefield apply FILE` builds it anew"
            ))
        })
    }
}

/// The users and groups that the machine has by itself.
fn accounts() -> Accounts {
    let names = |file: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
    };
    Accounts { users: names("/etc/passwd"), groups: names("/etc/group") }
}
