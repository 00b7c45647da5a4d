//! Reads a fix as a person would, and carries it out.

mod amount;
mod limits;
mod node;
mod service;

use icefield_placement::{Demand, ReplicaId};

use crate::fleet::Fleet;

/// The fleets that come of carrying out `fix`, which was given for `replica`: one for each way that it names.
pub(crate) fn carry_out(fleet: &Fleet, replica: &ReplicaId, fix: &str) -> Vec<Fleet> {
    let parts: Vec<&str> = fix.split(", and also ").collect();
    if let [one] = parts[..] {
        let ways = one.split(", or ").flat_map(|way| match way.split_once(" or make it dynamic") {
            Some((free, _)) => {
                let port = free.strip_prefix("free port ").unwrap().split_once(' ').unwrap().0;
                vec![free.to_owned(), format!("make port {port} dynamic")]
            }
            None => vec![way.to_owned()],
        });
        return ways.map(|way| changed(fleet, replica, &way)).collect();
    }
    vec![parts.into_iter().fold(fleet.clone(), |fleet, part| {
        let first = part.split(" or make it").next().unwrap();
        changed(&fleet, replica, first)
    })]
}

fn changed(fleet: &Fleet, replica: &ReplicaId, fix: &str) -> Fleet {
    let mut fleet = fleet.clone();
    // What is said of a limit besides may follow.
    let also = fix.split_once(" and raise max").map(|(first, _)| (first, &fix[first.len() + " and ".len()..]));
    let (first, second) = also.map_or((fix, None), |(first, second)| (first, Some(second)));
    for part in [Some(first), second].into_iter().flatten() {
        let words: Vec<&str> = part.split(' ').collect();
        let understood = limits::change(&mut fleet, replica, &words)
            || service::change(&mut fleet, replica, &words)
            || node::change(&mut fleet, &words);
        assert!(understood, "{part:?} is not understood");
    }
    fleet
}

/// The demand that wants `replica`.
fn of<'a>(fleet: &'a mut Fleet, replica: &ReplicaId) -> &'a mut Demand {
    let demands = fleet.services.get_mut(&replica.service).unwrap();
    demands.iter_mut().find(|demand| demand.indexes.contains(&replica.index)).unwrap()
}
