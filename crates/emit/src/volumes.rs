//! Where the volumes of replicas are on a node, whatever the target.

use icefield_spec::{Name, Unit};

/// Where systemd keeps the state of what it runs.
const STATE: &str = "/var/lib";

/// The folder of a replica's volumes.
pub(crate) fn folder(service: &Name, index: u32) -> String {
    format!("{STATE}/{}", state_directory(service, index))
}

/// The path of each volume of a replica.
pub(crate) fn paths(service: &Name, index: u32, unit: &Unit) -> impl Iterator<Item = String> {
    state_directories(service, index, unit).map(|folder| format!("{STATE}/{folder}"))
}

/// The same as systemd is told of them: it makes them before the replica starts, and keeps them.
pub(crate) fn state_directories(service: &Name, index: u32, unit: &Unit) -> impl Iterator<Item = String> {
    let folder = state_directory(service, index);
    unit.volumes.keys().map(move |volume| format!("{folder}/{volume}"))
}

fn state_directory(service: &Name, index: u32) -> String {
    format!("icefield/volumes/{service}-{index}")
}
