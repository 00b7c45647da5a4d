//! What a replica's units are to be: from its closure and what depends on its node.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use icefield_plan::ReplicaId;
use icefield_spec::{Name, Revision, Unit};

use super::drop_in::{self, DropIn, Part};
use super::manifest::{Manifest, ManifestUnit};
use super::names::{self, instance, renamed, stem};
use super::order::{UnitFile, UnitOrder};
use super::{SystemdConfig, SystemdManager};
use crate::shim::ProgramOrder;

/// What the units of a replica depend on besides its closure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) manager: &'a SystemdConfig,
    pub(super) cluster: &'a Name,
    pub(super) node: &'a Name,
    pub(super) id: &'a ReplicaId,
    pub(super) revision: &'a Revision,
    pub(super) unit: &'a Unit,
    pub(super) variables: &'a BTreeMap<String, String>,
    pub(super) secrets: Option<&'a Path>,
    pub(super) log: &'a Path,
}

/// What of the machine decides whether a tree can be had on it.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    pub(super) users: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
}

const DROP_IN: &str = "50-icefield.conf";

/// The kinds of units whose names are free. Those of others say what they are about: a mount's is its folder.
const FREE: [&str; 5] = ["service", "socket", "timer", "path", "target"];

impl Given<'_> {
    fn mark(&self) -> String {
        format!("# Made by Icefield from the cluster \"{}\"; edits are undone.", self.cluster)
    }

    fn drop_in<'a>(&'a self, mark: &'a str, target: &'a str, part: Part<'a>) -> DropIn<'a> {
        DropIn {
            mark,
            target,
            variables: self.variables,
            secrets: self.secrets,
            log: self.log,
            stop_grace: self.unit.stop_grace,
            restarted_by_agent: true,
            stays_active: false,
            talks_to_a_socket: false,
            part,
        }
    }

    fn what(&self) -> String {
        format!("Replica {} of {}", self.id.index, self.id.service)
    }
}

/// The units of a replica of `nix(…)`: that of the closure, which is at `file`, and a target. `program` says what is executed.
pub(super) fn of_program(given: &Given<'_>, file: &str, program: &ProgramOrder) -> UnitOrder {
    let mark = given.mark();
    let target = format!("{}.target", stem(given.node, given.id, given.revision));
    let service = instance(given.node, given.id, given.revision);
    let part = Part::Whole {
        program: &program.program,
        arguments: &program.arguments,
        folder: &program.folder,
        cpu: given.unit.cpu,
        memory: given.unit.memory,
    };
    let drop_in = DropIn { variables: &program.environment, ..given.drop_in(&mark, &target, part) };
    let wants = BTreeSet::from([service.clone()]);
    let files = [
        (service.clone(), UnitFile::Link(file.to_owned())),
        (format!("{service}.d/{DROP_IN}"), UnitFile::Text(drop_in.text())),
        (target.clone(), UnitFile::Text(drop_in::target(&mark, &given.what(), &wants))),
    ];
    UnitOrder {
        manager: given.manager.clone(),
        target,
        main: Some(service.clone()),
        watched: vec![service],
        others: Vec::new(),
        files: files.into(),
        bound: Vec::new(),
        secrets: given.secrets.map(Path::to_owned),
    }
}

/// The units of a replica of `nixos(…)`: those of its manifest, a target and a slice. `physical` says where a path of the store is.
///
/// # Errors
/// Something of it cannot be had without changing the whole machine.
pub(super) fn of_manifest(
    given: &Given<'_>,
    manifest: &Manifest,
    accounts: &Accounts,
    physical: impl Fn(&str) -> String,
) -> Result<UnitOrder, String> {
    let dynamic = refuse(given, manifest, accounts)?;
    let (mark, stem) = (given.mark(), stem(given.node, given.id, given.revision));
    let (target, slice) = (format!("{stem}.target"), names::slice(&stem));
    // To systemd an empty file is a unit that must not be started. Those that NixOS keeps from it are not in the manifest.
    let units = manifest.units.iter().filter(|(_, unit)| !unit.text.trim().is_empty());
    let names: BTreeMap<String, String> =
        units.clone().map(|(name, _)| (name.clone(), format!("{stem}-{name}"))).collect();
    let bound: BTreeMap<String, String> = manifest.etc.iter().map(|(name, at)| (name.clone(), physical(at))).collect();
    let mut files =
        BTreeMap::from([(slice.clone(), UnitFile::Text(drop_in::slice(&mark, given.unit.cpu, given.unit.memory)))]);
    let wanted: BTreeMap<&str, &ManifestUnit> =
        units.clone().filter(|(name, unit)| is_wanted(name, unit)).map(|(name, unit)| (name.as_str(), unit)).collect();
    let standing = standing(&wanted)?;
    let mut others = Vec::new();
    for (name, unit) in units {
        let new = &names[name];
        let text = renamed(&unit.text, &names);
        let file = match text == unit.text {
            true => UnitFile::Link(physical(&unit.path)),
            false => UnitFile::Text(format!(
                "{mark}\n# It is {} with the names that its units have here.\n{text}",
                unit.path
            )),
        };
        files.insert(new.clone(), file);
        let is_watched = standing.contains(&name.as_str());
        if name.ends_with(".service") {
            let user = unit.setting("User").unwrap_or_default();
            let part = Part::Of { slice: &slice, dynamic_user: dynamic.contains(user), files: &bound };
            let drop_in = DropIn {
                restarted_by_agent: is_watched,
                stays_active: is_watched && !unit.stays(),
                talks_to_a_socket: unit.talks_to_a_socket(),
                ..given.drop_in(&mark, &target, part)
            };
            files.insert(format!("{new}.d/{DROP_IN}"), UnitFile::Text(drop_in.text()));
        } else {
            files.insert(format!("{new}.d/{DROP_IN}"), UnitFile::Text(format!("{mark}\n\n[Unit]\nPartOf={target}\n")));
        }
        if !is_watched && !is_template(name) {
            others.push(new.clone());
        }
    }
    let processes = standing.iter().filter(|name| wanted[*name].stays() && name.ends_with(".service"));
    let own = format!("{}.service", given.id.service);
    let main = processes.clone().find(|name| ***name == own).or_else(|| processes.clone().next());
    let wants = wanted.keys().map(|name| names[*name].clone()).collect();
    files.insert(target.clone(), UnitFile::Text(drop_in::target(&mark, &given.what(), &wants)));
    Ok(UnitOrder {
        manager: given.manager.clone(),
        target,
        main: main.map(|name| names[*name].clone()),
        watched: standing.iter().map(|name| names[*name].clone()).collect(),
        others,
        files,
        bound: bound.keys().flat_map(|name| with_folders(name)).collect(),
        secrets: given.secrets.map(Path::to_owned),
    })
}

fn is_template(name: &str) -> bool {
    name.contains("@.")
}

/// Whether a unit starts with the system, as far as that is known.
fn is_wanted(name: &str, unit: &ManifestUnit) -> bool {
    unit.wanted.unwrap_or_else(|| name.ends_with(".service")) && !is_template(name)
}

/// Which of the units that start with the system stand for the replica, so that it has ended when one of them is not active
/// any more: the services that stay. Where there are none, what waits to wake others; and where there is none of these either,
/// services that do one thing, which are active from then on.
fn standing<'a>(wanted: &BTreeMap<&'a str, &ManifestUnit>) -> Result<Vec<&'a str>, String> {
    let is_service = |name: &str| name.ends_with(".service");
    let wakes = |name: &str| [".timer", ".socket", ".path"].iter().any(|kind| name.ends_with(kind));
    let of = |is_one: &dyn Fn(&str, &ManifestUnit) -> bool| -> Vec<&'a str> {
        wanted.iter().filter(|(name, unit)| is_one(name, unit)).map(|(name, _)| *name).collect()
    };
    let kinds = [
        of(&|name, unit| is_service(name) && unit.stays()),
        of(&|name, _| wakes(name)),
        of(&|name, _| is_service(name)),
    ];
    let found = kinds.into_iter().find(|names| !names.is_empty());
    found.ok_or_else(|| {
        "none of its units starts with the system: give a service, timer, socket or path of it wantedBy".to_owned()
    })
}

/// The file `name` of `/etc` and the folders that it is in, outermost first.
fn with_folders(name: &str) -> Vec<PathBuf> {
    let path = Path::new("/etc").join(name);
    let mut all: Vec<PathBuf> =
        path.ancestors().take_while(|above| *above != Path::new("/etc")).map(Path::to_owned).collect();
    all.reverse();
    all
}

/// Refuses what would change the whole machine; the users that systemd is to make for as long as a unit runs.
fn refuse(given: &Given<'_>, manifest: &Manifest, accounts: &Accounts) -> Result<BTreeSet<String>, String> {
    let of_base = |what: String| Err(format!("{what}, which is the whole machine's; its place is in the node's base"));
    for name in manifest.units.keys() {
        let kind = name.rsplit('.').next().unwrap_or_default();
        if !FREE.contains(&kind) {
            return of_base(format!("it has the unit {name}"));
        }
    }
    for name in manifest.etc.keys() {
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(format!("its file {name:?} of /etc is not below /etc"));
        }
    }
    let mut dynamic = BTreeSet::new();
    for (name, user) in manifest.users.iter().filter(|(name, _)| !accounts.users.contains(*name)) {
        let special = [
            (user.uid.is_some(), "a number of its own"),
            (user.is_normal_user, "a login"),
            (user.create_home, "a home"),
            (!user.extra_groups.is_empty(), "more groups"),
        ];
        if let Some((_, what)) = special.iter().find(|(is, _)| *is) {
            return of_base(format!("it has the user {name} with {what}"));
        }
        dynamic.insert(name.clone());
    }
    for (name, group) in manifest.groups.iter().filter(|(name, _)| !accounts.groups.contains(*name)) {
        if group.gid.is_some() || !group.members.is_empty() {
            return of_base(format!("it has the group {name} with a number or members of its own"));
        }
    }
    if given.manager.manager == SystemdManager::User {
        for (name, unit) in &manifest.units {
            if let Some(user) = unit.setting("User").filter(|user| dynamic.contains(*user)) {
                return Err(format!(
                    "{name} is to run as {user}, and the manager of a user cannot make users; have the agent use that of the system"
                ));
            }
        }
    }
    Ok(dynamic)
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Bytes, Cpu, Run};
    use serde_json::{Value, json};

    use super::*;

    fn tree(manifest: &Value, manager: &SystemdConfig, users: &[&str]) -> Result<UnitOrder, String> {
        let manifest: Manifest = serde_json::from_value(manifest.clone()).unwrap();
        let run = Run::Nixos { modules: Vec::new(), nixpkgs: None, closures: BTreeMap::new() };
        let unit = Unit::new(run, Cpu::from_millis(200), Bytes::new(1 << 20));
        let variables = BTreeMap::from([("PORT_HTTP".to_owned(), "80".to_owned())]);
        let revision = serde_json::from_value(json!("ab".repeat(32))).unwrap();
        let given = Given {
            manager,
            cluster: &"shop".parse().unwrap(),
            node: &"n1".parse().unwrap(),
            id: &"db/0".parse().unwrap(),
            revision: &revision,
            unit: &unit,
            variables: &variables,
            secrets: None,
            log: Path::new("/data/log"),
        };
        let accounts =
            Accounts { users: users.iter().map(|name| (*name).to_owned()).collect(), groups: BTreeSet::new() };
        of_manifest(&given, &manifest, &accounts, |path| format!("/real{path}"))
    }

    fn manifest() -> Value {
        json!({
            "units": {
                "postgres.service": {"text": "[Unit]\nAfter=setup.service\n[Service]\nUser=pg\nExecStart=/x\n", "path": "/s/p", "wanted": true},
                "setup.service": {"text": "[Service]\nType=oneshot\nExecStart=/y\n", "path": "/s/s", "wanted": false},
                "db.service": {"text": "[Service]\nExecStart=/z\n", "path": "/s/d", "wanted": true}
            },
            "etc": {"pg/pg.conf": "/s/conf"},
            "users": {"pg": {"uid": null, "isSystemUser": true}},
            "groups": {"pg": {"gid": null, "members": []}}
        })
    }

    #[test]
    fn a_tree_is_one_target_with_names_of_its_own() {
        let order = tree(&manifest(), &SystemdConfig::system(), &[]).unwrap();
        let stem = "icefield-n1-db-0-ababababab";
        let at = |name: &str| order.files[&format!("{stem}{name}")].clone();
        assert_eq!((order.main.clone(), order.others.len()), (Some(format!("{stem}-db.service")), 1));
        assert_eq!(order.watched, [format!("{stem}-db.service"), format!("{stem}-postgres.service")]);
        assert_eq!(at("-setup.service"), UnitFile::Link("/real/s/s".into()), "it names none of the others");
        let UnitFile::Text(text) = at("-postgres.service") else { panic!() };
        assert!(text.contains(&format!("After={stem}-setup.service\n")), "{text}");
        let UnitFile::Text(text) = at(".target") else { panic!() };
        assert!(text.ends_with(&format!("Wants={stem}-db.service {stem}-postgres.service\n")), "{text}");
        let UnitFile::Text(text) = at("-postgres.service.d/50-icefield.conf") else { panic!() };
        for line in ["DynamicUser=yes", "BindReadOnlyPaths=/real/s/conf:/etc/pg/pg.conf", "Environment=PORT_HTTP=80"] {
            assert!(text.contains(&format!("{line}\n")), "{text}");
        }
        assert_eq!(order.bound, ["/etc/pg", "/etc/pg/pg.conf"].map(PathBuf::from));
        let UnitFile::Text(text) = at("-db.service.d/50-icefield.conf") else { panic!() };
        assert!(!text.contains("DynamicUser") && text.contains(&format!("Slice={stem}.slice\n")), "{text}");
        // The base has that user already.
        let order = tree(&manifest(), &SystemdConfig::system(), &["pg"]).unwrap();
        assert!(!format!("{:?}", order.files).contains("DynamicUser"));
    }

    #[test]
    fn where_no_service_stays_what_wakes_them_stands_for_the_replica_or_what_was_done() {
        let once = json!({"text": "[Service]\nType=oneshot\nExecStart=/y\n", "path": "/s/s", "wanted": true});
        let timer = json!({"text": "[Timer]\nOnCalendar=daily\n", "path": "/s/t", "wanted": true});
        let stem = "icefield-n1-db-0-ababababab";
        let units = json!({"units": {"save.service": once, "save.timer": timer, "prepare.service": once}});
        let order = tree(&units, &SystemdConfig::system(), &[]).unwrap();
        assert_eq!((&order.main, &order.watched), (&None, &vec![format!("{stem}-save.timer")]));
        assert_eq!(order.others, [format!("{stem}-prepare.service"), format!("{stem}-save.service")]);
        let UnitFile::Text(target) = &order.files[&format!("{stem}.target")] else { panic!() };
        assert!(target.ends_with(&format!("Wants={stem}-prepare.service {stem}-save.service {stem}-save.timer\n")));
        let text = |order: &UnitOrder, name: &str| match &order.files[&format!("{stem}-{name}.d/50-icefield.conf")] {
            UnitFile::Text(text) => text.clone(),
            UnitFile::Link(at) => panic!("{at}"),
        };
        // A timer starts it again and again, so it must not stay active.
        assert!(!text(&order, "save.service").contains("RemainAfterExit"));
        let units = json!({"units": {"prepare.service": once, "db.service": once}});
        let order = tree(&units, &SystemdConfig::system(), &[]).unwrap();
        assert_eq!((&order.main, order.watched.len(), order.others.len()), (&None, 2, 0));
        assert!(text(&order, "prepare.service").contains("\nRemainAfterExit=yes\n"));
    }

    #[test]
    fn what_talks_to_a_socket_keeps_its_output() {
        let units = json!({"units": {
            "echo.socket": {"text": "[Socket]\nListenStream=7\nAccept=yes\n", "path": "/s/o", "wanted": true},
            "echo@.service": {"text": "[Service]\nStandardInput=socket\nExecStart=/e\n", "path": "/s/e", "wanted": false},
            "named.service": {"text": "[Service]\nStandardOutput=fd:echo.socket\nExecStart=/e\n", "path": "/s/n", "wanted": false},
            "other.service": {"text": "[Service]\nStandardInput=null\nExecStart=/e\n", "path": "/s/m", "wanted": false}
        }});
        let order = tree(&units, &SystemdConfig::system(), &[]).unwrap();
        let text = |name: &str| match &order.files[&format!("icefield-n1-db-0-ababababab-{name}.d/50-icefield.conf")] {
            UnitFile::Text(text) => text.clone(),
            UnitFile::Link(at) => panic!("{at}"),
        };
        for name in ["echo@.service", "named.service"] {
            let text = text(name);
            assert!(!text.contains("StandardOutput") && text.contains("\nStandardError=append:/data/log\n"), "{text}");
        }
        assert!(text("other.service").contains("\nStandardOutput=append:/data/log\nStandardError=inherit\n"));
    }

    #[test]
    fn what_is_the_whole_machines_is_refused() {
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut changed = manifest();
            change(&mut changed);
            tree(&changed, &SystemdConfig::system(), &[]).unwrap_err()
        };
        let uid = refused(&|all| all["users"]["pg"]["uid"] = json!(71));
        assert_eq!(
            uid,
            "it has the user pg with a number of its own, which is the whole machine's; its place is in the node's base"
        );
        assert!(refused(&|all| all["groups"]["pg"]["members"] = json!(["x"])).contains("the group pg"));
        let mount = json!({"text": "[Mount]", "path": "/s/m"});
        assert!(refused(&|all| all["units"]["srv.mount"] = mount.clone()).contains("the unit srv.mount"));
        assert!(refused(&|all| all["etc"]["../x"] = json!("/s/x")).contains("not below /etc"));
        let idle = refused(&|all| {
            for name in ["postgres.service", "db.service"] {
                all["units"][name]["wanted"] = json!(false);
            }
        });
        assert!(idle.starts_with("none of its units starts with the system"), "{idle}");
        let of_user = tree(&manifest(), &SystemdConfig::user("/run/user/7"), &[]).unwrap_err();
        assert!(of_user.contains("postgres.service is to run as pg"), "{of_user}");
    }
}
