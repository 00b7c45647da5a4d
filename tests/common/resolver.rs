//! A program that asks its node's agent for the names of services, as its resolver would.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use domain::base::iana::Rtype;
use domain::base::name::Name;
use domain::base::{Message, MessageBuilder};
use domain::rdata::{A, Srv};

/// How long a server of names may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the replicas of a service are, as told.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Their addresses and ports, in the order that they were told.
    pub(crate) replicas: Vec<SocketAddr>,
    /// Until when that may be gone by.
    pub(crate) until: Instant,
}

/// What the server at `dns` says of the port `port` of `service`; `None` if it says nothing of use.
pub(crate) fn find(dns: SocketAddr, port: &str, service: &str) -> Option<Found> {
    let asked = Instant::now();
    let answer = ask(dns, &format!("_{port}._tcp.{service}"), Rtype::SRV)?;
    let message = Message::from_octets(answer).ok()?;
    let mut addresses: BTreeMap<String, Ipv4Addr> = BTreeMap::new();
    for record in message.additional().ok()?.limit_to::<A>() {
        let record = record.ok()?;
        addresses.insert(record.owner().to_string(), record.data().addr());
    }
    let (mut replicas, mut ttl) = (Vec::new(), Duration::MAX);
    for record in message.answer().ok()?.limit_to::<Srv<_>>() {
        let record = record.ok()?;
        let target = record.data().target().to_string();
        let address = addresses.get(&target).copied().or_else(|| address(dns, &target));
        replicas.push(SocketAddr::from((address?, record.data().port())));
        ttl = ttl.min(record.ttl().into_duration());
    }
    (!replicas.is_empty()).then(|| Found { replicas, until: asked + ttl })
}

fn address(dns: SocketAddr, name: &str) -> Option<Ipv4Addr> {
    let message = Message::from_octets(ask(dns, name, Rtype::A)?).ok()?;
    let first = message.answer().ok()?.limit_to::<A>().next()?.ok()?;
    Some(first.data().addr())
}

/// Asks in a packet, and over a connection if the answer does not fit into one.
fn ask(dns: SocketAddr, name: &str, rtype: Rtype) -> Option<Vec<u8>> {
    let mut question = MessageBuilder::new_vec().question();
    question.header_mut().set_rd(true);
    question.push((Name::<Vec<u8>>::from_chars(name.chars()).ok()?, rtype)).ok()?;
    let question = question.finish();
    let socket = UdpSocket::bind(("127.0.0.1", 0)).ok()?;
    socket.connect(dns).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    socket.send(&question).ok()?;
    let mut answer = vec![0; 4_096];
    let length = socket.recv(&mut answer).ok()?;
    answer.truncate(length);
    if !Message::from_slice(&answer).ok()?.header().tc() {
        return Some(answer);
    }
    let mut stream = TcpStream::connect(dns).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = u16::try_from(question.len()).ok()?;
    stream.write_all(&[&length.to_be_bytes()[..], &question].concat()).ok()?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).ok()?;
    Some(answer)
}
