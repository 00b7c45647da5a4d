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
    Module(NixModule),
    Balance(Balance),
    Schedule(Schedule),
    Dependency(Dependency),
    Secret(Name),
    Template(String),
    File(String, Box<ConfigFile>),
    Reload(Reload),
}
