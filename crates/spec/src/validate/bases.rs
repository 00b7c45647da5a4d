use super::Check;
use super::syntax::is_attribute_path;
use crate::{Base, Name, TimeSync};

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
    }
}
