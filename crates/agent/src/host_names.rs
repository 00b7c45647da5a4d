use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use icefield_plan::Endpoint;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Looks up the addresses of nodes that are known by a name, again and again, so that no question has to wait for that.
#[derive(Debug, Default)]
pub(crate) struct HostNames {
    known: BTreeMap<String, Known>,
    under_way: JoinSet<(String, io::Result<Vec<IpAddr>>)>,
}

/// What is known of one name.
#[derive(Debug)]
struct Known {
    /// How many endpoints have it.
    users: usize,
    /// When it is to be looked up next; `None` while it is.
    due: Option<Instant>,
    /// Whether it could not be looked up the last time.
    fails: bool,
}

impl HostNames {
    /// How long addresses are gone by before they are looked up again.
    const FRESH: Duration = Duration::from_secs(10);
    /// The same where the last look gave none.
    const AGAIN: Duration = Duration::from_secs(1);
    /// How many names are looked up at once: the system's resolver takes a thread for each.
    const MOST: usize = 8;

    /// Takes note that a service is reached at `after` and no more at `before`; gives back the names that nothing has now.
    pub(crate) fn replace(&mut self, before: &[Endpoint], after: &[Endpoint]) -> Vec<String> {
        for name in names(after) {
            let due = || Known { users: 0, due: Some(Instant::now()), fails: false };
            self.known.entry(name.to_owned()).or_insert_with(due).users += 1;
        }
        let mut gone = Vec::new();
        for name in names(before) {
            let Some(known) = self.known.get_mut(name) else { continue };
            known.users -= 1;
            if known.users == 0 {
                self.known.remove(name);
                gone.push(name.to_owned());
            }
        }
        gone
    }

    /// The next name that was looked up, with its addresses. Never returns while there is none; may be dropped at any time.
    pub(crate) async fn next(&mut self) -> (String, Vec<IpAddr>) {
        loop {
            let next = self.start();
            let due = async {
                match next {
                    Some(due) => sleep_until(due).await,
                    None => pending().await,
                }
            };
            let looked_up = tokio::select! {
                Some(looked_up) = self.under_way.join_next() => looked_up,
                () = due => continue,
            };
            // Only a runtime that ends aborts a look.
            let Ok((name, found)) = looked_up else { continue };
            if let Some(addresses) = self.take(&name, found) {
                return (name, addresses);
            }
        }
    }

    /// Looks up what is due, as far as there is room; when the next one is.
    fn start(&mut self) -> Option<Instant> {
        let now = Instant::now();
        for (name, known) in &mut self.known {
            if self.under_way.len() >= Self::MOST {
                // The end of one of them is waited for.
                return None;
            }
            if known.due.is_some_and(|due| due <= now) {
                known.due = None;
                let name = name.clone();
                self.under_way.spawn(async move {
                    let found = tokio::net::lookup_host((name.as_str(), 0)).await;
                    let found = found.map(|found| found.map(|address| address.ip()).collect());
                    (name, found)
                });
            }
        }
        self.known.values().filter_map(|known| known.due).min()
    }

    /// Takes note of what was found; what was found before is gone by if that is nothing.
    fn take(&mut self, name: &str, found: io::Result<Vec<IpAddr>>) -> Option<Vec<IpAddr>> {
        let known = self.known.get_mut(name)?;
        let found = found.and_then(|addresses| match addresses.is_empty() {
            true => Err(io::Error::other("it has no address")),
            false => Ok(addresses),
        });
        known.due = Some(Instant::now() + if found.is_ok() { Self::FRESH } else { Self::AGAIN });
        let failed = std::mem::replace(&mut known.fails, found.is_err());
        match found {
            Ok(mut addresses) => {
                addresses.sort_unstable();
                addresses.dedup();
                Some(addresses)
            }
            Err(error) => {
                if !failed {
                    tracing::warn!(name, %error, "the address of a node is a name that cannot be looked up");
                }
                None
            }
        }
    }
}

/// The addresses that are names, one for each endpoint that has one.
fn names(endpoints: &[Endpoint]) -> impl Iterator<Item = &str> {
    endpoints.iter().map(|endpoint| endpoint.address.as_str()).filter(|address| address.parse::<IpAddr>().is_err())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use icefield_spec::Name;

    use super::*;

    fn endpoint(address: &str) -> Endpoint {
        Endpoint { index: 0, node: Name::new("n1").unwrap(), address: address.into(), ports: BTreeMap::new() }
    }

    #[tokio::test]
    async fn a_name_is_looked_up_as_long_as_anything_has_it() {
        let mut names = HostNames::default();
        let named = [endpoint("localhost"), endpoint("10.0.0.1"), endpoint("localhost")];
        assert!(names.replace(&[], &named).is_empty());
        let (name, addresses) = names.next().await;
        assert_eq!(name, "localhost");
        assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
        assert!(names.known["localhost"].due.unwrap() > Instant::now(), "not again at once");
        assert!(names.replace(&named, &named[..1]).is_empty());
        assert_eq!(names.replace(&named[..1], &[]), ["localhost"]);
    }

    #[tokio::test]
    async fn what_was_found_before_is_gone_by_when_a_look_fails() {
        let mut names = HostNames::default();
        names.replace(&[], &[endpoint("here")]);
        assert_eq!(names.take("here", Ok(vec![[10, 0, 0, 9].into()])), Some(vec![[10, 0, 0, 9].into()]));
        assert_eq!(names.take("here", Ok(Vec::new())), None);
        assert!(names.known["here"].fails);
        assert_eq!(names.take("elsewhere", Ok(vec![[10, 0, 0, 9].into()])), None, "nothing has it any more");
    }
}
