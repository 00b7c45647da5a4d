//! Where the volumes of replicas are on a node, whatever the target.

use icefield_spec::{Name, Unit, VolumeSource};

/// Where systemd keeps the state of what it runs.
const STATE: &str = "/var/lib";

/// The folder of a replica's volumes.
pub(crate) fn folder(service: &Name, index: u32) -> String {
    format!("{STATE}/{}", state_directory(service, index))
}

/// The path of each volume of a replica.
pub(crate) fn paths(service: &Name, index: u32, unit: &Unit) -> impl Iterator<Item = String> {
    let folder = folder(service, index);
    unit.volumes.keys().map(move |volume| format!("{folder}/{volume}"))
}

/// The same as systemd is told of them: it makes them before the replica starts, and keeps them.
pub(crate) fn state_directories(service: &Name, index: u32, unit: &Unit) -> impl Iterator<Item = String> {
    let folder = state_directory(service, index);
    let own = unit.volumes.iter().filter(|(_, volume)| volume.source.is_host());
    own.map(move |(volume, _)| format!("{folder}/{volume}"))
}

/// The volumes of a replica that are mounted: where, and what.
pub(crate) fn mounted<'u>(
    service: &Name,
    index: u32,
    unit: &'u Unit,
) -> impl Iterator<Item = (String, &'u VolumeSource)> + use<'u> {
    let folder = folder(service, index);
    let elsewhere = unit.volumes.iter().filter(|(_, volume)| !volume.source.is_host());
    elsewhere.map(move |(name, volume)| (format!("{folder}/{name}"), &volume.source))
}

fn state_directory(service: &Name, index: u32) -> String {
    format!("icefield/volumes/{service}-{index}")
}
