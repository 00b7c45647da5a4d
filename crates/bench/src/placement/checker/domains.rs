use std::collections::HashMap;
use std::rc::Rc;

use icefield_placement::Host;

/// Which nodes share a label's value.
pub(super) struct Domains<'a> {
    hosts: &'a [&'a Host],
    labels: HashMap<String, Rc<Domain>>,
}

/// One label: the number of its value on each node, if that has it.
pub(super) struct Domain {
    of: Vec<Option<usize>>,
}

impl Domain {
    pub(super) fn of(&self, host: usize) -> Option<usize> {
        self.of[host]
    }
}

impl<'a> Domains<'a> {
    pub(super) fn new(hosts: &'a [&'a Host]) -> Self {
        Self { hosts, labels: HashMap::new() }
    }

    pub(super) fn over(&mut self, label: &str) -> Rc<Domain> {
        if let Some(known) = self.labels.get(label) {
            return Rc::clone(known);
        }
        let mut values: HashMap<&str, usize> = HashMap::new();
        let of = self.hosts.iter().map(|host| {
            let value = host.labels.get(label)?;
            let next = values.len();
            Some(*values.entry(value).or_insert(next))
        });
        let made = Rc::new(Domain { of: of.collect() });
        self.labels.insert(label.to_owned(), Rc::clone(&made));
        made
    }
}
