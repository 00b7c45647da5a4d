use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use icefield_spec::{Base, Job, Name, Node, Policy, Pool, Quota, Service, Spec};

use crate::call::Call;
use crate::report::Report;
use crate::site::{Site, Spot, Step};

/// The spec as far as it is declared, and where each part of it was.
pub(crate) struct Declarations {
    /// What is declared; the cluster's name stands in for the real one until that is known.
    pub(crate) spec: Spec,
    /// Where the cluster was named.
    pub(crate) cluster: Option<Rc<Site>>,
    /// Whether something could not be run that may have declared anything, so that nobody knows what is missing.
    pub(crate) incomplete: bool,
    /// Where the policy was declared.
    pub(crate) policy: Option<Origin>,
    origins: HashMap<(Kind, Name), Origin>,
    /// What is no good of any of a kind. One without a good name is not in the spec at all.
    broken: HashSet<(Kind, &'static str)>,
    count: usize,
}

/// What can be declared by name. The word is the spec's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Bases,
    Nodes,
    Pools,
    Namespaces,
    Services,
    Jobs,
}

/// Where something was declared, and what of it is known to be no good.
pub(crate) struct Origin {
    pub(crate) site: Rc<Site>,
    pub(crate) broken: Vec<&'static str>,
    /// Where the things that were given for its arguments were made.
    pub(crate) made: Vec<(&'static str, Rc<Site>)>,
}

impl Origin {
    fn take(call: &mut Call<'_, '_>) -> Self {
        Self {
            site: Rc::clone(&call.site),
            broken: std::mem::take(&mut call.broken),
            made: std::mem::take(&mut call.made),
        }
    }
}

impl Default for Declarations {
    fn default() -> Self {
        let stand_in = Name::new("cluster").expect("a constant that is a name");
        Self {
            spec: Spec::empty(stand_in),
            cluster: None,
            incomplete: false,
            policy: None,
            origins: HashMap::new(),
            broken: HashSet::new(),
            count: 0,
        }
    }
}

impl Kind {
    pub(crate) fn from_field(field: &str) -> Option<Self> {
        Some(match field {
            "bases" => Self::Bases,
            "nodes" => Self::Nodes,
            "pools" => Self::Pools,
            "namespaces" => Self::Namespaces,
            "services" => Self::Services,
            "jobs" => Self::Jobs,
            _ => return None,
        })
    }

    /// The word for one of them, which is also the name of the function that declares it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bases => "base",
            Self::Nodes => "node",
            Self::Pools => "pool",
            Self::Namespaces => "namespace",
            Self::Services => "service",
            Self::Jobs => "job",
        }
    }
}

/// Something that a call declares.
pub(crate) enum Declared {
    Base(Base),
    Node(Node),
    Pool(Pool),
    Namespace(Quota),
    Service(Box<Service>),
    Job(Box<Job>),
}

impl Declared {
    fn kind(&self) -> Kind {
        match self {
            Self::Base(_) => Kind::Bases,
            Self::Node(_) => Kind::Nodes,
            Self::Pool(_) => Kind::Pools,
            Self::Namespace(_) => Kind::Namespaces,
            Self::Service(_) => Kind::Services,
            Self::Job(_) => Kind::Jobs,
        }
    }
}

impl Declarations {
    pub(crate) fn origin(&self, kind: Kind, name: &str) -> Option<&Origin> {
        self.origins.get(&(kind, Name::new(name).ok()?))
    }

    /// Whether any of `kind` has no good `field`, so that what others say about it cannot be judged.
    pub(crate) fn any_broken(&self, kind: Kind, field: &'static str) -> bool {
        self.broken.contains(&(kind, "name")) || self.broken.contains(&(kind, field))
    }

    /// Whether there is room for one more; says so once where there is not.
    pub(crate) fn count(&mut self, call: &Call<'_, '_>) -> bool {
        let most = call.session.limits.declarations;
        self.count += 1;
        if self.count > most {
            let message = format!("more than {most} things are declared");
            let report = Report::new(Spot::callee(&call.site), message);
            call.session.report(report.help("declare machines that are alike as one pool".to_owned()));
        }
        self.count <= most
    }

    /// Takes in what `call` declares under `name`; reports a name that is taken.
    pub(crate) fn insert(&mut self, call: &mut Call<'_, '_>, name: Option<Name>, declared: Declared) {
        if !self.count(call) {
            return;
        }
        let kind = declared.kind();
        self.broken.extend(call.broken.iter().map(|field| (kind, *field)));
        let Some(name) = name else { return };
        if let Some(first) = self.origins.get(&(kind, name.clone())) {
            let step = Step::Parameter { name: "name", position: 0 };
            let message = format!("there is a {} {:?} already", kind.word(), name.as_str());
            let mut report = Report::new(call.spot(step.clone()), message).label("declared a second time");
            report.related = Some(("the first is here".into(), Spot::at(&first.site, step)));
            call.session.report(report.help("give one of them another name".to_owned()));
            return;
        }
        self.origins.insert((kind, name.clone()), Origin::take(call));
        match declared {
            Declared::Base(base) => drop(self.spec.bases.insert(name, base)),
            Declared::Node(node) => drop(self.spec.nodes.insert(name, node)),
            Declared::Pool(pool) => drop(self.spec.pools.insert(name, pool)),
            Declared::Namespace(quota) => drop(self.spec.namespaces.insert(name, quota)),
            Declared::Service(service) => drop(self.spec.services.insert(name, *service)),
            Declared::Job(job) => drop(self.spec.jobs.insert(name, *job)),
        }
    }

    /// Takes in the cluster's name; reports a second one.
    pub(crate) fn name_cluster(&mut self, call: &Call<'_, '_>, name: Option<Name>) {
        if let Some(first) = &self.cluster {
            let mut report = Report::new(Spot::callee(&call.site), "the cluster has a name already");
            report.related = Some(("it was named here".into(), Spot::callee(first)));
            call.session.report(report.help("keep one of the two calls".to_owned()));
            return;
        }
        self.cluster = Some(Rc::clone(&call.site));
        if let Some(name) = name {
            self.spec.cluster = name;
        }
    }

    /// Takes in what holds for all placement; reports a second such call.
    pub(crate) fn set_policy(&mut self, call: &mut Call<'_, '_>, policy: Policy) {
        if let Some(first) = &self.policy {
            let mut report = Report::new(Spot::callee(&call.site), "placement() was called already");
            report.related = Some(("the first call is here".into(), Spot::callee(&first.site)));
            call.session.report(report.help("put all of it into one call".to_owned()));
            return;
        }
        self.policy = Some(Origin::take(call));
        self.spec.policy = policy;
    }
}
