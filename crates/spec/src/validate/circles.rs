//! What waits for itself in a circle.

use std::collections::{BTreeMap, BTreeSet};

/// The circles that `follow` leads through from any of `starts`; of circles that share a member, one.
///
/// It takes no stack of its own for each step, so a way may be as long as a spec is large.
pub(super) fn circles<T: Ord + Copy>(starts: impl IntoIterator<Item = T>, follow: impl Fn(T) -> Vec<T>) -> Vec<Vec<T>> {
    let mut visits: BTreeMap<T, Visit> = BTreeMap::new();
    let mut circled: BTreeSet<T> = BTreeSet::new();
    let mut found = Vec::new();
    for start in starts {
        if visits.contains_key(&start) {
            continue;
        }
        // The way from `start`, and of each member of it those that are still to be followed; the first is the last.
        let mut way: Vec<(T, Vec<T>)> = vec![(start, follow(start))];
        visits.insert(start, Visit::OnTheWay(0));
        while let Some((here, rest)) = way.last_mut() {
            let here = *here;
            let Some(next) = rest.pop() else {
                visits.insert(here, Visit::Done);
                way.pop();
                continue;
            };
            match visits.get(&next) {
                None => {
                    visits.insert(next, Visit::OnTheWay(way.len()));
                    way.push((next, follow(next)));
                }
                Some(Visit::OnTheWay(at)) if !circled.contains(&here) && !circled.contains(&next) => {
                    let circle: Vec<T> = way[*at..].iter().map(|(member, _)| *member).collect();
                    circled.extend(&circle);
                    found.push(circle);
                }
                Some(_) => {}
            }
        }
    }
    found
}

/// The members of a circle as a way that ends where it began, cut short if it is long.
pub(super) fn way<'a>(circle: impl ExactSizeIterator<Item = &'a str> + Clone) -> String {
    const SHOWN: usize = 8;
    let mut way: Vec<&str> = circle.clone().take(SHOWN).collect();
    if circle.len() > SHOWN {
        way.push("…");
    }
    way.extend(circle.clone().next());
    way.join(" → ")
}

/// How far the search is with a member.
enum Visit {
    /// It is on the way to the one that is looked at, after so many others.
    OnTheWay(usize),
    /// All that follows from it was looked at.
    Done,
}
