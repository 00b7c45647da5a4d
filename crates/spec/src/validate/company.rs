use std::collections::BTreeSet;

use super::Check;
use super::circles::{circles, way};
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
    pub(super) fn company_circles(&mut self) {
        for circle in circles(self.spec.services.keys(), |name| self.followed(name)) {
            let (Some(first), Some(second)) = (circle.first(), circle.get(1)) else { continue };
            let shown = way(circle.iter().map(|name| name.as_str()));
            let message = format!("keeping with {:?} goes in a circle: {shown}", second.as_str());
            self.report(format!("services.{first}.keep_with"), message).help =
                Some("one of them must come first: let it keep with none of the others".into());
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
}
