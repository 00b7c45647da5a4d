//! What a user can declare: a cluster's machines and services.
//!
//! A [`Spec`] is the evaluated form of a source file. It is plain data: this crate reads no file and no clock, and every
//! function in it gives the same answer for the same arguments. A spec has one canonical JSON text, and from that a
//! [`Revision`], so that two people can tell whether they speak of the same thing.
//!
//! Validation never stops at the first mistake: [`Spec::validate`] returns all [`Problem`]s, each with the path of the
//! value at fault.

mod amount;
mod base;
mod canonical;
mod condition;
mod config_file;
mod dependency;
mod job;
mod machine;
mod name;
mod nix;
mod policy;
mod port;
mod probe;
mod problem;
mod quantity;
mod quota;
mod reach;
mod reserve;
mod revision;
mod rules;
mod run;
mod schedule;
mod service;
mod spec;
mod store_path;
mod suggest;
pub mod template;
mod unit;
mod update;
mod validate;
mod variables;
mod volume;

pub use amount::Amount;
pub use base::{Base, NixModule, TimeSync};
pub use condition::Condition;
pub use config_file::{ConfigFile, FileContent, FileMode, InvalidMode, Reload, ReloadSignal};
pub use dependency::Dependency;
pub use job::Job;
pub use machine::{FleetNode, IMPLIED_LABELS, Machine, Node, Pool};
pub use name::{InvalidName, Name};
pub use nix::{Closures, NixFile, NixSource, NixText};
pub use policy::{Balance, Policy, SoftReserve};
pub use port::{Port, PortRange};
pub use probe::{Health, Probe};
pub use problem::Problem;
pub use quantity::{Bytes, Cpu, InvalidQuantity, Millis};
pub use quota::Quota;
pub use reach::{DOMAIN, FixedPorts};
pub use reserve::Reserve;
pub use revision::Revision;
pub use rules::{Company, Layout, Prefer, Rules, Spread};
pub use run::Run;
pub use schedule::{CalendarFields, InvalidSchedule, Schedule, Timetable};
pub use service::Service;
pub use spec::{SCHEMA_VERSION, Spec, json_schema};
pub use store_path::{InvalidStorePath, StorePath};
pub use suggest::nearest;
pub use unit::Unit;
pub use update::{Share, Strategy, Update, Wait};
pub use variables::{
    InvalidReference, Piece, ReplicaContext, credential_name, expand, file_variable, pieces, references,
    replica_variables,
};
pub use volume::{Volume, VolumeSource};
