use icefield_placement::{Balance, Objective, Weight};
use icefield_spec::{Amount, Machine, Spec};

/// Billionths of a point in one.
const POINT: u128 = 1_000_000_000;

/// What the spec's policy says of a whole placement, in the engine's measures.
///
/// People count in cores, GiB and pieces, the engine in thousandths of a core, bytes and pieces.
pub(crate) fn objective(spec: &Spec) -> Objective {
    let policy = &spec.policy;
    let balance = policy.balance.iter().filter_map(|rule| {
        let (target, ratio) = (rule.amount.get(), unit(spec, &rule.resource));
        let weight = weight(rule.weight, u128::from(target) * u128::from(ratio))?;
        Some(Balance { resource: rule.resource.clone(), with: rule.with.clone(), target, ratio, weight })
    });
    let soft_reserve = policy.soft_reserve.iter().filter_map(|rule| {
        let weight = weight(rule.weight, u128::from(unit(spec, &rule.resource)))?;
        Some((rule.resource.clone(), weight))
    });
    Objective {
        transient: policy.transient.clone(),
        soft_reserve: soft_reserve.collect(),
        balance: balance.collect(),
        ..Objective::default()
    }
}

/// How many of the engine's pieces people count as one of `resource`.
fn unit(spec: &Spec, resource: &str) -> u64 {
    const GIB: u64 = 1 << 30;
    match resource {
        "cpu" => 1_000,
        "memory" => GIB,
        _ => {
            let in_bytes = |machine: &Machine| matches!(machine.resources.get(resource), Some(Amount::Bytes(_)));
            if machines(spec).any(in_bytes) { GIB } else { 1 }
        }
    }
}

/// Every machine that is declared, that of a pool once.
pub(super) fn machines(spec: &Spec) -> impl Iterator<Item = &Machine> {
    let nodes = spec.nodes.values().map(|node| &node.machine);
    nodes.chain(spec.pools.values().map(|pool| &pool.machine))
}

/// The cost of one piece, of which `pieces` cost so many points together; `None` if that is nothing.
fn weight(points: u32, pieces: u128) -> Option<Weight> {
    /// Fine enough for single bytes.
    const SHIFT: u32 = 40;
    if points == 0 || pieces == 0 {
        return None;
    }
    let cost = u128::from(points) * POINT;
    let factor = |shift: u32| ((cost << shift) + pieces / 2) / pieces;
    // Where a piece costs much, it need not be counted so finely.
    let shifts = (0..=SHIFT).rev();
    let mut fitting = shifts.filter_map(|shift| Some((u64::try_from(factor(shift)).ok()?, shift)));
    let (factor, shift) = fitting.next().unwrap_or((u64::MAX, 0));
    Some(Weight { factor: factor.max(1), shift })
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Bytes, Cpu, Name, Node, SoftReserve};

    use super::*;

    fn declared() -> Spec {
        let mut spec = Spec::empty(Name::new("c").unwrap());
        let mut machine = Machine::new(Cpu::from_millis(4_000), Bytes::new(8 << 30));
        machine.resources.insert("disk".into(), Amount::Bytes(Bytes::new(1 << 40)));
        machine.resources.insert("gpu".into(), Amount::Count(4));
        spec.nodes.insert(Name::new("n1").unwrap(), Node { address: None, machine });
        spec
    }

    /// What `pieces` cost, in points.
    fn points(weight: Weight, pieces: u64) -> f64 {
        weight.factor as f64 * pieces as f64 / (1_u64 << weight.shift) as f64 / POINT as f64
    }

    #[test]
    fn a_weight_is_what_one_unit_costs() {
        let mut spec = declared();
        for (resource, weight) in [("cpu", 3), ("memory", 7), ("disk", 1), ("gpu", 10_000), ("none", 0)] {
            spec.policy.soft_reserve.push(SoftReserve { resource: resource.into(), weight });
        }
        let reserve = objective(&spec).soft_reserve;
        for (resource, pieces, expected) in
            [("cpu", 1_000, 3.0), ("memory", 1 << 30, 7.0), ("disk", 1 << 30, 1.0), ("gpu", 1, 10_000.0)]
        {
            let cost = points(reserve[resource], pieces);
            assert!((cost - expected).abs() < 1e-4, "{resource}: {cost}");
        }
        assert!(!reserve.contains_key("none"));
    }

    #[test]
    fn what_is_free_alone_costs_its_weight_for_each_unit() {
        let mut spec = declared();
        for (resource, with, amount, weight) in [
            ("cpu", "memory", Amount::Bytes(Bytes::new(4 << 30)), 5),
            ("memory", "cpu", Amount::Count(250), 2),
            ("gpu", "memory", Amount::Bytes(Bytes::new(16 << 30)), 10_000),
            ("gpu", "slots", Amount::Count(1), 10_000),
            ("gpu", "cpu", Amount::Count(0), 5),
        ] {
            let (resource, with) = (resource.into(), with.into());
            spec.policy.balance.push(icefield_spec::Balance { resource, with, amount, weight });
        }
        let balance = objective(&spec).balance;
        assert_eq!(balance.len(), 4, "nothing is needed with the last");
        for (rule, (unit, expected)) in balance.iter().zip([(1_000, 5.0), (1 << 30, 2.0), (1, 10_000.0), (1, 10_000.0)])
        {
            assert_eq!(rule.ratio, unit);
            let cost = points(rule.weight, rule.target) * unit as f64;
            assert!((cost - expected).abs() < expected * 1e-3, "{rule:?} {cost}");
        }
    }
}
