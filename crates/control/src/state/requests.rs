use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Applied, Fingerprint, Request};

/// What became of the last requests, so that one that is repeated gets the first one's answer and changes nothing.
///
/// The newest [`Self::MOST`] are remembered, for [`Self::KEPT`] milliseconds. They are kept in slices of the time, each of
/// which is forgotten as a whole: copying the state copies none but the newest, and that only if it grows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Requests(VecDeque<Arc<Slice>>);

/// Requests that came one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Slice {
    /// The dates of the first and the last of them.
    first: u64,
    last: u64,
    outcomes: BTreeMap<Fingerprint, Outcome>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Outcome {
    content: Fingerprint,
    applied: Applied,
}

impl Requests {
    /// How many requests are remembered.
    pub const MOST: usize = 65_536;
    /// How long they are, in milliseconds.
    pub const KEPT: u64 = 10 * 60 * 1_000;
    /// The most in one slice.
    const SLICE: usize = 4_096;
    /// The longest time that one slice may span, in milliseconds.
    const SPAN: u64 = 60_000;

    /// What became of the request with this key, if it is remembered.
    pub fn outcome(&self, request: &Request) -> Option<Applied> {
        let outcome = self.0.iter().rev().find_map(|slice| slice.outcomes.get(&request.key))?;
        Some(if outcome.content == request.content { outcome.applied.clone() } else { Applied::KeyReused })
    }

    /// The date of the newest that is remembered.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.0.back().map(|slice| slice.last)
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.iter().map(|slice| slice.outcomes.len()).sum()
    }

    pub(super) fn remember(&mut self, request: Request, applied: Applied) {
        let Request { key, content, at } = request;
        let full =
            |slice: &Arc<Slice>| slice.outcomes.len() >= Self::SLICE || at.saturating_sub(slice.first) >= Self::SPAN;
        if self.0.back().is_none_or(full) {
            self.0.push_back(Arc::new(Slice { first: at, last: at, outcomes: BTreeMap::new() }));
        }
        if let Some(newest) = self.0.back_mut() {
            let newest = Arc::make_mut(newest);
            newest.last = newest.last.max(at);
            newest.outcomes.insert(key, Outcome { content, applied });
        }
        self.forget(at);
    }

    fn forget(&mut self, now: u64) {
        let mut count = self.len();
        while let Some(oldest) = self.0.front() {
            if count <= Self::MOST && now.saturating_sub(oldest.last) < Self::KEPT {
                return;
            }
            count -= oldest.outcomes.len();
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: u64) -> Fingerprint {
        Fingerprint::of([&number.to_le_bytes()[..]])
    }

    fn request(number: u64, at: u64) -> Request {
        Request { key: of(number), content: of(0), at }
    }

    #[test]
    fn gives_the_first_answer_to_the_same_and_none_to_another() {
        let mut requests = Requests::default();
        assert_eq!(requests.outcome(&request(1, 5)), None);
        requests.remember(request(1, 5), Applied::Done(7));
        assert_eq!(requests.outcome(&request(1, 99)), Some(Applied::Done(7)));
        assert_eq!(requests.outcome(&request(2, 99)), None);
        let other = Request { content: of(3), ..request(1, 99) };
        assert_eq!(requests.outcome(&other), Some(Applied::KeyReused));
    }

    #[test]
    fn forgets_by_time() {
        let mut requests = Requests::default();
        requests.remember(request(1, 1_000), Applied::Done(1));
        requests.remember(request(2, 1_000 + Requests::KEPT - 1), Applied::Done(2));
        assert_eq!(requests.len(), 2);
        requests.remember(request(3, 1_000 + Requests::KEPT), Applied::Done(3));
        assert_eq!(requests.outcome(&request(1, 0)), None);
        assert_eq!(requests.outcome(&request(2, 0)), Some(Applied::Done(2)));
    }

    #[test]
    fn forgets_by_count() {
        let mut requests = Requests::default();
        for number in 0..100_000 {
            requests.remember(request(number, 5), Applied::Done(number));
            assert!(requests.len() <= Requests::MOST);
        }
        assert!(requests.len() > Requests::MOST - Requests::SLICE);
        assert_eq!(requests.outcome(&request(0, 5)), None);
        assert_eq!(requests.outcome(&request(99_999, 5)), Some(Applied::Done(99_999)));
        let oldest = 100_000 - requests.len() as u64;
        assert_eq!(requests.outcome(&request(oldest, 5)), Some(Applied::Done(oldest)));
    }

    #[test]
    fn a_clock_that_goes_back_does_no_harm() {
        let mut requests = Requests::default();
        requests.remember(request(1, 10_000), Applied::Done(1));
        requests.remember(request(2, 0), Applied::Done(2));
        assert_eq!(requests.len(), 2);
    }

    #[test]
    fn is_read_as_it_is_written() {
        let mut requests = Requests::default();
        requests.remember(request(1, 5), Applied::Refused("no".into()));
        requests.remember(request(2, 90_000), Applied::Unchanged(2));
        let text = serde_json::to_string(&requests).unwrap();
        assert_eq!(serde_json::from_str::<Requests>(&text).unwrap(), requests);
    }
}
