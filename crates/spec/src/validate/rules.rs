use std::collections::BTreeSet;

use super::Check;
use super::wording::unknown_help;
use crate::{Rules, Service, Spread};

impl Check<'_> {
    pub(super) fn rules(&mut self, path: &str, service: &Service) {
        let Rules { require, prefer, tolerate, move_cost, .. } = &service.rules;
        for (label, condition) in require {
            // What a node without the label fulfils is no slip: the label may have gone with the last node that had it.
            if !condition.admits(None) {
                self.label(path, "require", label);
            }
            self.condition(path, label, condition);
        }
        for rule in prefer {
            self.label(path, "prefer", &rule.label);
            if !(-100..=100).contains(&rule.weight) {
                self.report(format!("{path}.prefer"), format!("weight {} is not within -100 to 100", rule.weight));
            }
        }
        self.spreads(path, service);
        for taint in tolerate {
            if self.declared.any && !self.declared.taints.contains(taint.as_str()) {
                let help = unknown_help(taint, "taints", self.declared.taints.iter().copied());
                self.report(format!("{path}.tolerate"), format!("no node has the taint {taint:?}")).help = Some(help);
            }
        }
        if let Some(cost) = move_cost.filter(|cost| *cost > Rules::MAX_MOVE_COST) {
            let message = format!("move_cost {cost} is too high; at most {} may be", Rules::MAX_MOVE_COST);
            self.report(format!("{path}.move_cost"), message);
        }
    }

    /// Reports a `label` that no node has.
    pub(super) fn label(&mut self, path: &str, rule: &str, label: &str) {
        if self.declared.any && !self.declared.labels.contains(label) {
            let help = unknown_help(label, "labels", self.declared.labels.iter().copied());
            self.report(format!("{path}.{rule}"), format!("no node has the label {label:?}")).help = Some(help);
        }
    }

    fn spreads(&mut self, path: &str, service: &Service) {
        let at = format!("{path}.spread");
        let mut seen = BTreeSet::new();
        for (number, rule) in service.rules.spread.iter().enumerate() {
            let this = format!("{at}.{number}");
            self.label(path, "spread", &rule.label);
            if !seen.insert(&rule.label) {
                self.report(&at, format!("{:?} is spread over twice", rule.label));
            }
            if rule.max == Some(0) {
                self.report(&at, format!("at most 0 replicas for each {:?} leaves none at all", rule.label));
            }
            if rule.max_skew == Some(0) {
                self.report(&this, "max_skew is 0, so not even a first replica could be placed");
            }
            if rule.min_domains == Some(0) {
                self.report(&this, "min_domains is 0, which asks for nothing");
            }
            let replicas = service.replicas;
            if !service.daemon && replicas > 0 && rule.min_domains.is_some_and(|least| least > replicas) {
                let least = rule.min_domains.unwrap_or_default();
                let message = format!("min_domains is {least}, but {replicas} replicas cannot be in so many");
                self.report(&this, message).help = Some(format!("at least {least} replicas are needed for that"));
            }
            if let Some(weight) = rule.weight.filter(|weight| *weight > Spread::MAX_WEIGHT) {
                self.report(&this, format!("weight {weight} is too high; at most {} may be", Spread::MAX_WEIGHT));
            }
        }
    }
}
