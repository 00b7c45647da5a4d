use std::collections::BTreeMap;

use icefield_spec::{Name, Volume, VolumeSource};

use super::{Function, Outcome};
use crate::arg::Arg;
use crate::docs::{FunctionDoc, first, optional};
use crate::thing::Thing;

pub(crate) static VOLUME: Function = Function {
    doc: FunctionDoc {
        name: "volume",
        summary: "A folder of the node that outlives the replica and ties it to the node that it was first on. A size \
                  alone means the same.",
        parameters: &[optional(
            "size",
            "\"10GiB\"",
            "None",
            "How much of the node's resource \"disk\" it takes; where no node declares that, none is asked for.",
        )],
        example: "volumes = {\"data\": volume(size = \"10GiB\")}",
    },
    call: |call| {
        let size = call.field("size", |arg| arg.size());
        let volume = Volume { size, ..Volume::default() };
        Outcome::made(call.broken.is_empty().then_some(Thing::Volume(volume)))
    },
};

pub(crate) static NFS: Function = Function {
    doc: FunctionDoc {
        name: "nfs",
        summary: "What a server exports by NFS, mounted for the replica. It ties the replica to no node: unless it is \
                  shared, it goes to another node only once the last one has surely given it up.",
        parameters: &[
            first("server", "\"10.0.0.5\"", "The server."),
            first("path", "\"/export/db\"", "What it exports."),
            optional("options", "\"vers=4.2,hard\"", "\"\"", "Options of the mount, with commas between them."),
            optional("shared", "True", "False", "Whether several replicas may have it at once."),
        ],
        example: "volumes = {\"data\": nfs(\"10.0.0.5\", \"/export/db\")}",
    },
    call: |call| {
        let (server, path) = (call.field("server", |arg| arg.text()), call.field("path", |arg| arg.text()));
        let options = call.field_or("options", String::new(), |arg| arg.text());
        let shared = call.field_or("shared", false, |arg| arg.flag());
        let given = server.zip(path).filter(|_| call.broken.is_empty());
        made(given.map(|(server, path)| VolumeSource::Nfs { server, path, options, shared }))
    },
};

pub(crate) static RBD: Function = Function {
    doc: FunctionDoc {
        name: "rbd",
        summary: "A block device of Ceph, mounted for the replica. It ties the replica to no node: it goes to another node \
                  only once the last one has surely given it up.",
        parameters: &[
            first("pool", "\"data\"", "The pool."),
            first("image", "\"db\"", "The image; it exists, and has a file system."),
            optional("filesystem", "\"xfs\"", "\"ext4\"", "The file system on it."),
        ],
        example: "volumes = {\"data\": rbd(\"data\", \"db\")}",
    },
    call: |call| {
        let (pool, image) = (call.field("pool", |arg| arg.text()), call.field("image", |arg| arg.text()));
        let filesystem = call.field_or("filesystem", VolumeSource::ext4(), |arg| arg.text());
        let given = pool.zip(image).filter(|_| call.broken.is_empty());
        made(given.map(|(pool, image)| VolumeSource::Rbd { pool, image, filesystem }))
    },
};

fn made<'v>(source: Option<VolumeSource>) -> Outcome<'v> {
    Outcome::made(source.map(|source| Thing::Volume(Volume { size: None, source })))
}

/// The value of `volumes =` of a service.
pub(super) fn volumes(arg: &Arg<'_, '_>) -> Option<BTreeMap<Name, Volume>> {
    let entries = arg.entries(|key, value| {
        let name = value.key(key).as_name(key);
        name.zip(volume(value))
    })?;
    Some(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn volume(arg: &Arg<'_, '_>) -> Option<Volume> {
    if arg.value().unpack_str().is_some() || arg.value().get_type() == "int" {
        return Some(Volume { size: Some(arg.size()?), ..Volume::default() });
    }
    arg.thing("volume(), nfs(), rbd() or a size like \"10GiB\"", |thing| match thing {
        Thing::Volume(volume) => Some(volume),
        _ => None,
    })
}
