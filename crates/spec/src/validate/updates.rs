use super::Check;
use crate::{Port, Service, Share, Strategy, Update};

impl Check<'_> {
    pub(super) fn update(&mut self, path: &str, service: &Service) {
        let update = &service.update;
        let at = format!("{path}.update");
        let is_blue_green = matches!(update.kind, Strategy::BlueGreen { .. });
        if !is_blue_green && update.max_unavailable == 0 && update.max_surge == 0 {
            let message = "max_unavailable and max_surge are both 0, so nothing could ever be updated";
            let help = "max_unavailable takes old replicas down first, max_surge starts new ones first";
            self.report(&at, message).help = Some(help.into());
        }
        self.proving(&at, update);
        if update.needs_more() {
            self.more_replicas(&at, service);
        }
    }

    /// How what is new proves itself.
    pub(super) fn proving(&mut self, at: &str, update: &Update) {
        if update.healthy_for >= update.deadline {
            let message =
                format!("healthy_for ({}) must be shorter than deadline ({})", update.healthy_for, update.deadline);
            self.report(at, message);
        }
        if let Strategy::Canary { share, .. } = update.kind {
            match share {
                Share::Count(0) | Share::Percent(0) => {
                    self.report(at, "a canary of none would try nothing");
                }
                Share::Percent(percent @ 101..) => {
                    self.report(at, format!("percent is {percent}; there are no more than 100"));
                }
                Share::Count(_) | Share::Percent(_) => {}
            }
        }
    }

    /// What keeps a service from having more replicas than it declares for a while.
    fn more_replicas(&mut self, at: &str, service: &Service) {
        let update = &service.update;
        let (what, instead) = match update.kind {
            Strategy::BlueGreen { .. } => ("blue/green", "use rolling() or canary()"),
            Strategy::Rolling | Strategy::Canary { .. } if update.max_unavailable == 0 => {
                ("max_surge", "leave it out, and let max_unavailable be 1")
            }
            Strategy::Rolling | Strategy::Canary { .. } => ("max_surge", "leave out max_surge"),
        };
        let reason = if service.daemon {
            Some("a daemon runs once on every node that fits, so no node is left for another one".to_owned())
        } else if !service.unit.volumes.is_empty() {
            Some("a replica's volumes are its own, so one that is started beside it would find them empty".to_owned())
        } else if service.unit.singleton {
            Some("a singleton must have ended before another one takes its place".to_owned())
        } else {
            self.too_few_nodes(service)
        };
        if let Some(reason) = reason {
            self.report(at, format!("{what} starts new replicas beside the old ones: {reason}")).help =
                Some(instead.into());
        }
    }

    /// That there are not enough nodes for as many replicas as the update cannot do without, if a node holds but one.
    fn too_few_nodes(&self, service: &Service) -> Option<String> {
        let update = &service.update;
        let one_per_node = match service.unit.ports.iter().find(|(_, port)| matches!(port, Port::Fixed(_))) {
            Some((name, _)) => format!("with its fixed port {:?}, ", name.as_str()),
            None if service.unit.run.is_node_wide() => "as a part of the node's system, ".to_owned(),
            None => return None,
        };
        if service.replicas == 0 || !update.depends_on_more() {
            return None;
        }
        let more = if matches!(update.kind, Strategy::BlueGreen { .. }) { service.replicas } else { 1 };
        let needed = u64::from(service.replicas) + u64::from(more);
        let nodes = self.spec.node_count();
        (needed > nodes).then(|| {
            format!(
                "{one_per_node}a node holds one at most, so {} and {more} more need {needed} nodes, and {nodes} are declared",
                service.replicas
            )
        })
    }
}
