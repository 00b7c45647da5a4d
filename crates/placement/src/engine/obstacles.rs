use icefield_spec::Name;

use super::group::Group;
use super::id::NodeId;
use super::state::State;
use crate::Exclusion;
use crate::rules::{Case, Further, Hard, Remedy, Tie, Twin};

/// How many nodes are named as examples.
const EXAMPLES: usize = 3;

/// Which rules keep a replica of `group` off which nodes, and for each rule the smallest change that would let one in;
/// `except` is left out.
///
/// A node counts for the first rule that excludes it. The change is for the node that is nearest to taking the replica:
/// one that the rule alone excludes if there is any, else it names what else must change there.
pub(crate) fn exclusions(state: &State, group: &Group, tie: Option<&Tie>, except: Option<NodeId>) -> Vec<Exclusion> {
    let world = &state.world;
    if world.order().is_empty() {
        let fix = "declare a node or pool".into();
        return vec![Exclusion { rule: "fleet".into(), nodes: 0, examples: vec![], fix }];
    }
    let rules = Rules { state, group, all: all(group, tie) };
    let mut tallies: Vec<Option<Tally>> = vec![None; rules.all.len()];
    for node in world.order().iter().copied().filter(|node| Some(*node) != except) {
        let mut broken = rules.all.iter().enumerate().filter(|(_, rule)| !rule.admits(state, node));
        let Some((first, rule)) = broken.next() else { continue };
        let nearness = (broken.count(), rule.distance(state, node));
        let tally = tallies[first].get_or_insert(Tally { nodes: 0, examples: Vec::new(), nearness, nearest: node });
        tally.nodes += 1;
        if tally.examples.len() < EXAMPLES {
            tally.examples.push(world.name(node).clone());
        }
        if nearness < tally.nearness {
            (tally.nearness, tally.nearest) = (nearness, node);
        }
    }
    let excluding = tallies.into_iter().zip(&rules.all).filter_map(|(tally, rule)| {
        let Tally { nodes, examples, nearest, .. } = tally?;
        Some(Exclusion { rule: rule.name(world), nodes, examples, fix: rules.remedy(nearest) })
    });
    excluding.collect()
}

fn all<'a>(group: &'a Group, tie: Option<&'a Tie>) -> Vec<&'a dyn Hard> {
    let tie = tie.into_iter().map(|tie| tie as &dyn Hard);
    tie.chain(group.hard.iter().map(|rule| &**rule as &dyn Hard)).collect()
}

/// The nodes that one rule is the first to exclude.
#[derive(Clone)]
struct Tally {
    nodes: u64,
    examples: Vec<Name>,
    /// How many further rules exclude the nearest node, and how far it is from satisfying this one.
    nearness: (usize, u64),
    nearest: NodeId,
}

struct Rules<'a> {
    state: &'a State,
    group: &'a Group,
    all: Vec<&'a dyn Hard>,
}

impl Rules<'_> {
    /// The smallest change after which `node`, or a further one like it, takes a replica of the group.
    fn remedy(&self, node: NodeId) -> String {
        let (state, group) = (self.state, self.group);
        let broken: Vec<_> = self.all.iter().filter(|rule| !rule.admits(state, node)).collect();
        let relabelled = |rule: &&dyn Hard| {
            let before = broken.iter().take_while(|other| !std::ptr::addr_eq(**other, rule));
            rule.label().is_some_and(|label| before.into_iter().any(|other| other.label() == Some(label)))
        };
        let mut case = Case { state, group, node, alone: false };
        let besides = |case: &Case<'_>| -> Vec<Remedy> {
            let doubtful = self.all.iter().filter(|rule| rule.reconsiders(state, node, relabelled(rule)));
            doubtful.filter_map(|rule| rule.besides(case, relabelled(rule))).collect()
        };
        let besides = besides(&case);
        case.alone = broken.len() == 1 && besides.is_empty();
        let needed = broken.iter().filter(|rule| !rule.reconsiders(state, node, relabelled(rule)) && !relabelled(rule));
        let remedies: Vec<Remedy> = needed.map(|rule| rule.remedy(&case)).chain(besides).collect();
        let further = remedies.iter().map(|remedy| remedy.further).max().unwrap_or(Further::Excessive);
        let twin = if further == Further::Excessive { None } else { self.twin(node) };
        let texts = || remedies.iter().map(|remedy| remedy.text.as_str()).collect::<Vec<_>>().join(", and also ");
        match twin {
            None => texts(),
            Some(twin) if further == Further::Equal && case.alone => format!("{}, or {twin}", texts()),
            Some(twin) => twin,
        }
    }

    /// That a further node like `node` be added, if it would take a replica of the group.
    fn twin(&self, node: NodeId) -> Option<String> {
        let mut more = Vec::new();
        for rule in &self.all {
            match rule.twin(self.state, node) {
                Twin::Admitted => {}
                Twin::WithMore(amount) => more.push(amount),
                Twin::Refused => return None,
            }
        }
        let name = self.state.world.name(node);
        Some(match more[..] {
            [] => format!("add a node like {name}"),
            _ => format!("add a node like {name} with at least {}", more.join(" and ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Cpu;
    use insta::assert_snapshot;

    use crate::Acceptance;
    use crate::examples::{solved, three, with};

    #[test]
    fn several_rules_at_once() {
        let mut fleet = three();
        fleet.host("n1").acceptance = Acceptance::Lost;
        fleet.host("n2").acceptance = Acceptance::Draining;
        fleet.host("n3").acceptance = Acceptance::Cordoned;
        fleet.add_service("web", [with(|web| web.cpu = Cpu::from_millis(6000))]);
        fleet.add_service("node-wide", [with(|single| single.one_per_node = true)]);
        assert_snapshot!(solved(&fleet), @"
        node-wide/0 nowhere:
          lost excludes 1 (n1): bring n1 back
          draining excludes 1 (n2): uncordon n2
          cordoned excludes 1 (n3): uncordon n3
        web/0 nowhere:
          lost excludes 1 (n1): bring n1 back, and also lower cpu to 4 (n1 has that free)
          draining excludes 1 (n2): uncordon n2, and also lower cpu to 4 (n2 has that free)
          cordoned excludes 1 (n3): uncordon n3, and also lower cpu to 4 (n3 has that free)
        ");
    }
}
