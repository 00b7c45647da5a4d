use super::Check;
use super::syntax::is_attribute_path;
use crate::{Base, Name, Probe, Strategy, TimeSync, Update};

impl Check<'_> {
    pub(super) fn base(&mut self, name: &Name, base: &Base) {
        if let Some(TimeSync::Ntp { servers }) = &base.time
            && servers.is_empty()
        {
            self.report(format!("bases.{name}.time"), "ntp needs at least one server");
        }
        if let Some(nixpkgs) = &base.nixpkgs {
            self.flake_reference(&format!("bases.{name}.nixpkgs"), nixpkgs);
        }
        if let Some(flake) = &base.flake {
            let at = format!("bases.{name}.flake");
            self.flake_reference(&at, flake);
            if base.configuration().is_none_or(|(_, configuration)| configuration.is_empty()) {
                let problem = self.report(&at, format!("{flake:?} names no configuration"));
                problem.help =
                    Some(format!("write it behind a #: {:?}", format!("{}#web", flake.trim_end_matches('#'))));
            }
            if base.nixpkgs.is_some() {
                self.report(&at, "the configuration of a flake brings its own nixpkgs, so no other can be named");
            }
        }
        for package in &base.packages {
            if !is_attribute_path(package) {
                let message = format!("{package:?} is not an attribute path of nixpkgs");
                self.report(format!("bases.{name}.packages"), message);
            }
        }
        for option in base.nixos.keys() {
            if !is_attribute_path(option) {
                self.report(format!("bases.{name}.nixos"), format!("{option:?} is not the path of a NixOS option"));
            }
        }
        if let Some(update) = &base.update {
            self.base_update(&format!("bases.{name}.update"), update);
        }
        if let Some(health) = &base.health {
            let at = format!("bases.{name}.health");
            match &health.probe {
                Probe::Exec { command } if command.is_empty() => self.report(&at, "the command is empty").help = None,
                Probe::Exec { .. } => self.asking(&at, health),
                Probe::Http { .. } | Probe::Tcp { .. } => {
                    let message = "a base has no ports, so it can only be asked by command()";
                    self.report(&at, message).help =
                        Some("health = command([\"systemctl\", \"is-system-running\"])".into());
                }
            }
        }
    }

    fn base_update(&mut self, at: &str, update: &Update) {
        if matches!(update.kind, Strategy::BlueGreen { .. }) || update.max_surge > 0 {
            let message = "a base updates the nodes that there are; none can be started beside them";
            let help = "use rolling(max_unavailable = 1) or canary(count = 1)";
            self.report(at, message).help = Some(help.into());
        } else if update.max_unavailable == 0 {
            self.report(at, "max_unavailable is 0, so no node could ever be updated");
        }
        self.proving(at, update);
    }
}
