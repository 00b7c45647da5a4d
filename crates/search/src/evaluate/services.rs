use std::collections::BTreeSet;

use super::View;
use crate::{Rule, Service, Violation};

impl View<'_> {
    pub(super) fn check_services(&self, violations: &mut Vec<Violation>) {
        let mut found = Vec::new();
        for (index, service) in self.problem.services.iter().enumerate() {
            self.check_numbers(index, service, &mut found);
            self.check_near(index, service, &mut found);
        }
        self.check_apart(&mut found);
        violations.extend(found.into_iter().filter(|violation| violation.by > 0));
    }

    fn check_numbers(&self, index: usize, service: &Service, found: &mut Vec<Violation>) {
        let number = index as u32;
        for limit in &service.limits {
            let over = self.counts(index, limit.label).into_values().map(|count| (count - i64::from(limit.max)).max(0));
            let by = over.sum::<i64>() + self.outside(index, limit.label);
            found.push(Violation { rule: Rule::Limit { service: number, label: limit.label }, by });
        }
        for least in &service.min_domains {
            let (size, placed) = (self.size(index), self.domains(index, least.label).len() as i64);
            let count = i64::from(least.count);
            let required = if placed == 0 {
                0
            } else if placed == size {
                count
            } else {
                count.min(placed)
            };
            let by = required - self.distinct(index, least.label).len() as i64;
            found.push(Violation { rule: Rule::MinDomains { service: number, label: least.label }, by });
        }
        for skew in &service.max_skew {
            let counts = self.counts(index, skew.label);
            let eligible = || skew.domains.iter().map(|domain| counts.get(domain).copied().unwrap_or(0));
            let range = eligible().max().unwrap_or(0) - eligible().min().unwrap_or(0);
            let by = (range - i64::from(skew.skew)).max(0) + self.outside(index, skew.label);
            found.push(Violation { rule: Rule::Skew { service: number, label: skew.label }, by });
        }
    }

    fn check_near(&self, index: usize, service: &Service, found: &mut Vec<Violation>) {
        for link in &service.near {
            let other = link.service as usize;
            let alone = if other == index {
                (self.distinct(index, link.label).len() as i64 - 1).max(0)
            } else {
                let there = self.distinct(other, link.label);
                let counts = self.counts(index, link.label).into_iter();
                counts.filter(|(domain, _)| !there.contains(domain)).map(|(_, count)| count).sum()
            };
            let by = alone + self.outside(index, link.label);
            let rule = Rule::Near { service: index as u32, other: link.service, label: link.label };
            found.push(Violation { rule, by });
        }
    }

    fn check_apart(&self, found: &mut Vec<Violation>) {
        let mut pairs = BTreeSet::new();
        for (index, service) in (0..).zip(&self.problem.services) {
            let links = service.apart.iter();
            pairs.extend(links.map(|link| (index.min(link.service), index.max(link.service), link.label)));
        }
        for (service, other, label) in pairs {
            let (own, theirs) = (self.counts(service as usize, label), self.counts(other as usize, label));
            let by = if service == other {
                own.into_values().map(|count| count * (count - 1) / 2).sum()
            } else {
                own.into_iter().map(|(domain, count)| count * theirs.get(&domain).copied().unwrap_or(0)).sum()
            };
            found.push(Violation { rule: Rule::Apart { service, other, label }, by });
        }
    }

    pub(super) fn evenness(&self) -> i64 {
        let mut cost = 0;
        for (index, service) in self.problem.services.iter().enumerate() {
            for even in &service.even {
                let pairs: i64 =
                    self.counts(index, even.label).into_values().map(|count| count * (count - 1) / 2).sum();
                cost += even.step * (pairs + self.outside(index, even.label) * self.size(index));
            }
        }
        cost
    }
}
