use icefield_spec::{Health, NixModule, Port, Prefer, Run, Spread, TimeSync, Update};

/// A value that a function of the language makes for an argument of another.
#[derive(Debug, Clone)]
pub(crate) enum Thing {
    Run(Run),
    Port(Port),
    Health(Health),
    Prefer(Prefer),
    Spread(Spread),
    Update(Update),
    Time(TimeSync),
    Module(NixModule),
}
