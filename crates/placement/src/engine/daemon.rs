use std::collections::{BTreeMap, BTreeSet};

use icefield_spec::{Name, Rules};

use super::Engine;
use crate::{Acceptance, Host};

impl Engine {
    /// Which replica of a daemon belongs on which node: one for every node that `rules` admit, however full it is.
    ///
    /// Replicas keep the nodes they are on; further nodes, by name, get the lowest indexes that are left.
    pub fn daemon_ties(&self, service: &Name, rules: &Rules, driver: Option<&str>) -> BTreeMap<u32, Name> {
        let mut ties = BTreeMap::new();
        let mut served = BTreeSet::new();
        for (index, assignment) in self.current.service(service.as_str()) {
            let host = self.hosts.get(&assignment.node);
            if host.is_some_and(|host| keeps(host, rules, driver)) && served.insert(&assignment.node) {
                ties.insert(index, assignment.node.clone());
            }
        }
        let further = self.hosts.values().filter(|host| takes(host, rules, driver) && !served.contains(&host.name));
        let mut index = 0;
        for host in further {
            while ties.contains_key(&index) {
                index += 1;
            }
            ties.insert(index, host.name.clone());
        }
        ties
    }
}

fn takes(host: &Host, rules: &Rules, driver: Option<&str>) -> bool {
    host.acceptance == Acceptance::Ready && matches(host, rules, driver)
}

fn keeps(host: &Host, rules: &Rules, driver: Option<&str>) -> bool {
    host.acceptance <= Acceptance::Emptying && matches(host, rules, driver)
}

fn matches(host: &Host, rules: &Rules, driver: Option<&str>) -> bool {
    let value = |label: &String| host.labels.get(label).map(String::as_str);
    rules.require.iter().all(|(label, condition)| condition.admits(value(label)))
        && host.taints.iter().all(|taint| rules.tolerate.contains(taint))
        && driver.is_none_or(|driver| host.has_driver(driver))
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Condition, Rules};

    use crate::Acceptance;
    use crate::examples::three;
    use crate::fleet::{Fleet, name};

    fn ties(fleet: &Fleet, rules: &Rules) -> String {
        let ties = fleet.engine().daemon_ties(&name("log"), rules, None);
        ties.iter().map(|(index, node)| format!("{index} on {node}")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_node_that_the_rules_admit_has_one() {
        let mut fleet = three();
        let mut rules = Rules::default();
        assert_eq!(ties(&fleet, &rules), "0 on n1, 1 on n2, 2 on n3");
        rules.require.insert("zone".into(), Condition::one_of(["a"]));
        assert_eq!(ties(&fleet, &rules), "0 on n1, 1 on n2");
        fleet.host("n1").taints.insert("old".into());
        assert_eq!(ties(&fleet, &rules), "0 on n2");
        rules.tolerate.push("old".into());
        assert_eq!(ties(&fleet, &rules), "0 on n1, 1 on n2");
    }

    #[test]
    fn replicas_keep_their_nodes() {
        let mut fleet = three();
        fleet.put("log/5", "n2", "one", &[]).put("log/7", "n2", "one", &[]).put("log/1", "n3", "one", &[]);
        assert_eq!(ties(&fleet, &Rules::default()), "0 on n1, 1 on n3, 5 on n2");
        fleet.host("n3").acceptance = Acceptance::Draining;
        fleet.host("n2").acceptance = Acceptance::Cordoned;
        fleet.host("n1").acceptance = Acceptance::Cordoned;
        assert_eq!(ties(&fleet, &Rules::default()), "5 on n2");
    }
}
