use icefield_spec::DOMAIN;

use crate::zone::{Replica, Service, Zone};

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'a> {
    /// A name that is not below [`DOMAIN`].
    Outside,
    /// [`DOMAIN`] itself.
    Apex,
    /// A name that is there, but only because others are below it.
    Between,
    /// A service.
    Service(&'a Service),
    /// A replica that serves.
    Replica(&'a Replica),
    /// A port of a service, by its name.
    Port(&'a Service, &'a str),
    /// Nothing has this name.
    Nothing,
}

impl Found<'_> {
    /// Whether it can be said where it is: of nodes that are known by a name alone, only once that was looked up.
    pub(crate) fn is_known(&self) -> bool {
        match self {
            Self::Service(service) | Self::Port(service, _) => !service.is_unknown(),
            Self::Replica(replica) => !replica.addresses.is_empty(),
            Self::Outside | Self::Apex | Self::Between | Self::Nothing => true,
        }
    }
}

impl Zone {
    /// Whether a name with these labels is of the clusters' domain.
    pub(crate) fn covers(labels: &[&str]) -> bool {
        labels.last() == Some(&DOMAIN)
    }

    /// What a name with these labels (in lower case, the root left out) stands for.
    pub(crate) fn look_up<'a>(&'a self, labels: &[&'a str]) -> Found<'a> {
        let Some((&DOMAIN, inner)) = labels.split_last() else { return Found::Outside };
        let Some((last, before)) = inner.split_last() else { return Found::Apex };
        let is_own = self.cluster.as_ref().is_some_and(|cluster| cluster == last);
        // `web.shop.icefield`, and `web.icefield` as a short form for the own cluster. Where a service is called like the
        // cluster or like a number, the long form counts first.
        if is_own
            && let Some((service, before)) = before.split_last()
            && let Some(service) = self.service(service)
        {
            return of_service(service, before);
        }
        match self.service(last) {
            Some(service) => of_service(service, before),
            None if is_own && before.is_empty() => Found::Between,
            None => Found::Nothing,
        }
    }
}

/// What the labels before a service's name stand for.
fn of_service<'a>(service: &'a Service, before: &[&'a str]) -> Found<'a> {
    match before {
        [] => Found::Service(service),
        ["_tcp" | "_udp"] => Found::Between,
        [port, "_tcp" | "_udp"] => match port.strip_prefix('_') {
            Some(port) if service.has_port(port) => Found::Port(service, port),
            _ => Found::Nothing,
        },
        [index] => match index.parse::<u32>() {
            // `03` is no other name of replica 3.
            Ok(number) if number.to_string() == *index => {
                service.replica(number).map_or(Found::Nothing, Found::Replica)
            }
            _ => Found::Nothing,
        },
        _ => Found::Nothing,
    }
}
