//! The functions that Icefield adds to Starlark, one file a noun; each entry holds its documentation and its code.

mod base;
mod cluster;
mod condition;
mod file;
mod health;
mod job;
mod machine;
mod module;
mod namespace;
mod placement;
mod port;
mod resource;
mod rule;
mod run;
mod secret;
mod service;
mod steering;
mod unit;
mod update;
mod var;
mod volume;

use starlark::values::Value;

use crate::call::Call;
use crate::docs::FunctionDoc;
use crate::thing::Thing;

/// A function of the language.
pub(crate) struct Function {
    pub(crate) doc: FunctionDoc,
    pub(crate) call: for<'c, 'v> fn(&mut Call<'c, 'v>) -> Outcome<'v>,
}

/// What a call gives back.
pub(crate) enum Outcome<'v> {
    Nothing,
    Thing(Thing),
    Text(String),
    Whole(i64),
    Fraction(f64),
    Flag(bool),
    /// A value that the call was given.
    Given(Value<'v>),
    /// Nothing good, for a reason that is reported.
    Unknown,
}

impl Outcome<'_> {
    /// The thing that was made, if the call was good.
    fn made(thing: Option<Thing>) -> Self {
        thing.map_or(Self::Unknown, Self::Thing)
    }
}

impl Function {
    /// Its number in [`FUNCTIONS`].
    pub(crate) fn number(&'static self) -> usize {
        FUNCTIONS.iter().position(|function| std::ptr::eq(*function, self)).unwrap_or_default()
    }
}

/// All functions, in the order that a newcomer should meet them.
pub(crate) static FUNCTIONS: &[&Function] = &[
    &cluster::CLUSTER,
    &machine::NODE,
    &machine::POOL,
    &service::SERVICE,
    &job::JOB,
    &job::CRON,
    &run::EXEC,
    &run::NIX,
    &run::NIXOS,
    &run::CONTAINER,
    &run::MICROVM,
    &port::DYNAMIC,
    &port::FIXED,
    &volume::VOLUME,
    &volume::NFS,
    &volume::RBD,
    &secret::SECRET,
    &file::FILE,
    &file::TEMPLATE,
    &file::TEXT_FILE,
    &file::SIGNAL,
    &file::RESTART,
    &health::HTTP,
    &health::TCP,
    &health::COMMAND,
    &condition::EXISTS,
    &condition::ABSENT,
    &condition::NOT_IN,
    &condition::AT_LEAST,
    &condition::AT_MOST,
    &condition::BETWEEN,
    &rule::PREFER,
    &rule::SPREAD,
    &rule::NEAR,
    &update::ROLLING,
    &update::CANARY,
    &update::BLUE_GREEN,
    &namespace::NAMESPACE,
    &placement::PLACEMENT,
    &placement::BALANCE,
    &base::BASE,
    &base::NTP,
    &module::NIX_FILE,
    &module::NIX_TEXT,
    &var::VAR,
];
