use std::sync::Arc;

use icefield_spec::Name;

use super::keep_from::KeepFrom;
use super::keep_with::KeepWith;
use super::max_skew::MaxSkew;
use super::min_domains::MinDomains;
use super::spread_max::SpreadMax;
use crate::Demand;
use crate::engine::{LabelId, ServiceId, Side, State};

/// What all replicas of a service have in common, of whatever revision.
///
/// A limit that one of its demands sets counts the replicas of the others too, so it must hold for them as well: else
/// whether it is kept would depend on who came first.
#[derive(Default)]
pub(crate) struct ServiceRules {
    spreads: [Spreads; 2],
    pub(super) is_accompanied: bool,
    pub(super) near: Vec<KeepWith>,
    pub(super) apart: Vec<KeepFrom>,
    pub(super) one_per_node: bool,
    named: Vec<ServiceId>,
}

/// The limits of how a service's own replicas are spread, or those beside them.
#[derive(Default)]
pub(super) struct Spreads {
    pub(super) limits: Vec<SpreadMax>,
    pub(super) skews: Vec<MaxSkew>,
    pub(super) domains: Vec<MinDomains>,
}

impl Spreads {
    fn add(&mut self, state: &mut State, service: ServiceId, side: Side, demand: &Demand) {
        for spread in &demand.rules.spread {
            if spread.max.is_none() && spread.max_skew.is_none() && spread.min_domains.is_none() {
                continue;
            }
            let label = state.world.columns.intern(&spread.label, &state.world.nodes);
            let slot = state.count_by(service, side, label);
            if let Some(max) = spread.max {
                match self.limits.iter_mut().find(|limit| limit.is_about(label)) {
                    Some(limit) => limit.lower(max),
                    None => self.limits.push(SpreadMax::new(service, label, slot, max)),
                }
            }
            if let Some(skew) = spread.max_skew {
                match self.skews.iter_mut().find(|known| known.is_about(label)) {
                    Some(known) => known.lower(skew),
                    None => self.skews.push(MaxSkew::new(service, side, label, slot, skew, &demand.rules)),
                }
            }
            if let Some(least) = spread.min_domains {
                match self.domains.iter_mut().find(|known| known.is_about(label)) {
                    Some(known) => known.raise(least),
                    None => self.domains.push(MinDomains::new(service, side, label, slot, least)),
                }
            }
        }
    }
}

impl ServiceRules {
    pub(crate) fn new(state: &mut State, service: ServiceId, demands: &[Arc<Demand>]) -> Self {
        let is_accompanied = demands.iter().any(|demand| demand.beside && !demand.indexes.is_empty());
        let mut rules = Self { is_accompanied, ..Self::default() };
        for demand in demands.iter().filter(|demand| !demand.indexes.is_empty()) {
            rules.one_per_node |= demand.one_per_node;
            let side = Side::of(demand, is_accompanied);
            rules.spreads[usize::from(demand.beside)].add(state, service, side, demand);
            for other in &demand.rules.keep_with {
                let (id, label, slot) = rules.company(state, &other.service, &other.label);
                let rule = KeepWith::new(service, id, label, slot);
                if !rules.near.contains(&rule) {
                    rules.near.push(rule);
                }
            }
            for other in &demand.rules.keep_from {
                let (id, label, slot) = rules.company(state, &other.service, &other.label);
                rules.keep_apart(KeepFrom::new(service, id, label, slot, false));
            }
        }
        rules.apart_from_followers(state, service);
        rules
    }

    /// The limits that a demand's replicas are under.
    pub(super) fn spreads(&self, demand: &Demand) -> &Spreads {
        &self.spreads[usize::from(demand.beside)]
    }

    fn company(&mut self, state: &mut State, other: &Name, label: &str) -> (ServiceId, LabelId, usize) {
        let id = state.world.intern_service(other);
        let label = state.world.columns.intern(label, &state.world.nodes);
        let slot = state.count_by(id, Side::All, label);
        if !self.named.contains(&id) {
            self.named.push(id);
        }
        (id, label, slot)
    }

    /// Those that must be apart from `service` by a rule of theirs.
    fn apart_from_followers(&mut self, state: &mut State, service: ServiceId) {
        let name = state.world.service(service).name.clone();
        let mut followers = state.world.service(service).followers.clone();
        // In the order of names, so that it does not matter who was known first.
        followers.sort_by(|a, b| state.world.service(*a).name.cmp(&state.world.service(*b).name));
        for follower in followers {
            if follower == service {
                continue;
            }
            for demand in state.world.service(follower).demands.clone() {
                if demand.indexes.is_empty() {
                    continue;
                }
                for other in demand.rules.keep_from.iter().filter(|other| other.service == name) {
                    let label = state.world.columns.intern(&other.label, &state.world.nodes);
                    let slot = state.count_by(follower, Side::All, label);
                    self.keep_apart(KeepFrom::new(service, follower, label, slot, true));
                }
            }
        }
    }

    fn keep_apart(&mut self, rule: KeepFrom) {
        if !self.apart.iter().any(|known| known.is_like(&rule)) {
            self.apart.push(rule);
        }
    }

    /// The services that its own rules speak of.
    pub(crate) fn named(&self) -> &[ServiceId] {
        &self.named
    }

    /// The services that must be apart from it, by a rule of either.
    pub(crate) fn strangers(&self) -> Vec<ServiceId> {
        self.apart.iter().map(|rule| rule.other()).collect()
    }
}
