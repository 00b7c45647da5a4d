use icefield_spec::{Base, StorePath, TimeSync};
use serde_json::Map;

use super::module::nix_module;
use super::service::update;
use super::unit::health;
use super::{Function, Outcome};
use crate::declarations::Declared;
use crate::docs::{FunctionDoc, first, optional};
use crate::thing::Thing;

pub(crate) static BASE: Function = Function {
    doc: FunctionDoc {
        name: "base",
        summary: "Declares what every node built from it has: packages, time, NixOS options and modules.",
        parameters: &[
            first("name", "\"std\"", "Its name, for base = of nodes and pools."),
            optional("packages", "[\"htop\"]", "[]", "Packages of nixpkgs by attribute path."),
            optional("time", "ntp([\"0.pool.ntp.org\"])", "None", "How the nodes keep their clocks."),
            optional("nixos", "{\"boot.tmp.useTmpfs\": True}", "{}", "NixOS options by dotted path."),
            optional("modules", "[nix_file(\"base.nix\")]", "[]", "NixOS modules, from nix_file() or nix_text()."),
            optional("nixpkgs", "\"github:NixOS/nixpkgs/nixos-26.05\"", "None", "Where nixpkgs is taken from."),
            optional(
                "flake",
                "\".#web\"",
                "None",
                "A configuration of a flake that it starts from, as `nixos-rebuild --flake` has it; `icefield import` writes these.",
            ),
            optional(
                "system",
                "\"/nix/store/s5zyn9lmv8cd1ag8hsh3iqfd6vjxfk2q-nixos-system\"",
                "None",
                "The NixOS system that it was built to; `icefield build` writes it.",
            ),
            optional(
                "update",
                "rolling(max_unavailable = 2)",
                "None",
                "How its nodes go to another system, zone by zone: rolling() or canary(). Without it one node is first, then one at a time, each healthy for 30s within 10m.",
            ),
            optional(
                "health",
                "command([\"systemctl\", \"is-system-running\"])",
                "None",
                "A command that says whether a node does well with a new system.",
            ),
            optional(
                "reboot",
                "True",
                "False",
                "Restart nodes for every new system, not only for one with another kernel.",
            ),
        ],
        example: "base(\"std\", packages = [\"htop\"], nixos = {\"networking.firewall.allowedTCPPorts\": [22]})",
    },
    call: |call| {
        let name = call.field("name", |arg| arg.name());
        let nixos = call.field_or("nixos", Vec::new(), |arg| arg.entries(|_, value| value.json()));
        let base = Base {
            packages: call.field_or("packages", Vec::new(), |arg| arg.items(|item| item.text())),
            time: call.field("time", |arg| {
                arg.thing("a way to keep time, like ntp([\"0.pool.ntp.org\"])", |thing| match thing {
                    Thing::Time(time) => Some(time),
                    _ => None,
                })
            }),
            nixos: nixos.into_iter().collect::<Map<_, _>>(),
            modules: call.field_or("modules", Vec::new(), |arg| arg.items(nix_module)),
            nixpkgs: call.field("nixpkgs", |arg| arg.text()),
            flake: call.field("flake", |arg| arg.text()),
            system: call.field("system", |arg| {
                StorePath::new(&arg.text()?).map_err(|error| arg.refuse::<()>(error.to_string(), None)).ok()
            }),
            update: call.field("update", update),
            health: call.field("health", health),
            reboot: call.field_or("reboot", false, |arg| arg.flag()),
        };
        call.session.declarations.borrow_mut().insert(call, name, Declared::Base(base));
        Outcome::Nothing
    },
};

pub(crate) static NTP: Function = Function {
    doc: FunctionDoc {
        name: "ntp",
        summary: "Time from NTP servers, for time = of a base.",
        parameters: &[first("servers", "[\"0.pool.ntp.org\"]", "The servers, by host name or address.")],
        example: "ntp([\"0.pool.ntp.org\", \"1.pool.ntp.org\"])",
    },
    call: |call| {
        let servers = call.field("servers", |arg| arg.items(|item| item.text()));
        Outcome::made(servers.map(|servers| Thing::Time(TimeSync::Ntp { servers })))
    },
};
