use icefield_spec::{
    Balance, Company, Condition, ConfigFile, Dependency, Health, Name, NixModule, Port, Prefer, Reload, Run, Schedule,
    Spread, TimeSync, Update, Volume,
};

/// A value that a function of the language makes for an argument of another.
#[derive(Debug, Clone)]
pub(crate) enum Thing {
    Run(Run),
    Port(Port),
    Volume(Volume),
    Health(Health),
    Condition(Condition),
    Prefer(Prefer),
    Spread(Spread),
    Company(Company),
    Update(Update),
    Time(TimeSync),
    Code(NixCode),
    Balance(Balance),
    Schedule(Schedule),
    Dependency(Dependency),
    Secret(Name),
    Template(String),
    File(String, Box<ConfigFile>),
    Reload(Reload),
}

/// Something in Nix: from a file, whose path is relative to the root file's folder, or written in the declaration.
#[derive(Debug, Clone)]
pub(crate) struct NixCode {
    pub(crate) module: NixModule,
    pub(crate) path: Option<String>,
    pub(crate) attribute: String,
}
