//! Changes to the limits of spreads.

use icefield_placement::ReplicaId;
use icefield_spec::Spread;

use crate::fleet::Fleet;

/// Whether `words` are such a change; then it is done.
pub(super) fn change(fleet: &mut Fleet, replica: &ReplicaId, words: &[&str]) -> bool {
    let number = |text: &str| text.parse::<u32>().unwrap();
    match *words {
        ["raise", "max", "of", "spread", label, "to", max] => spreads(fleet, replica, label, |spread| {
            spread.max = spread.max.map(|old| old.max(number(max)));
        }),
        ["raise", "max_skew", "of", "spread", label, "to", most] => spreads(fleet, replica, label, |spread| {
            spread.max_skew = spread.max_skew.map(|old| old.max(number(most)));
        }),
        ["lower", "min_domains", "of", "spread", label, "to", least] => spreads(fleet, replica, label, |spread| {
            spread.min_domains = spread.min_domains.map(|old| old.min(number(least)));
        }),
        ["drop", "the", what, "of", "spread", label] => drop(fleet, replica, what, label),
        ["drop", "require", required, "and", "the", what, "of", "spread", label] if required == label => {
            super::service::change(fleet, replica, &["drop", "require", label]);
            drop(fleet, replica, what, label);
        }
        ["drop", "require", required, "and", "the", first, "and", second, "of", "spread", label]
            if required == label =>
        {
            super::service::change(fleet, replica, &["drop", "require", label]);
            drop(fleet, replica, first, label);
            drop(fleet, replica, second, label);
        }
        _ => return false,
    }
    true
}

fn drop(fleet: &mut Fleet, replica: &ReplicaId, what: &str, label: &str) {
    spreads(fleet, replica, label, |spread| match what {
        "max" => spread.max = None,
        "max_skew" => spread.max_skew = None,
        "min_domains" => spread.min_domains = None,
        _ => panic!("a spread has no {what}"),
    });
}

/// What one demand of a service sets holds for all, so all are changed.
fn spreads(fleet: &mut Fleet, replica: &ReplicaId, label: &str, change: impl FnMut(&mut Spread)) {
    let demands = fleet.services.get_mut(&replica.service).unwrap();
    let all = demands.iter_mut().flat_map(|demand| &mut demand.rules.spread);
    all.filter(|spread| spread.label == label).for_each(change);
}
