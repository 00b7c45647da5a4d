use serde::{Deserialize, Serialize};

/// One server of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The URL that it is reached by, without a slash at its end.
    pub api: String,
}

/// The servers of a group, by name. Every server of it is started with the same ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Members(Vec<Member>);

impl Members {
    pub(crate) fn new(mut members: Vec<Member>) -> Self {
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Self(members)
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|member| member.name.clone()).collect()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.iter()
    }

    /// Raft's number of a server: its place in the list, from 1 up.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0.iter().position(|member| member.name == name).map(|at| at as u64 + 1)
    }

    /// The server of a number.
    pub(super) fn get(&self, number: u64) -> Option<&Member> {
        self.0.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// The numbers of all.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        (1..).take(self.0.len())
    }

    /// A text that only servers of the same group have: a message that reached another group's server by mistake (after
    /// a restart on a port that was another's) is recognised by it.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Member {
        Member { name: name.into(), api: format!("http://{name}") }
    }

    #[test]
    fn numbers_do_not_depend_on_the_order_given() {
        let one = Members::new(vec![member("b"), member("a"), member("c")]);
        let other = Members::new(vec![member("c"), member("b"), member("a")]);
        assert_eq!(one, other);
        assert_eq!(one.group(), other.group());
        assert_eq!(one.number("b"), Some(2));
        assert_eq!(one.get(2).map(|member| member.name.as_str()), Some("b"));
        assert_eq!(one.get(0), None);
        assert_eq!(one.get(4), None);
        assert_ne!(one.group(), Members::new(vec![member("a"), member("b")]).group());
    }
}
