use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use super::wording::suggestion;
use crate::{Company, Name, Rules};

impl<'a> Check<'a> {
    pub(super) fn company(&mut self, path: &str, name: &Name, rules: &Rules) {
        for (rule, companies) in [("keep_with", &rules.keep_with), ("keep_from", &rules.keep_from)] {
            for company in companies {
                if !self.spec.services.contains_key(&company.service) {
                    let help = suggestion(company.service.as_str(), self.spec.services.keys().map(Name::as_str));
                    let message = format!("there is no service {:?}", company.service.as_str());
                    self.report(format!("{path}.{rule}"), message).help = help;
                }
                self.label(path, rule, &company.label);
            }
        }
        for company in &rules.keep_with {
            let (other, label) = (company.service.as_str(), &company.label);
            let apart = Some("take it out of one of the two".to_owned());
            if rules.keep_from.contains(company) {
                let message = format!("{other:?} is in keep_with too, by the same label {label:?}");
                self.report(format!("{path}.keep_from"), message).help = apart;
            } else if let Some(service) = self.spec.services.get(&company.service)
                && service.rules.keep_from.contains(&Company { service: name.clone(), label: label.clone() })
            {
                let message =
                    format!("{other:?} has {:?} in its keep_from, by the same label {label:?}", name.as_str());
                self.report(format!("{path}.keep_with"), message).help = apart;
            }
        }
    }

    /// Reports services that wait for each other in a circle; of circles that share services, one. A service that keeps
    /// with itself is no circle: its first replica may go anywhere.
    pub(super) fn circles(&mut self) {
        let mut visits: BTreeMap<&Name, Visit> = BTreeMap::new();
        let mut circled: BTreeSet<&Name> = BTreeSet::new();
        for start in self.spec.services.keys() {
            if visits.contains_key(start) {
                continue;
            }
            // The way from `start`, and of each service on it those that are still to be followed.
            let mut way: Vec<(&Name, Vec<&Name>)> = vec![(start, self.followed(start))];
            visits.insert(start, Visit::OnTheWay(0));
            while let Some((here, rest)) = way.last_mut() {
                let here = *here;
                let Some(next) = rest.pop() else {
                    visits.insert(here, Visit::Done);
                    way.pop();
                    continue;
                };
                match visits.get(next) {
                    None => {
                        visits.insert(next, Visit::OnTheWay(way.len()));
                        way.push((next, self.followed(next)));
                    }
                    Some(Visit::OnTheWay(at)) if !circled.contains(here) && !circled.contains(next) => {
                        let circle: Vec<&Name> = way[*at..].iter().map(|(name, _)| *name).collect();
                        circled.extend(&circle);
                        self.report_circle(&circle);
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// The services that `name` keeps with, itself not among them; the first is the last.
    fn followed(&self, name: &Name) -> Vec<&'a Name> {
        let rules = self.spec.services.get(name).map(|service| &service.rules);
        let companies = rules.into_iter().flat_map(|rules| rules.keep_with.iter().rev());
        let mut seen = BTreeSet::new();
        companies
            .filter_map(|company| self.spec.services.get_key_value(&company.service).map(|(name, _)| name))
            .filter(|other| *other != name && seen.insert(*other))
            .collect()
    }

    fn report_circle(&mut self, circle: &[&Name]) {
        const SHOWN: usize = 8;
        let (Some(first), Some(second)) = (circle.first(), circle.get(1)) else { return };
        let mut way: Vec<&str> = circle.iter().take(SHOWN).map(|name| name.as_str()).collect();
        if circle.len() > SHOWN {
            way.push("…");
        }
        way.push(first.as_str());
        let message = format!("keeping with {:?} goes in a circle: {}", second.as_str(), way.join(" → "));
        self.report(format!("services.{first}.keep_with"), message).help =
            Some("one of them must come first: let it keep with none of the others".into());
    }
}

/// How far the search for circles is with a service.
enum Visit {
    /// It is on the way to the service that is looked at, after so many others.
    OnTheWay(usize),
    /// All that follows from it was looked at.
    Done,
}
