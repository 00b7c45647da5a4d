//! A fleet as one might find it: services of many sizes and rules, on nodes of three sizes in three zones and forty racks.

use std::collections::BTreeMap;

use icefield_spec::{Bytes, Condition, Cpu, Layout, Port, Prefer, Quota, Reserve, Service, Spread};

use super::fleet::{Fleet, host, name, service, zone};
use super::sizes::Sizes;
use crate::random::Random;

/// The share of the nodes' CPU that all replicas need together, in hundredths; of memory it is less.
const CPU_USED: u64 = 75;
const MEMORY_USED: u64 = 65;
/// How much larger nodes are than the smallest; in turn.
const NODE_SIZES: [u64; 3] = [1, 2, 4];
const RACKS: u32 = 40;
const NAMESPACES: u32 = 10;

/// The fleet; the nodes are as large as the services need.
pub(super) fn fleet(sizes: &Sizes) -> Fleet {
    let mut random = Random::new(sizes.seed);
    let mut fleet = Fleet::default();
    for (number, replicas) in (0..).zip(sizes.split_apart()) {
        let cpu = *random.one_of(&[20, 50, 100, 100, 200, 400]);
        let memory = *random.one_of(&[32, 64, 128, 256, 512]) << 20;
        let mut service = service(number, replicas, cpu, memory);
        rules(number, &mut service, &mut random);
        fleet.add_service(name("service", number), &service);
    }
    quotas(&mut fleet);
    nodes(&mut fleet, sizes.nodes);
    fleet
}

/// Half of the services are spread over zones and nodes; the others have other rules, or none.
fn rules(number: u32, service: &mut Service, random: &mut Random) {
    let port = |kind| BTreeMap::from([(name("port", 0), kind)]);
    service.namespace = Some(name("team", number % NAMESPACES));
    if number.is_multiple_of(2) {
        service.rules.spread = vec![Spread::over("zone"), Spread::over("node")];
    }
    match number % 20 {
        3 => service.unit.ports = port(Port::Fixed(1024 + (number / 20 % 8_000) as u16)),
        5 | 12 => drop(service.rules.require.insert("disk".into(), Condition::one_of(["ssd"]))),
        7 | 14 => {
            let value = zone(random.below(3) as u32);
            service.rules.prefer = vec![Prefer { label: "zone".into(), value, weight: 50 }];
        }
        9 => {
            let max = (service.replicas / RACKS).saturating_mul(2).max(8);
            service.rules.spread = vec![Spread { max: Some(max), ..Spread::over("rack") }];
        }
        1 | 8 | 11 | 18 => service.unit.ports = port(Port::Dynamic),
        17 => service.rules.layout = Layout::Packed,
        _ => {}
    }
}

/// A fifth more than each namespace's services need.
fn quotas(fleet: &mut Fleet) {
    for demand in fleet.services.values().flatten() {
        let Some(namespace) = demand.namespace.clone() else { continue };
        let quota = fleet.quotas.entry(namespace).or_default();
        let replicas = demand.indexes.len() as u64;
        let more = |sum: u64, each: u64| sum + replicas * each * 6 / 5;
        let cpu = more(quota.cpu.unwrap_or_default().millis(), demand.cpu.millis());
        let memory = more(quota.memory.unwrap_or_default().get(), demand.memory.get());
        *quota = Quota { cpu: Some(Cpu::from_millis(cpu)), memory: Some(Bytes::new(memory)), ..Quota::default() };
    }
}

/// Nodes that the services fill to the shares above, beside what the nodes keep in reserve.
fn nodes(fleet: &mut Fleet, count: u32) {
    let demands = || fleet.services.values().flatten();
    let need = |of: fn(&icefield_placement::Demand) -> u64| {
        demands().map(|demand| demand.indexes.len() as u64 * of(demand)).sum::<u64>()
    };
    let (cpu, memory) = (need(|demand| demand.cpu.millis()), need(|demand| demand.memory.get()));
    let size = |number: u32| NODE_SIZES[number as usize / 3 % 3];
    let parts: u64 = (0..count).map(size).sum();
    // However few replicas there are, the largest one fits on the smallest node.
    let cpu = (cpu * 100 / CPU_USED / parts).max(1_000);
    let memory = (memory * 100 / MEMORY_USED / parts).max(1 << 30);
    let reserve = Reserve { cpu: Cpu::from_millis(500), memory: Bytes::new(512 << 20), ..Reserve::default() };
    for number in 0..count {
        let own = |part: u64, reserve: u64| part * size(number) + reserve;
        let mut host = host(number, own(cpu, reserve.cpu.millis()), own(memory, reserve.memory.get()));
        host.reserve = reserve.clone();
        let rack = number % RACKS;
        host.labels.extend([("rack".into(), format!("rack-{rack}")), ("zone".into(), zone(rack))]);
        let disk = if (number / 9).is_multiple_of(2) { "ssd" } else { "hdd" };
        host.labels.insert("disk".into(), disk.into());
        fleet.add_host(host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fleet_has_room_for_all() {
        let fleet = fleet(&Sizes { nodes: 90, replicas: 2_000, services: None, seed: 1 });
        assert_eq!((fleet.hosts.len(), fleet.wanted()), (90, 2_000));
        let demands = fleet.services.values().flatten();
        let used: u64 = demands.map(|demand| demand.indexes.len() as u64 * demand.cpu.millis()).sum();
        let has: u64 = fleet.hosts.values().map(|host| host.cpu.millis() - host.reserve.cpu.millis()).sum();
        assert!((70..80).contains(&(used * 100 / has)), "{used} of {has}");
    }
}
