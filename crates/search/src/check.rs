mod sums;
#[cfg(test)]
mod tests;

use crate::{Kind, NO_DOMAIN, Problem, Refusal, Service};

type Checked = Result<(), Refusal>;

impl Problem {
    /// Whether the problem can be worked on: every list has its length, every index points at something, nothing is
    /// less than zero that must not be, and no sum can exceed 64 bits.
    ///
    /// # Errors
    /// It says what is wrong, and where.
    pub fn check(&self) -> Result<(), Refusal> {
        self.check_nodes()?;
        for (index, balance) in self.balances.iter().enumerate() {
            let place = || format!("balance {index}");
            below(balance.of, self.resources.len(), "resource", place)?;
            below(balance.against, self.resources.len(), "resource", place)?;
            not_negative(balance.target, "target", place)?;
            not_negative(balance.weight, "weight", place)?;
        }
        for (index, label) in self.labels.iter().enumerate() {
            let place = || format!("label {index}");
            length(label.domain_of.len(), self.nodes.len(), "domains of nodes", place)?;
            let domains = label.domain_of.iter().filter(|domain| **domain != NO_DOMAIN);
            for domain in domains {
                below(*domain, label.domains as usize, "domain", place)?;
            }
        }
        self.kinds.iter().enumerate().try_for_each(|(index, kind)| self.check_kind(index, kind))?;
        self.services.iter().enumerate().try_for_each(|(index, service)| self.check_service(index, service))?;
        for (index, replica) in self.replicas.iter().enumerate() {
            let place = || format!("replica {index}");
            below(replica.kind, self.kinds.len(), "kind", place)?;
            replica.start.map_or(Ok(()), |start| below(start, self.nodes.len(), "node", place))?;
        }
        if u32::try_from(self.replicas.len()).is_err() {
            return refuse("there are more replicas than 32 bits can count".into());
        }
        self.check_sums()
    }

    /// Whether a layout says for every replica of the problem which of its nodes it is on.
    pub(crate) fn check_layout(&self, layout: &[Option<u32>]) -> Checked {
        let place = || "the layout".to_owned();
        length(layout.len(), self.replicas.len(), "places", place)?;
        layout.iter().flatten().try_for_each(|node| below(*node, self.nodes.len(), "node", place))
    }

    fn check_nodes(&self) -> Checked {
        for (index, resource) in self.resources.iter().enumerate() {
            not_negative(resource.load_weight, "load weight", || format!("resource {index}"))?;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let place = || format!("node {index}");
            length(node.capacity.len(), self.resources.len(), "capacities", place)?;
            length(node.comfort.len(), self.resources.len(), "comforts", place)?;
            node.capacity.iter().try_for_each(|capacity| not_negative(*capacity, "capacity", place))?;
            node.comfort.iter().try_for_each(|comfort| not_negative(*comfort, "comfort", place))?;
            if !(0..=1_000_000).contains(&node.size) {
                return refuse(format!("{} has size {}; it must be from 0 to 1000000", place(), node.size));
            }
        }
        let moves = || "the cost of moves".to_owned();
        for weight in [self.moves.replica, self.moves.service, self.moves.node] {
            not_negative(weight, "weight", moves)?;
        }
        if let Some(distance) = &self.moves.distance {
            length(distance.len(), self.nodes.len() * self.nodes.len(), "distances", moves)?;
            distance.iter().try_for_each(|distance| not_negative(*distance, "distance", moves))?;
        }
        Ok(())
    }

    fn check_kind(&self, index: usize, kind: &Kind) -> Checked {
        let place = || format!("kind {index}");
        below(kind.service, self.services.len(), "service", place)?;
        length(kind.need.len(), self.resources.len(), "needs", place)?;
        kind.need.iter().try_for_each(|need| not_negative(*need, "need", place))?;
        not_negative(kind.importance, "importance", place)?;
        not_negative(kind.move_cost, "move cost", place)?;
        if !(-1..=1).contains(&kind.fill) {
            return refuse(format!("{} has fill {}; it must be -1, 0 or 1", place(), kind.fill));
        }
        for gain in &kind.gains {
            below(gain.label, self.labels.len(), "label", place)?;
        }
        if let Some(greatest) = kind.allowed.as_ref().and_then(crate::BitSet::greatest) {
            below(greatest, self.nodes.len(), "node", place)?;
        }
        let mut keys = kind.exclusive.to_vec();
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => refuse(format!("{} wants exclusive {} twice; name it once", place(), pair[0])),
            None => Ok(()),
        }
    }

    fn check_service(&self, index: usize, service: &Service) -> Checked {
        let place = || format!("service {index}");
        let limits = service.limits.iter().map(|limit| limit.label);
        let labels = limits
            .chain(service.min_domains.iter().map(|least| least.label))
            .chain(service.max_skew.iter().map(|skew| skew.label))
            .chain(service.even.iter().map(|even| even.label))
            .chain(service.near.iter().chain(&service.apart).map(|link| link.label));
        for label in labels {
            below(label, self.labels.len(), "label", place)?;
        }
        for skew in &service.max_skew {
            let domains = self.labels[skew.label as usize].domains as usize;
            skew.domains.iter().try_for_each(|domain| below(*domain, domains, "domain", place))?;
            let mut eligible = skew.domains.to_vec();
            eligible.sort_unstable();
            if let Some(pair) = eligible.windows(2).find(|pair| pair[0] == pair[1]) {
                return refuse(format!("{} has domain {} twice in a skew; name it once", place(), pair[0]));
            }
        }
        service.even.iter().try_for_each(|even| not_negative(even.step, "step", place))?;
        for link in service.near.iter().chain(&service.apart) {
            below(link.service, self.services.len(), "service", place)?;
        }
        Ok(())
    }
}

fn refuse(reason: String) -> Checked {
    Err(Refusal::new(reason))
}

fn below(index: u32, bound: usize, what: &str, place: impl Fn() -> String) -> Checked {
    if (index as usize) < bound {
        return Ok(());
    }
    refuse(format!("{} names {what} {index}, but there are only {bound} (counted from 0)", place()))
}

fn length(found: usize, wanted: usize, what: &str, place: impl Fn() -> String) -> Checked {
    if found == wanted { Ok(()) } else { refuse(format!("{} has {found} {what}; it must have {wanted}", place())) }
}

fn not_negative(number: i64, what: &str, place: impl Fn() -> String) -> Checked {
    if number >= 0 { Ok(()) } else { refuse(format!("{} has {what} {number}; it must not be less than 0", place())) }
}
