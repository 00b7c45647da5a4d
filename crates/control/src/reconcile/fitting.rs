use icefield_placement::{Change, ChangeKind, Engine, Placement};

/// `changes` with the ports that the replicas would get, if they lead from `current`, which `engine` knows, to a
/// placement that is right as it is; else why not.
///
/// That there is then room for what was nowhere does no harm. The engine is left as it was.
pub(crate) fn fitting(engine: &mut Engine, current: &Placement, changes: &[Change]) -> Result<Vec<Change>, String> {
    engine.accept(changes);
    let further = engine.solve().changes;
    for change in changes {
        engine.set_replica(change.replica.clone(), current.get(&change.replica).cloned());
    }
    let mut fitting = changes.to_vec();
    for further in further {
        let own = fitting.iter_mut().find(|change| change.replica == further.replica);
        match (own.map(|own| &mut own.kind), further.kind) {
            (Some(ChangeKind::Place { to } | ChangeKind::Move { to, .. }), ChangeKind::Replace { to: anew }) => {
                *to = anew;
            }
            (None, ChangeKind::Place { .. }) => {}
            _ => return Err(format!("{} could not stay: {}", further.replica, further.reason)),
        }
    }
    Ok(fitting)
}
