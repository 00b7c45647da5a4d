use std::collections::BTreeMap;

use crate::{ConfigFile, FileContent, Name, Revision, Unit};

/// What the variables of one replica are made from.
#[derive(Debug, Clone)]
pub struct ReplicaContext<'a> {
    /// The cluster's name.
    pub cluster: &'a Name,
    /// The service's name.
    pub service: &'a Name,
    /// The replica's index.
    pub index: u32,
    /// The node it is on.
    pub node: &'a Name,
    /// The address that it should listen on and that others reach it by.
    pub address: &'a str,
    /// The service's revision.
    pub revision: &'a Revision,
    /// Its ports by name.
    pub ports: &'a BTreeMap<Name, u16>,
    /// The folder with a file `SERVICE.json` for each service in `uses`.
    pub endpoints: &'a str,
    /// The folder in which each of its volumes is a folder of its own name.
    pub volumes: &'a str,
    /// The folder that the relative paths of its files are within.
    pub files: &'a str,
    /// The folder that its files are in that are secrets, each called by [`credential_name`], where that is another one.
    pub credentials: Option<&'a str>,
}

/// Why a text with references cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// A `$` that no name follows.
    #[error("a lone \"$\"; write \"$$\" for the character itself")]
    Lone,
    /// A `${` without its `}`.
    #[error("\"${{\" without a closing \"}}\"")]
    Unclosed,
    /// A name that the replica does not have.
    #[error("unknown variable ${0}")]
    Unknown(String),
}

/// The name of the variable for the port called `port`: `http` is `PORT_HTTP`, `raft-rpc` is `PORT_RAFT_RPC`.
fn port_variable(port: &Name) -> String {
    format!("PORT_{}", port.in_capitals())
}

/// The name of the variable for the volume called `volume`: `data` is `VOLUME_DATA`.
fn volume_variable(volume: &Name) -> String {
    format!("VOLUME_{}", volume.in_capitals())
}

/// The name of the variable for the file with the path `path`: `conf/app.toml` is `FILE_CONF_APP_TOML`.
pub fn file_variable(path: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("FILE_{}", path.trim_start_matches('/').chars().map(word).collect::<String>())
}

/// What the file with the path `path` is called where files that are secrets are in one folder. No two files of a unit are
/// called alike: their variables would be, too.
pub fn credential_name(path: &str) -> String {
    path.trim_start_matches('/').replace('/', "_")
}

const FIXED: [&str; 7] = [
    "ICEFIELD_CLUSTER",
    "ICEFIELD_SERVICE",
    "ICEFIELD_INDEX",
    "ICEFIELD_NODE",
    "ICEFIELD_ADDRESS",
    "ICEFIELD_REVISION",
    "ICEFIELD_ENDPOINTS",
];

impl Unit {
    /// The names of the variables that Icefield gives each replica: `ICEFIELD_…`, `PORT_…`, `VOLUME_…` and
    /// `FILE_…`.
    pub fn given_variables(&self) -> Vec<String> {
        let fixed = FIXED.iter().map(|name| (*name).to_owned());
        let own = self.ports.keys().map(port_variable).chain(self.volumes.keys().map(volume_variable));
        fixed.chain(own).chain(self.files.keys().map(|path| file_variable(path))).collect()
    }
}

/// The environment of one replica: what Icefield gives and tells of the services that it uses, then the unit's own `env` with
/// its references expanded.
///
/// # Errors
/// If a value of `env` refers to something that Icefield does not give.
pub fn replica_variables(
    unit: &Unit,
    context: &ReplicaContext<'_>,
) -> Result<BTreeMap<String, String>, InvalidReference> {
    let values = [
        context.cluster.to_string(),
        context.service.to_string(),
        context.index.to_string(),
        context.node.to_string(),
        context.address.to_owned(),
        context.revision.to_string(),
        context.endpoints.to_owned(),
    ];
    let mut given: BTreeMap<String, String> = FIXED.iter().map(|name| (*name).to_owned()).zip(values).collect();
    given.extend(context.ports.iter().map(|(name, port)| (port_variable(name), port.to_string())));
    given.extend(unit.volumes.keys().map(|name| (volume_variable(name), format!("{}/{name}", context.volumes))));
    let path = |(file, declared): (&String, &ConfigFile)| match (&declared.content, context.credentials) {
        _ if file.starts_with('/') => file.clone(),
        (FileContent::Secret { .. }, Some(folder)) => format!("{folder}/{}", credential_name(file)),
        _ => format!("{}/{file}", context.files),
    };
    given.extend(unit.files.iter().map(|file| (file_variable(file.0), path(file))));
    for (variable, value) in unit.told(context.cluster.as_str()) {
        given.entry(variable).or_insert(value);
    }
    let mut all = given.clone();
    for (name, value) in &unit.env {
        all.insert(name.clone(), expand(value, &|name| given.get(name).cloned())?);
    }
    Ok(all)
}

/// A piece of a text with references.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that stands for itself.
    Text(&'a str),
    /// The name of a variable.
    Variable(&'a str),
}

/// Takes `text` apart into what stands for itself (`$$` is a `$`) and what refers to variables (`$NAME`, `${NAME}`).
///
/// # Errors
/// If a reference is malformed.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, InvalidReference> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            pieces.push(Piece::Text("$"));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = after.find('}').ok_or(InvalidReference::Unclosed)?;
            pieces.push(Piece::Variable(&after[..end]));
            rest = &after[end + 1..];
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            if end == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(InvalidReference::Lone);
            }
            pieces.push(Piece::Variable(&rest[..end]));
            rest = &rest[end..];
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// Replaces `$NAME` and `${NAME}` in `text` by what `lookup` gives, and `$$` by `$`.
///
/// # Errors
/// If a reference is malformed, or `lookup` does not know its name.
pub fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, InvalidReference> {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text)? {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable(name) => {
                out.push_str(&lookup(name).ok_or_else(|| InvalidReference::Unknown(name.to_owned()))?);
            }
        }
    }
    Ok(out)
}

/// The names that `text` refers to, in their order.
///
/// # Errors
/// If a reference is malformed.
pub fn references(text: &str) -> Result<Vec<&str>, InvalidReference> {
    let variables = pieces(text)?.into_iter().filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) => None,
    });
    Ok(variables.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, InvalidReference> {
        expand(text, &|name| (name == "PORT_HTTP").then(|| "8080".to_owned()))
    }

    #[test]
    fn expands_both_forms_and_the_escape() {
        assert_eq!(expanded("a$PORT_HTTP/b").unwrap(), "a8080/b");
        assert_eq!(expanded("${PORT_HTTP}0").unwrap(), "80800");
        assert_eq!(expanded("cost: 5$$ $${PORT_HTTP}").unwrap(), "cost: 5$ ${PORT_HTTP}");
        assert_eq!(expanded("π$PORT_HTTP").unwrap(), "π8080");
    }

    #[test]
    fn a_replica_is_told_of_its_ports_and_volumes() {
        let name = |text: &str| Name::new(text).unwrap();
        let run = crate::Run::Exec { command: vec!["serve".into()] };
        let mut unit = Unit::new(run, crate::Cpu::from_millis(1), crate::Bytes::new(1));
        unit.ports.insert(name("raft-rpc"), crate::Port::Dynamic);
        unit.volumes.insert(name("write-log"), crate::Volume::default());
        unit.env.insert("LOG".into(), "$VOLUME_WRITE_LOG/log".into());
        let (service, revision) = (name("db"), unit.revision());
        let context = ReplicaContext {
            cluster: &service,
            service: &service,
            index: 3,
            node: &service,
            address: "10.0.0.1",
            revision: &revision,
            ports: &BTreeMap::from([(name("raft-rpc"), 7000)]),
            endpoints: "/endpoints",
            volumes: "/volumes/db-3",
            files: "/files/db-3",
            credentials: None,
        };
        let variables = replica_variables(&unit, &context).unwrap();
        assert_eq!(variables["PORT_RAFT_RPC"], "7000");
        assert_eq!(variables["VOLUME_WRITE_LOG"], "/volumes/db-3/write-log");
        assert_eq!(variables["LOG"], "/volumes/db-3/write-log/log");
        let mut given = unit.given_variables();
        given.push("LOG".into());
        assert!(variables.keys().all(|variable| given.contains(variable)));
        assert_eq!(variables.len(), given.len());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(expanded("$NOPE"), Err(InvalidReference::Unknown("NOPE".into())));
        assert_eq!(expanded("5$"), Err(InvalidReference::Lone));
        assert_eq!(expanded("$1"), Err(InvalidReference::Lone));
        assert_eq!(expanded("${PORT_HTTP"), Err(InvalidReference::Unclosed));
    }
}
