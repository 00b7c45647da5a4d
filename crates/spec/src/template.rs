//! Templates of configuration files, in the language of Jinja.
//!
//! Everything that a template can speak of is data under a few names, with `_` where a name has `-`:
//!
//! | name | what it is |
//! |---|---|
//! | `cluster`, `service`, `node`, `address`, `index` | of the replica |
//! | `ports.http` | the replica's own port "http" |
//! | `volumes.data` | the path of its volume "data" |
//! | `env.NAME` | its environment variable, if that is no secret |
//! | `secrets.db_password` | the secret "db-password" |
//! | `endpoints.api.http` | where the port "http" of each healthy replica of service "api" is reached |
//!
//! An endpoint is written as `address:port`, and has `address`, `port`, `node` and `index`.
//!
//! So what a template needs is known before it is rendered: [`references`]. Rendering is pure and bounded, in steps and in
//! what it writes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Environment, UndefinedBehavior};

use crate::{Name, ReplicaContext, Unit};

/// Something that a template speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// A port of the replica.
    Port(Name),
    /// A volume of the replica.
    Volume(Name),
    /// An environment variable of the replica.
    Env(String),
    /// A secret.
    Secret(Name),
    /// A port of the replicas of a service.
    Endpoints {
        /// The service.
        service: Name,
        /// The port.
        port: Name,
    },
}

/// What is wrong with a template. It never holds what was put into the template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", line.map_or(String::new(), |line| format!("line {line}: ")))]
pub struct TemplateError {
    /// What is wrong.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
    /// The line of the template, counted from 1.
    pub line: Option<usize>,
}

/// What a template is rendered with.
#[derive(Debug, Clone, Default)]
pub struct TemplateData {
    /// Texts by their own names: `cluster`, `service`, …
    pub texts: BTreeMap<&'static str, String>,
    /// The replica's index.
    pub index: u32,
    /// The replica's ports.
    pub ports: BTreeMap<Name, u16>,
    /// The paths of its volumes.
    pub volumes: BTreeMap<Name, String>,
    /// Its environment, without secrets.
    pub env: BTreeMap<String, String>,
    /// The secrets' texts.
    pub secrets: BTreeMap<Name, String>,
    /// The replicas of other services.
    pub endpoints: BTreeMap<Name, Vec<Peer>>,
}

impl TemplateData {
    /// What is known of a replica by its unit, its place and its `variables`: all but secrets and endpoints.
    pub fn of(unit: &Unit, context: &ReplicaContext<'_>, variables: &BTreeMap<String, String>) -> Self {
        let texts = [
            ("address", context.address.to_owned()),
            ("cluster", context.cluster.to_string()),
            ("node", context.node.to_string()),
            ("service", context.service.to_string()),
        ];
        let own = |name: &String| Some((name.clone(), variables.get(name)?.clone()));
        Self {
            texts: texts.into_iter().collect(),
            index: context.index,
            ports: context.ports.clone(),
            volumes: unit.volumes.keys().map(|name| (name.clone(), format!("{}/{name}", context.volumes))).collect(),
            env: unit.env.keys().chain(&unit.told_variables()).filter_map(own).collect(),
            ..Self::default()
        }
    }
}

/// Where one replica of another service is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its index.
    pub index: u32,
    /// Its node.
    pub node: Name,
    /// The node's address.
    pub address: String,
    /// Its ports.
    pub ports: BTreeMap<Name, u16>,
}

/// The texts that every replica has.
pub const TEXTS: [&str; 4] = ["address", "cluster", "node", "service"];

/// The most that a template may render to, in bytes.
pub const LARGEST: usize = 1 << 20;

/// The most steps that rendering may take.
const STEPS: u64 = 1_000_000;

/// The names that lead to more, each with an example.
const MAPS: [(&str, &str); 5] = [
    ("endpoints", "endpoints.api.http"),
    ("env", "env.NAME"),
    ("ports", "ports.http"),
    ("secrets", "secrets.db_password"),
    ("volumes", "volumes.data"),
];

/// What the language itself has.
const BUILT_IN: [&str; 4] = ["dict", "loop", "namespace", "range"];

/// All that `template` speaks of.
///
/// # Errors
/// It is malformed, or speaks of something that no replica has.
pub fn references(template: &str) -> Result<Vec<Reference>, TemplateError> {
    let environment = environment();
    let parsed = environment.template_from_named_str(NAME, template).map_err(|error| told(&error, true))?;
    let mut names: Vec<String> = parsed.undeclared_variables(true).into_iter().collect();
    names.sort();
    let found = names.iter().filter(|name| !BUILT_IN.contains(&name.as_str()));
    let mut references = Vec::new();
    for dotted in found {
        references.extend(reference(dotted).map_err(|error| TemplateError { line: line(template, dotted), ..error })?);
    }
    references.sort();
    references.dedup();
    Ok(references)
}

/// Renders `template` with `data`.
///
/// # Errors
/// It is malformed, speaks of what `data` does not have, or takes too many steps or too much room. The error tells nothing
/// of the data.
pub fn render(template: &str, data: &TemplateData) -> Result<String, TemplateError> {
    rendered(template, data).map_err(|error| told(&error, false))
}

/// As [`render`], with data that is made up: the error tells all of it.
pub(crate) fn try_out(template: &str, data: &TemplateData) -> Result<String, TemplateError> {
    rendered(template, data).map_err(|error| told(&error, true))
}

const NAME: &str = "template";

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_fuel(Some(STEPS));
    // It would write out every secret.
    environment.remove_global("debug");
    environment
}

fn rendered(template: &str, data: &TemplateData) -> Result<String, minijinja::Error> {
    let environment = environment();
    let parsed = environment.template_from_named_str(NAME, template)?;
    let mut out = Bounded(Vec::new());
    parsed.render_captured_to(values(data), &mut out)?;
    let text = String::from_utf8(out.0);
    text.map_err(|_| minijinja::Error::new(minijinja::ErrorKind::WriteFailure, "it gives no text"))
}

/// Takes as much as a file may hold.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST {
            return Err(io::Error::other("too large"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the library says of a mistake; with its details only if they hold nothing of a replica.
fn told(error: &minijinja::Error, in_full: bool) -> TemplateError {
    use minijinja::ErrorKind;
    let message = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => format!("the template takes more than {STEPS} steps"),
        (ErrorKind::WriteFailure, _) => format!("the template gives more than {LARGEST} bytes"),
        (ErrorKind::UndefinedError, _) => "something is used that is not there".into(),
        (kind, Some(detail)) if in_full => format!("{kind}: {detail}"),
        (kind, _) => kind.to_string(),
    };
    TemplateError { message, help: None, line: error.line() }
}

/// The line in which a template speaks of `dotted` first.
fn line(template: &str, dotted: &str) -> Option<usize> {
    let at = template.find(dotted)?;
    Some(template[..at].matches('\n').count() + 1)
}

fn reference(dotted: &str) -> Result<Option<Reference>, TemplateError> {
    let fail = |message: String, help: Option<String>| Err(TemplateError { message, help, line: None });
    let parts: Vec<&str> = dotted.split('.').collect();
    let name = |text: &str| Name::new(&text.replace('_', "-")).ok();
    match *parts.as_slice() {
        ["index"] => Ok(None),
        [text] if TEXTS.contains(&text) => Ok(None),
        ["env", variable] => Ok(Some(Reference::Env(variable.to_owned()))),
        [kind @ ("ports" | "volumes" | "secrets"), text] => match (kind, name(text)) {
            ("ports", Some(port)) => Ok(Some(Reference::Port(port))),
            ("volumes", Some(volume)) => Ok(Some(Reference::Volume(volume))),
            (_, Some(secret)) => Ok(Some(Reference::Secret(secret))),
            (_, None) => fail(format!("\"{text}\" cannot be a name"), None),
        },
        ["endpoints", service, port] => match (name(service), name(port)) {
            (Some(service), Some(port)) => Ok(Some(Reference::Endpoints { service, port })),
            _ => fail(format!("\"{dotted}\" holds no names"), None),
        },
        [first, ..] => match MAPS.iter().find(|(map, _)| *map == first) {
            Some((_, example)) => fail(format!("\"{dotted}\" does not say which; it is written like {example}"), None),
            None => {
                let known = MAPS.iter().map(|(map, _)| *map).chain(TEXTS).chain(["index"]);
                let help = match crate::nearest(first, known.clone()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("known: {}", known.collect::<Vec<_>>().join(", ")),
                };
                fail(format!("there is no \"{first}\" in templates"), Some(help))
            }
        },
        [] => Ok(None),
    }
}

fn values(data: &TemplateData) -> Value {
    let word = |name: &Name| name.as_str().replace('-', "_");
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    all.extend(data.texts.iter().map(|(name, text)| ((*name).to_owned(), Value::from(text.as_str()))));
    all.insert("index".into(), Value::from(data.index));
    let map = |entries: Vec<(String, Value)>| Value::from_iter(entries);
    let texts = |texts: &BTreeMap<Name, String>| {
        map(texts.iter().map(|(name, text)| (word(name), Value::from(text.as_str()))).collect())
    };
    all.insert("ports".into(), map(data.ports.iter().map(|(name, port)| (word(name), Value::from(*port))).collect()));
    all.insert("volumes".into(), texts(&data.volumes));
    all.insert("secrets".into(), texts(&data.secrets));
    all.insert(
        "env".into(),
        map(data.env.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect()),
    );
    let service = |(name, peers): (&Name, &Vec<Peer>)| (word(name), Value::from_object(Service(peers.clone())));
    all.insert("endpoints".into(), map(data.endpoints.iter().map(service).collect()));
    Value::from_iter(all)
}

/// A service, whose ports are lists of endpoints: an empty one if it has no replicas.
#[derive(Debug)]
struct Service(Vec<Peer>);

impl Object for Service {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let port = Name::new(&key.as_str()?.replace('_', "-")).ok()?;
        let endpoint = |peer: &Peer| {
            let number = *peer.ports.get(&port)?;
            Some(Value::from_object(Endpoint { peer: peer.clone(), port: number }))
        };
        Some(self.0.iter().filter_map(endpoint).collect())
    }
}

#[derive(Debug)]
struct Endpoint {
    peer: Peer,
    port: u16,
}

impl Object for Endpoint {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "address" => Value::from(self.peer.address.as_str()),
            "port" => Value::from(self.port),
            "node" => Value::from(self.peer.node.as_str()),
            "index" => Value::from(self.peer.index),
            _ => return None,
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer.address.contains(':') {
            true => write!(f, "[{}]:{}", self.peer.address, self.port),
            false => write!(f, "{}:{}", self.peer.address, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn peer(index: u32, address: &str) -> Peer {
        Peer { index, node: name("n1"), address: address.into(), ports: BTreeMap::from([(name("raft-rpc"), 7000)]) }
    }

    fn data() -> TemplateData {
        TemplateData {
            texts: TEXTS.iter().map(|text| (*text, format!("<{text}>"))).collect(),
            index: 3,
            ports: BTreeMap::from([(name("raft-rpc"), 7001)]),
            volumes: BTreeMap::from([(name("data"), "/v/data".into())]),
            env: BTreeMap::from([("MODE".into(), "fast".into())]),
            secrets: BTreeMap::from([(name("db-password"), "hunter2".into())]),
            endpoints: BTreeMap::from([(name("api"), vec![peer(0, "10.0.0.1"), peer(1, "::1")]), (name("db"), vec![])]),
        }
    }

    #[test]
    fn renders_all_that_a_replica_has() {
        let template = "{{ cluster }} {{ service }}/{{ index }} {{ address }}:{{ ports.raft_rpc }} {{ volumes.data }} \
                        {{ env.MODE }} {{ secrets.db_password }}\n\
                        {% for peer in endpoints.api.raft_rpc -%}\n\
                        server {{ peer }} # {{ peer.index }} {{ peer.address }} {{ peer.port }} {{ peer.node }}\n\
                        {% endfor %}{{ endpoints.db.pg | join(\",\") }}{{ endpoints.api.raft_rpc | join(\",\") }}\n";
        let text = render(template, &data()).unwrap();
        assert_eq!(
            text,
            "<cluster> <service>/3 <address>:7001 /v/data fast hunter2\n\
             server 10.0.0.1:7000 # 0 10.0.0.1 7000 n1\nserver [::1]:7000 # 1 ::1 7000 n1\n\
             10.0.0.1:7000,[::1]:7000\n"
        );
        assert_eq!(references(template).unwrap().len(), 6);
    }

    #[test]
    fn what_it_needs_is_known_before_also_where_it_is_not_reached() {
        let template =
            "{% if index > 100 %}{{ secrets.key }}{% else %}{{ ports.http }}{% endif %}{% set a = 1 %}{{ a }}";
        let found = references(template).unwrap();
        assert_eq!(found, [Reference::Port(name("http")), Reference::Secret(name("key"))]);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let mistake = |template: &str| references(template).unwrap_err();
        assert_eq!(mistake("a\n{{ seckrets.key }}").to_string(), "line 2: there is no \"seckrets\" in templates");
        assert_eq!(mistake("{{ seckrets.key }}").help.unwrap(), "did you mean \"secrets\"?");
        assert!(mistake("{{ endpoints.api }}").to_string().contains("written like endpoints.api.http"));
        assert!(mistake("{{ secrets[\"key\"] }}").to_string().contains("written like secrets.db_password"));
        assert!(mistake("{% for x in %}").to_string().starts_with("line 1: "));
        assert!(mistake("{{ secrets.a.b }}").to_string().contains("does not say which"));
    }

    #[test]
    fn neither_endless_work_nor_endless_text_comes_of_it() {
        let loops = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
        assert!(render(loops, &data()).unwrap_err().message.contains("steps"));
        let long = "{% for a in range(2000) %}".to_owned() + &"x".repeat(1000) + "{% endfor %}";
        assert!(render(&long, &data()).unwrap_err().message.contains("bytes"));
    }

    #[test]
    fn a_mistake_never_tells_a_secret() {
        for template in
            ["{{ secrets.db_password | int }}", "{{ secrets.db_password.x }}", "{{ secrets.db_password() }}"]
        {
            let error = format!("{:?}", render(template, &data()).unwrap_err());
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(render("{{ debug() }}", &data()).is_err());
    }
}
