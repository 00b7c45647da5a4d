use std::collections::{BTreeMap, BTreeSet};

use super::instance::Instance;

/// What an assignment costs, and the hard rules that it breaks.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) cost: i128,
    pub(super) violations: Vec<String>,
}

/// By the challenge's definition, from the numbers of its file: nothing here is the engine's.
pub(super) fn check(instance: &Instance, initial: &[u32], assignment: &[u32]) -> Checked {
    let view = View { instance, initial, assignment };
    let mut violations = Vec::new();
    view.capacities(&mut violations);
    view.services(&mut violations);
    Checked { cost: view.loads() + view.balances() + view.moves(), violations }
}

struct View<'a> {
    instance: &'a Instance,
    initial: &'a [u32],
    assignment: &'a [u32],
}

impl View<'_> {
    /// What is used of a resource on each machine.
    fn use_of(&self, resource: usize) -> Vec<i128> {
        let mut used = vec![0; self.instance.machines.len()];
        for (process, machine) in self.instance.processes.iter().zip(self.assignment) {
            used[*machine as usize] += i128::from(process.requirement[resource]);
        }
        used
    }

    fn capacities(&self, violations: &mut Vec<String>) {
        for (index, resource) in self.instance.resources.iter().enumerate() {
            let mut used = self.use_of(index);
            if resource.transient {
                for (number, process) in self.instance.processes.iter().enumerate() {
                    if self.initial[number] != self.assignment[number] {
                        used[self.initial[number] as usize] += i128::from(process.requirement[index]);
                    }
                }
            }
            for (number, machine) in self.instance.machines.iter().enumerate() {
                if used[number] > i128::from(machine.capacity[index]) {
                    violations.push(format!("machine {number} is used beyond its capacity of resource {index}"));
                }
            }
        }
    }

    fn services(&self, violations: &mut Vec<String>) {
        let count = self.instance.services.len();
        let mut machines: Vec<Vec<u32>> = vec![Vec::new(); count];
        for (process, machine) in self.instance.processes.iter().zip(self.assignment) {
            machines[process.service as usize].push(*machine);
        }
        let neighbourhoods: Vec<BTreeSet<i64>> = machines
            .iter()
            .map(|machines| machines.iter().map(|m| self.instance.machines[*m as usize].neighbourhood).collect())
            .collect();
        for (number, service) in self.instance.services.iter().enumerate() {
            let distinct: BTreeSet<u32> = machines[number].iter().copied().collect();
            if distinct.len() < machines[number].len() {
                violations.push(format!("service {number} has two processes on one machine"));
            }
            let locations: BTreeSet<i64> =
                distinct.iter().map(|machine| self.instance.machines[*machine as usize].location).collect();
            if !distinct.is_empty() && locations.len() < service.spread as usize {
                violations.push(format!("service {number} is in too few locations"));
            }
            for needed in &service.needs {
                if !neighbourhoods[number].is_subset(&neighbourhoods[*needed as usize]) {
                    violations.push(format!("service {number} is in a neighbourhood without service {needed}"));
                }
            }
        }
    }

    fn loads(&self) -> i128 {
        let mut cost = 0;
        for (index, resource) in self.instance.resources.iter().enumerate() {
            for (used, machine) in self.use_of(index).iter().zip(&self.instance.machines) {
                cost += i128::from(resource.load_weight) * (used - i128::from(machine.safety[index])).max(0);
            }
        }
        cost
    }

    fn balances(&self) -> i128 {
        let mut cost = 0;
        for balance in &self.instance.balances {
            let (first, second) = (self.use_of(balance.first as usize), self.use_of(balance.second as usize));
            for (number, machine) in self.instance.machines.iter().enumerate() {
                let free_first = i128::from(machine.capacity[balance.first as usize]) - first[number];
                let free_second = i128::from(machine.capacity[balance.second as usize]) - second[number];
                let missing = (i128::from(balance.target) * free_first - free_second).max(0);
                cost += i128::from(balance.weight) * missing;
            }
        }
        cost
    }

    fn moves(&self) -> i128 {
        let (mut processes, mut machines) = (0, 0);
        let mut services: BTreeMap<u32, i128> = BTreeMap::new();
        for (number, process) in self.instance.processes.iter().enumerate() {
            let (from, to) = (self.initial[number], self.assignment[number]);
            if from != to {
                processes += i128::from(process.move_cost);
                *services.entry(process.service).or_default() += 1;
                machines += i128::from(self.instance.machines[from as usize].move_cost[to as usize]);
            }
        }
        i128::from(self.instance.process_move_weight) * processes
            + i128::from(self.instance.service_move_weight) * services.into_values().max().unwrap_or(0)
            + i128::from(self.instance.machine_move_weight) * machines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two machines with two resources, the second transient; service 1 needs service 0.
    const MODEL: &str = "2 0 10 1 2 2 0 0 10 10 4 9 0 3 1 1 10 10 8 9 5 0 2 2 0 0 1 0 3 0 3 6 1 0 2 2 1 1 4 4 7 \
                         1 0 1 2 5 1 10 100";

    fn checked(assignment: &[u32]) -> Checked {
        check(&Instance::parse(MODEL).unwrap(), &[0, 1, 0], assignment)
    }

    #[test]
    fn costs_as_the_challenge_has_it() {
        // Loads 10 × (7 − 4) and 2 × (10 − 9); balances 5 × (2 × 3 − 0) and 5 × (2 × 8 − 8).
        assert_eq!(checked(&[0, 1, 0]).cost, 30 + 2 + 30 + 40);
        // Service 1 has moved: balances 5 × (2 × 7 − 4) and 5 × (2 × 4 − 4); moves 1 × 7, 10 × 1, 100 × 3.
        assert_eq!(checked(&[0, 1, 1]).cost, 50 + 20 + 7 + 10 + 300);
    }

    #[test]
    fn finds_what_is_broken() {
        assert_eq!(checked(&[0, 1, 0]).violations, Vec::<String>::new());
        let text = checked(&[1, 1, 0]).violations.join("; ");
        assert_eq!(
            text,
            "service 0 has two processes on one machine; service 0 is in too few locations; \
             service 1 is in a neighbourhood without service 0"
        );
        // The transient resource of machine 0 is still held for the process that left it.
        let text = checked(&[1, 0, 0]).violations.join("; ");
        assert_eq!(text, "machine 0 is used beyond its capacity of resource 1");
    }
}
