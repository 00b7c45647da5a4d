use icefield_spec::{Base, TimeSync};
use serde_json::Map;

use super::module::nix_module;
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
