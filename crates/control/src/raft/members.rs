use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One server of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The URL that it is reached by, without a slash at its end.
    pub api: String,
    /// The server whose place it takes once it has caught up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

impl Member {
    /// A server of this name at this URL.
    pub fn new(name: impl Into<String>, api: impl Into<String>) -> Self {
        Self { name: name.into(), api: api.into(), replaces: None }
    }
}

/// The servers that form a group together, by name. Each of them is started with the same ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founders(Vec<Member>);

impl Founders {
    /// These servers, in whatever order they are given.
    pub fn new(mut members: Vec<Member>) -> Self {
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Self(members)
    }

    /// Their names.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|member| member.name.clone()).collect()
    }

    /// Raft's number of a server: its place in the list, from 1 up.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0.iter().position(|member| member.name == name).map(|at| at as u64 + 1)
    }

    /// All of them with their numbers.
    pub(super) fn numbered(&self) -> BTreeMap<u64, Member> {
        (1..).zip(self.0.iter().cloned()).collect()
    }

    /// The name of the group that they form: a message that reached another group's server by mistake (after a restart
    /// on a port that was another's) is recognised by it.
    pub(super) fn group(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for member in &self.0 {
            for part in [&member.name, &member.api] {
                hasher.update(part.as_bytes());
                hasher.update(b"\n");
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Where each of them is reached.
    pub(super) fn addresses(&self) -> Addresses {
        Addresses(self.0.iter().map(|member| (member.name.clone(), member.api.clone())).collect())
    }
}

/// Where servers are reached that may have moved since it was written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Addresses(BTreeMap<String, String>);

impl Addresses {
    /// The same server with the address that it has now.
    pub(super) fn of(&self, member: &Member) -> Member {
        match self.0.get(&member.name) {
            Some(api) => Member { api: api.clone(), ..member.clone() },
            None => member.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Member {
        Member::new(name, format!("http://{name}"))
    }

    #[test]
    fn numbers_do_not_depend_on_the_order_given() {
        let one = Founders::new(vec![member("b"), member("a"), member("c")]);
        let other = Founders::new(vec![member("c"), member("b"), member("a")]);
        assert_eq!(one, other);
        assert_eq!(one.group(), other.group());
        assert_eq!(one.number("b"), Some(2));
        assert_eq!(one.numbered()[&2], member("b"));
        assert_eq!(one.number("d"), None);
        assert_ne!(one.group(), Founders::new(vec![member("a"), member("b")]).group());
    }

    #[test]
    fn an_address_given_now_comes_before_one_that_was_written_down() {
        let addresses = Founders::new(vec![member("a")]).addresses();
        assert_eq!(addresses.of(&Member::new("a", "http://before")), member("a"));
        assert_eq!(addresses.of(&Member::new("b", "http://b")), member("b"));
    }
}
