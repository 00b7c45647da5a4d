use std::collections::HashSet;

use icefield_spec::Port;

use super::Found;
use super::standing::Standing;

/// Each replica has the ports that it asks for, by the right names and of the right kind, and no other has them.
pub(super) fn check(standing: &Standing<'_>, found: &mut Found) {
    let mut taken: HashSet<(usize, u16)> = HashSet::new();
    for replica in &standing.replicas {
        let (host, at) = (standing.hosts[replica.host], replica.at);
        let mut report =
            |what: String| found.report(|| format!("{}/{} on {}: {what}", replica.service, replica.index, at.node));
        if at.ports.keys().ne(replica.demand.ports.keys()) {
            report("has other ports than it asks for".into());
        }
        for (name, number) in &at.ports {
            let right = match replica.demand.ports.get(name) {
                Some(Port::Fixed(fixed)) => fixed == number,
                Some(Port::Dynamic) => host.ports.contains(*number),
                None => true,
            };
            if !right {
                report(format!("port {name} is {number}"));
            }
            if !taken.insert((replica.host, *number)) {
                report(format!("port {number} is another's too"));
            }
        }
    }
}
