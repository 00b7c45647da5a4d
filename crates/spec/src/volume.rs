use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Bytes;

/// A folder that belongs to one replica and outlives it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Volume {
    /// How much of the node's resource `disk` it takes; where no node declares `disk`, none is asked for. Only of a folder
    /// of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
    /// Where it is.
    #[serde(skip_serializing_if = "VolumeSource::is_host")]
    pub source: VolumeSource,
}

/// Where a volume is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum VolumeSource {
    /// A folder of the node, which ties the replica to that node.
    #[default]
    Host,
    /// What a server exports by NFS.
    Nfs {
        /// The server: a name or an address.
        server: String,
        /// What it exports.
        path: String,
        /// Options of the mount, with commas between them.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        options: String,
        /// Whether several replicas may have it at once. Else it goes to another node only once the last one has surely
        /// given it up.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        shared: bool,
    },
    /// A block device of Ceph. Never more than one replica has it.
    Rbd {
        /// The pool.
        pool: String,
        /// The image.
        image: String,
        /// The file system on it.
        #[serde(default = "VolumeSource::ext4", skip_serializing_if = "is_ext4")]
        filesystem: String,
    },
}

impl VolumeSource {
    /// The file system of a block device where none is given.
    pub fn ext4() -> String {
        "ext4".into()
    }

    /// Whether it is a folder of the node.
    pub const fn is_host(&self) -> bool {
        matches!(self, Self::Host)
    }

    /// Whether it is reached over the network, and one replica at most may have it.
    pub const fn is_exclusive(&self) -> bool {
        match self {
            Self::Host | Self::Nfs { shared: true, .. } => false,
            Self::Nfs { shared: false, .. } | Self::Rbd { .. } => true,
        }
    }

    /// What is mounted: `10.0.0.5:/export/db`, `/dev/rbd/pool/image`. Empty for a folder of the node.
    pub fn device(&self) -> String {
        match self {
            Self::Host => String::new(),
            Self::Nfs { server, path, .. } if server.contains(':') => format!("[{server}]:{path}"),
            Self::Nfs { server, path, .. } => format!("{server}:{path}"),
            Self::Rbd { pool, image, .. } => format!("/dev/rbd/{pool}/{image}"),
        }
    }

    /// The type of its file system; empty for a folder of the node.
    pub fn filesystem(&self) -> &str {
        match self {
            Self::Host => "",
            Self::Nfs { .. } => "nfs",
            Self::Rbd { filesystem, .. } => filesystem,
        }
    }

    /// The options of its mount.
    pub fn options(&self) -> &str {
        match self {
            Self::Nfs { options, .. } => options,
            Self::Host | Self::Rbd { .. } => "",
        }
    }
}

fn is_ext4(filesystem: &str) -> bool {
    filesystem == "ext4"
}
