use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use domain::base::Message;
use domain::base::iana::Rcode;

use crate::answer::{Manner, Verdict, Way, answer, cut, refuse, room};
use crate::forward::{Forward, Forwarder};
use crate::zone::Zone;

/// Knows the answers: those of its zone, and by asking others the rest.
#[derive(Debug)]
pub(crate) struct Resolver {
    zone: Arc<RwLock<Zone>>,
    forwarder: Forwarder,
    turn: AtomicU64,
}

impl Resolver {
    /// One of a server on `address`; `seed` says where the turn of equal records begins.
    pub(crate) fn new(zone: Arc<RwLock<Zone>>, forward: &Forward, address: SocketAddr, seed: u64) -> Self {
        Self { zone, forwarder: Forwarder::new(forward, address), turn: AtomicU64::new(seed) }
    }

    /// Answers a question into `out`; false if it is not worth an answer.
    pub(crate) async fn answer(&self, query: &[u8], way: Way, out: &mut Vec<u8>) -> bool {
        match self.own_answer(query, way, out) {
            Verdict::Silent => return false,
            Verdict::Answered => {}
            Verdict::Outside => self.others_answer(query, way, out).await,
        }
        true
    }

    pub(crate) fn own_answer(&self, query: &[u8], way: Way, out: &mut Vec<u8>) -> Verdict {
        let turn = mixed(self.turn.fetch_add(1, Ordering::Relaxed));
        let manner = Manner { way, turn, recursive: self.forwarder.is_there() };
        let zone = self.zone.read().unwrap_or_else(PoisonError::into_inner);
        match answer(&zone, query, manner, out) {
            // Who does not want it passed on is a resolver itself, and may be asking in a circle.
            Verdict::Outside if !manner.recursive || !wants_recursion(query) => {
                refuse(query, Rcode::REFUSED, manner.recursive, out);
                Verdict::Answered
            }
            verdict => verdict,
        }
    }

    pub(crate) async fn others_answer(&self, query: &[u8], way: Way, out: &mut Vec<u8>) {
        match self.forwarder.ask(query, way).await {
            Some(answer) if way == Way::Udp && answer.len() > room(query) => cut(query, out),
            Some(answer) => *out = answer,
            None => refuse(query, Rcode::SERVFAIL, true, out),
        }
    }
}

fn wants_recursion(query: &[u8]) -> bool {
    Message::from_slice(query).is_ok_and(|message| message.header().rd())
}

/// Spreads numbers that follow each other over all there are (the finish of splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
