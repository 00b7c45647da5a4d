use icefield_placement::{Acceptance, Host};

use super::standing::Standing;
use super::{Case, Found};

/// What depends on a replica and its node alone: revision, acceptance, labels, taints, ties.
pub(super) fn check(case: &Case<'_>, standing: &Standing<'_>, found: &mut Found) {
    for replica in &standing.replicas {
        let (host, demand, node) = (standing.hosts[replica.host], replica.demand, &replica.at.node);
        let mut report =
            |what: String| found.report(|| format!("{}/{} on {node}: {what}", replica.service, replica.index));
        if replica.at.revision != demand.revision {
            report(format!("is of revision {:?} instead of {:?}", replica.at.revision, demand.revision));
        }
        let refused = match host.acceptance {
            Acceptance::Ready => None,
            Acceptance::Suspect => case.cold.then_some("the node is suspect"),
            Acceptance::Cordoned => case.cold.then_some("the node is cordoned"),
            Acceptance::Emptying => case.cold.then_some("the node is draining"),
            Acceptance::Draining => Some("the node is draining"),
            Acceptance::Lost => Some("the node is lost"),
        };
        if let Some(refused) = refused {
            report(refused.to_owned());
        }
        for (label, condition) in &demand.rules.require {
            if !condition.admits(host.labels.get(label).map(String::as_str)) {
                report(format!("the node's {label} is not as required"));
            }
        }
        if let Some(taint) = untolerated(host, &demand.rules.tolerate) {
            report(format!("does not tolerate {taint}"));
        }
        if let Some(tie) = demand.ties.get(&replica.index).filter(|tie| *tie != node) {
            report(format!("is tied to {tie}"));
        }
    }
}

/// A taint of the node that is not tolerated.
pub(super) fn untolerated<'a>(host: &'a Host, tolerate: &[String]) -> Option<&'a String> {
    host.taints.iter().find(|taint| !tolerate.contains(taint))
}
