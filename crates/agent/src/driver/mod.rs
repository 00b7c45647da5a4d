//! What replicas are started with. A driver says which program makes a replica of a unit; the supervisor runs it.

mod exec;
mod nix;
mod nixos;
mod search;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use icefield_nix::NixConfig;
use icefield_spec::{StorePath, Unit};

pub(crate) use exec::Exec;
pub(crate) use nix::Nix;
pub(crate) use nixos::Nixos;
pub(crate) use search::find_program;

use crate::closures::closure_of;
use crate::shim::ProgramOrder;

/// Starts replicas of one kind of unit.
pub(crate) trait Driver: Send + Sync {
    /// The kind: see [`icefield_spec::Run::kind`].
    fn kind(&self) -> &'static str;

    /// The program that makes a replica.
    fn order(&self, launch: &Launch<'_>) -> Result<ProgramOrder, NotStarted>;
}

/// What a driver is told of a replica.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) unit: &'a Unit,
    /// The system of its node: `x86_64-linux`.
    pub(crate) system: &'a str,
    /// Its variables: those that Icefield gives and those of its unit.
    pub(crate) variables: BTreeMap<String, String>,
    /// Its own folder.
    pub(crate) work: &'a Path,
}

/// Why a replica could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotStarted {
    pub(crate) message: String,
    /// Whether it may be otherwise later, though the same is wanted.
    pub(crate) retry: bool,
}

impl NotStarted {
    pub(crate) fn for_now(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: true }
    }

    pub(crate) fn for_good(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: false }
    }
}

/// What a unit is run from on nodes of `system`.
pub(crate) fn built_closure<'a>(unit: &'a Unit, system: &str) -> Result<&'a StorePath, NotStarted> {
    closure_of(unit, system)
        .ok_or_else(|| NotStarted::for_good(format!("it was not built for {system}; `icefield apply FILE` builds it")))
}

/// The drivers of an agent.
pub(crate) struct Drivers(Vec<Box<dyn Driver>>);

impl Drivers {
    /// All that there are; that for Nix only where its program is, that for NixOS modules where besides that a systemd runs services.
    pub(crate) fn new(
        base_env: BTreeMap<String, String>,
        exec_dir: Option<PathBuf>,
        nix: &NixConfig,
        has_systemd: bool,
    ) -> Self {
        let path = base_env.get("PATH").map_or("", String::as_str);
        let program = nix.program.to_string_lossy();
        let mut drivers: Vec<Box<dyn Driver>> = Vec::new();
        if find_program(&program, path, Path::new("/")).is_ok() {
            let store = nix.clone();
            drivers.push(Box::new(Nix::new(base_env.clone(), move |path| store.physical(path))));
            if has_systemd {
                let store = nix.clone();
                drivers.push(Box::new(Nixos::new(base_env.clone(), move |path| store.physical(path))));
            }
        }
        drivers.insert(0, Box::new(Exec::new(base_env, exec_dir)));
        Self(drivers)
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.0.iter().map(|driver| driver.kind().to_owned()).collect()
    }

    /// The program that makes a replica, by the driver that its unit asks for.
    pub(crate) fn order(&self, launch: &Launch<'_>) -> Result<ProgramOrder, NotStarted> {
        let kind = launch.unit.run.kind();
        match self.0.iter().find(|driver| driver.kind() == kind) {
            Some(driver) => driver.order(launch),
            None if kind == "nixos" => Err(NotStarted::for_good(
                "this agent runs no services of NixOS modules: it needs Nix, and a systemd that it is told of (--systemd system)",
            )),
            None => {
                let has = self.kinds().join(", ");
                Err(NotStarted::for_good(format!("this agent has no {kind} driver; it has: {has}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Bytes, Cpu, Run};

    use super::*;

    fn unit(run: Run) -> Unit {
        Unit::new(run, Cpu::from_millis(100), Bytes::new(1 << 20))
    }

    fn order(run: Run) -> Result<ProgramOrder, NotStarted> {
        let base = BTreeMap::from([("PATH".to_owned(), "/bin:/usr/bin".to_owned())]);
        let variables = BTreeMap::from([("PORT_HTTP".to_owned(), "8080".to_owned())]);
        let unit = unit(run);
        let nix = NixConfig { program: "/nowhere/nix".into(), store: None };
        let launch = Launch { unit: &unit, system: "x86_64-linux", variables, work: Path::new("/w") };
        Drivers::new(base, None, &nix, false).order(&launch)
    }

    fn exec(command: &[&str]) -> Run {
        Run::Exec { command: command.iter().map(|word| (*word).to_owned()).collect() }
    }

    #[test]
    fn a_command_is_expanded_and_found() {
        let order = order(exec(&["sh", "-c", "echo ${PORT_HTTP} $$x"])).unwrap();
        assert!(order.program.ends_with("sh") && order.program.is_absolute(), "{:?}", order.program);
        assert_eq!(order.arguments, ["sh", "-c", "echo 8080 $x"]);
        assert_eq!(order.folder, Path::new("/w"));
        let environment: Vec<&str> = order.environment.keys().map(String::as_str).collect();
        assert_eq!(environment, ["PATH", "PORT_HTTP"]);
    }

    #[test]
    fn what_cannot_run_is_said() {
        let missing = order(exec(&["python4"])).unwrap_err();
        assert_eq!(missing, NotStarted::for_now("python4: no such program in PATH (/bin:/usr/bin)"));
        let reference = order(exec(&["sh", "$NOPE"])).unwrap_err();
        assert_eq!(reference, NotStarted::for_good("\"$NOPE\": unknown variable $NOPE"));
        let machine = order(Run::Microvm { modules: Vec::new() }).unwrap_err();
        assert_eq!(machine, NotStarted::for_good("this agent has no microvm driver; it has: exec"));
    }
}
