use std::collections::BTreeSet;

use super::Check;
use crate::{Amount, Balance, Bytes, Policy};

impl Check<'_> {
    pub(super) fn policy(&mut self, policy: &Policy) {
        for resource in &policy.transient {
            self.resource("policy.transient", resource);
        }
        let mut seen = BTreeSet::new();
        for (at, balance) in policy.balance.iter().enumerate() {
            let path = format!("policy.balance.{at}");
            if !seen.insert((&balance.resource, &balance.with)) {
                let message = format!("{:?} is balanced with {:?} twice", balance.resource, balance.with);
                self.report(&path, message);
            }
            self.balance(&path, balance);
        }
        let mut seen = BTreeSet::new();
        for soft in &policy.soft_reserve {
            self.resource("policy.soft_reserve", &soft.resource);
            if !seen.insert(&soft.resource) {
                self.report("policy.soft_reserve", format!("{:?} is there twice", soft.resource));
            }
            self.policy_weight(&format!("policy.soft_reserve.{}", soft.resource), soft.weight);
        }
    }

    fn balance(&mut self, path: &str, balance: &Balance) {
        self.resource(path, &balance.resource);
        self.resource(path, &balance.with);
        if balance.resource == balance.with {
            self.report(path, format!("{:?} cannot be balanced with itself", balance.resource));
        }
        let kind = match balance.with.as_str() {
            "cpu" => Some(Amount::Count(1)),
            "memory" => Some(Amount::Bytes(Bytes::new(1))),
            other => self.declared.resources.get(other).copied(),
        };
        if balance.amount.get() == 0 {
            self.report(path, "amount is 0, so nothing would have to be free");
        } else if balance.amount.get() > Amount::MAX {
            self.report(path, format!("amount {} is too large", balance.amount));
        } else if kind.is_some_and(|kind| !kind.is_like(balance.amount)) {
            let (amount, with) = (balance.amount, &balance.with);
            let (is, help) = match amount {
                Amount::Count(_) => ("bytes", "give bytes, like \"2GiB\""),
                Amount::Bytes(_) => ("a plain number", "give a plain number"),
            };
            self.report(path, format!("amount {amount} is no amount of {with}, which is {is}")).help =
                Some(help.into());
        }
        self.policy_weight(path, balance.weight);
    }

    fn policy_weight(&mut self, path: &str, weight: u32) {
        if weight > Policy::MAX_WEIGHT {
            self.report(path, format!("weight {weight} is too high; at most {} may be", Policy::MAX_WEIGHT));
        }
    }
}
