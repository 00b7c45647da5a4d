use std::collections::BTreeMap;

use super::exec::arguments;
use super::{Driver, Launch, NotStarted, built_closure, find_program};
use crate::shim::ProgramOrder;

/// Programs that Nix has built, from their closures.
pub(crate) struct Nix {
    /// What every program's environment begins with; the agent's own is not passed on.
    base_env: BTreeMap<String, String>,
    /// Where a path of the store is on this machine.
    physical: Box<dyn Fn(&str) -> String + Send + Sync>,
}

impl Nix {
    pub(crate) fn new(
        base_env: BTreeMap<String, String>,
        physical: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Self {
        Self { base_env, physical: Box::new(physical) }
    }
}

impl Driver for Nix {
    fn kind(&self) -> &'static str {
        "nix"
    }

    fn order(&self, launch: &Launch<'_>) -> Result<ProgramOrder, NotStarted> {
        let closure = built_closure(launch.unit, launch.system)?;
        let folder = (self.physical)(closure.as_str());
        let arguments = arguments(launch)?;
        let mut environment = self.base_env.clone();
        environment.extend(launch.variables.clone());
        let own = format!("{folder}/bin");
        let path = match environment.get("PATH").filter(|path| !path.is_empty()) {
            Some(path) => format!("{own}:{path}"),
            None => own,
        };
        let name = arguments.first().ok_or_else(|| NotStarted::for_good("the command is empty"))?;
        let program = find_program(name, &path, folder.as_ref()).map_err(NotStarted::for_now)?;
        environment.insert("PATH".into(), path);
        Ok(ProgramOrder { program, arguments, environment, folder: launch.work.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use icefield_spec::{Bytes, Closures, Cpu, NixSource, Run, Unit};

    use super::*;

    const CLOSURE: &str = "/nix/store/d8saylrbwdk1qrhr29965vdb9ahx5y0d-icefield-web";

    fn order(root: &Path, command: &[&str], system: &str) -> Result<ProgramOrder, NotStarted> {
        let run = Run::Nix {
            package: NixSource::Reference("web".into()),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            closures: Closures::from([("x86_64-linux".to_owned(), CLOSURE.parse().unwrap())]),
        };
        let unit = Unit::new(run, Cpu::from_millis(1), Bytes::new(1));
        let root = root.to_str().unwrap().to_owned();
        let base = BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]);
        let driver = Nix::new(base, move |path| format!("{root}{path}"));
        let variables = BTreeMap::from([("PORT_HTTP".to_owned(), "80".to_owned())]);
        driver.order(&Launch { unit: &unit, system, variables, work: Path::new("/w") })
    }

    #[test]
    fn a_program_comes_from_its_closure_first() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(&CLOSURE[1..]).join(name);
        for name in ["bin/sh", "share/tool"] {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), "#!/bin/sh\n").unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let ordered = order(root.path(), &["sh", "$PORT_HTTP"], "x86_64-linux").unwrap();
        assert_eq!((ordered.program, ordered.arguments), (at("bin/sh"), vec!["sh".into(), "80".into()]));
        assert_eq!(ordered.environment["PATH"], format!("{}:/bin", at("bin").display()));
        assert_eq!(order(root.path(), &["share/tool"], "x86_64-linux").unwrap().program, at("share/tool"));
        assert_eq!(order(root.path(), &["ls"], "x86_64-linux").unwrap().program, Path::new("/bin/ls"));
        let missing = order(root.path(), &["web"], "x86_64-linux").unwrap_err();
        assert!(missing.retry && missing.message.contains("no such program"), "{missing:?}");
        let other = order(root.path(), &["sh"], "aarch64-linux").unwrap_err();
        assert_eq!(other.message, "it was not built for aarch64-linux; `icefield apply FILE` builds it");
    }
}
