use std::collections::BTreeMap;

use icefield_spec::Name;

use super::view::View;
use crate::reconcile::standing::Known;

/// The values of a service's spread labels on one node.
type Domains = Vec<Option<String>>;

/// Up to `count` of `candidates`, chosen so that the replicas of the target revision are spread as evenly over the
/// service's spread labels as they can be; the indexes, in the order of the choice.
pub(super) fn evenly(view: &View<'_>, candidates: &[&Known<'_>], count: usize) -> Vec<u32> {
    let labels: Vec<&str> = view.service.rules.spread.iter().map(|spread| spread.label.as_str()).collect();
    // Each stays on its node, so there is nothing to choose where all are taken, or where a node is a domain.
    let labels: Vec<&str> = labels.into_iter().filter(|label| *label != "node").collect();
    if count >= candidates.len() || labels.is_empty() || count == 0 {
        return candidates.iter().take(count).map(|known| known.replica.index).collect();
    }
    let mut nodes = Nodes { view, labels: &labels, known: BTreeMap::new() };
    let mut counts: Vec<BTreeMap<String, usize>> = vec![BTreeMap::new(); labels.len()];
    for known in view.own.iter().filter(|known| view.is_new(known) || view.is_advanced(known)) {
        add(&mut counts, &nodes.domains(known));
    }
    let mut groups: BTreeMap<Domains, Vec<u32>> = BTreeMap::new();
    for known in candidates.iter().rev() {
        groups.entry(nodes.domains(known)).or_default().push(known.replica.index);
    }
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let cost = |domains: &Domains| {
            let of = |(counts, domain): (&BTreeMap<String, usize>, &Option<String>)| {
                domain.as_ref().map_or(0, |domain| counts.get(domain).copied().unwrap_or(0))
            };
            counts.iter().zip(domains).map(of).collect::<Vec<_>>()
        };
        let best = groups.iter().min_by_key(|(domains, left)| (cost(domains), left.last().copied()));
        let Some(domains) = best.map(|(domains, _)| domains.clone()) else { break };
        let left = groups.entry(domains.clone()).or_default();
        chosen.extend(left.pop());
        if left.is_empty() {
            groups.remove(&domains);
        }
        add(&mut counts, &domains);
    }
    chosen
}

fn add(counts: &mut [BTreeMap<String, usize>], domains: &Domains) {
    for (counts, domain) in counts.iter_mut().zip(domains) {
        if let Some(domain) = domain {
            *counts.entry(domain.clone()).or_default() += 1;
        }
    }
}

/// The domains of nodes, each looked up once.
struct Nodes<'v> {
    view: &'v View<'v>,
    labels: &'v [&'v str],
    known: BTreeMap<Name, Domains>,
}

impl Nodes<'_> {
    fn domains(&mut self, known: &Known<'_>) -> Domains {
        let Some(assignment) = known.assignment else { return vec![None; self.labels.len()] };
        if let Some(domains) = self.known.get(&assignment.node) {
            return domains.clone();
        }
        let labels =
            self.view.state.spec.as_deref().and_then(|spec| Some(spec.fleet_node(assignment.node.as_str())?.labels()));
        let labels = labels.unwrap_or_default();
        let domains: Domains = self.labels.iter().map(|label| labels.get(*label).cloned()).collect();
        self.known.insert(assignment.node.clone(), domains.clone());
        domains
    }
}
