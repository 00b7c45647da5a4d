use std::collections::BTreeMap;
use std::fmt::Write as _;

use icefield_nix::Configuration;
use icefield_spec::{Bytes, Cpu, Name};

/// A declaration made of the NixOS configurations of a flake: a node and a base for each.
pub(crate) struct Imported {
    /// What the cluster is called.
    pub(crate) cluster: Name,
    /// The flake, as the declaration names it.
    pub(crate) flake: String,
    /// What each node is thought to have.
    pub(crate) cpu: Cpu,
    /// The same of its memory.
    pub(crate) memory: Bytes,
    /// Configurations by the names that they have in the flake.
    pub(crate) configurations: BTreeMap<String, Configuration>,
    /// Those that could not be evaluated.
    pub(crate) left_out: Vec<String>,
}

/// What the declaration begins with.
const HEAD: &str = "\
# A base and a node for each NixOS configuration of the flake, by `icefield import`; from here on it is yours to edit.
# Configurations do not say how much a machine has: put in what services may use of each.
";

impl Imported {
    /// The declaration in Starlark, or why it cannot be made.
    pub(crate) fn text(&self) -> Result<String, String> {
        let mut out = String::from(HEAD);
        for name in &self.left_out {
            let _ = writeln!(out, "# {name:?} is left out, because it could not be evaluated.");
        }
        let _ = write!(out, "\ncluster({})\n", quoted(self.cluster.as_str()));
        let mut taken: BTreeMap<Name, &str> = BTreeMap::new();
        for (configured, configuration) in &self.configurations {
            let node =
                name_of(configured).ok_or_else(|| format!("{configured:?} has nothing that could name a node"))?;
            if let Some(other) = taken.insert(node.clone(), configured) {
                return Err(format!("{other:?} and {configured:?} would both be the node {node}"));
            }
            let node = quoted(node.as_str());
            let flake = quoted(&format!("{}#{configured}", self.flake));
            let _ = write!(out, "\nbase({node}, flake = {flake})\nnode({node}, base = {node}");
            if let [address] = &*configuration.addresses {
                let _ = write!(out, ", address = {}", quoted(address));
            }
            let _ = write!(out, ", cpu = {}, memory = {}", amount(self.cpu), quoted(&self.memory.to_string()));
            if configuration.system != "x86_64-linux" {
                let _ = write!(out, ", system = {}", quoted(&configuration.system));
            }
            out.push_str(")\n");
            if let [_, _, ..] = &*configuration.addresses {
                let all = configuration.addresses.join(", ");
                let _ = writeln!(out, "# It has several addresses, so name the one that others reach it by: {all}");
            }
        }
        Ok(out)
    }
}

/// A name that nodes and clusters can have, as near to `text` as can be.
pub(crate) fn name_of(text: &str) -> Option<Name> {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        _ => '-',
    };
    let text: String = text.chars().map(plain).take(Name::MAX_LEN).collect();
    Name::new(text.trim_matches('-')).ok()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn amount(cpu: Cpu) -> String {
    let text = cpu.to_string();
    if text.bytes().all(|b| b.is_ascii_digit()) { text } else { quoted(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imported(configurations: &[(&str, &str, &[&str])]) -> Imported {
        let one = |(name, system, addresses): &(&str, &str, &[&str])| {
            let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
            let configuration = Configuration { system: (*system).into(), addresses };
            ((*name).to_owned(), configuration)
        };
        Imported {
            cluster: Name::new("infra").unwrap(),
            flake: ".".into(),
            cpu: Cpu::from_millis(1_500),
            memory: Bytes::new(1 << 30),
            configurations: configurations.iter().map(one).collect(),
            left_out: vec!["broken".into()],
        }
    }

    #[test]
    fn each_configuration_is_a_base_and_a_node() {
        let text = imported(&[
            ("Web_1.example", "aarch64-linux", &["10.0.0.1"]),
            ("db", "x86_64-linux", &["10.0.0.2", "10.1.0.2"]),
        ]);
        let expected = r##"
cluster("infra")

base("web-1-example", flake = ".#Web_1.example")
node("web-1-example", base = "web-1-example", address = "10.0.0.1", cpu = "1500m", memory = "1GiB", system = "aarch64-linux")

base("db", flake = ".#db")
node("db", base = "db", cpu = "1500m", memory = "1GiB")
# It has several addresses, so name the one that others reach it by: 10.0.0.2, 10.1.0.2
"##;
        let text = text.text().unwrap();
        assert!(text.ends_with(expected), "{text}");
        assert!(text.contains("# \"broken\" is left out"));
    }

    #[test]
    fn two_of_a_name_and_one_without_are_refused() {
        let none: &[&str] = &[];
        let error = imported(&[("a_b", "x", none), ("a.b", "x", none)]).text().unwrap_err();
        assert!(error.contains("would both be the node a-b"), "{error}");
        assert!(imported(&[("__", "x", none)]).text().unwrap_err().contains("could name a node"));
    }
}
