//! The server as clients see it: over sockets.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use domain::base::iana::{Rcode, Rtype};
use domain::base::name::Name as Domain;
use domain::base::{Message, MessageBuilder};
use domain::rdata::A;
use icefield_dns::{DnsError, DnsServer, Forward, Zone};
use icefield_plan::Endpoint;
use icefield_spec::Name;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn zone(replicas: u32) -> Arc<RwLock<Zone>> {
    let mut zone = Zone::new();
    zone.set_cluster(&name("shop"));
    zone.set(&name("web"), &endpoints(replicas));
    Arc::new(RwLock::new(zone))
}

fn endpoints(replicas: u32) -> Vec<Endpoint> {
    let endpoint = |index| Endpoint {
        index,
        node: name("n1"),
        address: format!("10.0.{}.{}", index / 250, index % 250),
        ports: BTreeMap::new(),
    };
    (0..replicas).map(endpoint).collect()
}

fn start(zone: &Arc<RwLock<Zone>>, resolvers: Vec<SocketAddr>) -> DnsServer {
    DnsServer::start(([127, 0, 0, 1], 0).into(), Arc::clone(zone), &Forward { resolvers }, 1).unwrap()
}

fn question(text: &str) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(4_242);
    builder.header_mut().set_rd(true);
    let mut question = builder.question();
    question.push((Domain::<Vec<u8>>::from_chars(text.chars()).unwrap(), Rtype::A)).unwrap();
    question.finish()
}

fn client() -> UdpSocket {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn by_packet(to: SocketAddr, question: &[u8]) -> Message<Vec<u8>> {
    let socket = client();
    socket.send_to(question, to).unwrap();
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).unwrap();
    answer.truncate(length);
    Message::from_octets(answer).unwrap()
}

fn by_connection(to: SocketAddr, question: &[u8]) -> Message<Vec<u8>> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(&u16::try_from(question.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(question).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).unwrap();
    Message::from_octets(answer).unwrap()
}

fn addresses(message: &Message<Vec<u8>>) -> usize {
    message.answer().unwrap().limit_to::<A>().filter(Result::is_ok).count()
}

#[test]
fn answers_what_the_zone_has_at_the_time() {
    let zone = zone(3);
    let server = start(&zone, Vec::new());
    assert_eq!(addresses(&by_packet(server.address(), &question("web.shop.icefield"))), 3);
    zone.write().unwrap().set(&name("web"), &endpoints(1));
    assert_eq!(addresses(&by_packet(server.address(), &question("web.shop.icefield"))), 1);
    assert_eq!(addresses(&by_connection(server.address(), &question("web.icefield"))), 1);
}

#[test]
fn a_long_answer_goes_over_a_connection() {
    let server = start(&zone(500), Vec::new());
    let answer = by_packet(server.address(), &question("web.icefield"));
    assert!(answer.header().tc() && addresses(&answer) == 0);
    assert_eq!(addresses(&by_connection(server.address(), &question("web.icefield"))), 500);
}

#[test]
fn without_a_resolver_other_names_are_refused() {
    let server = start(&zone(1), Vec::new());
    let answer = by_packet(server.address(), &question("example.org"));
    assert_eq!(answer.header().rcode(), Rcode::REFUSED);
    assert!(!answer.header().ra());
}

#[test]
fn other_names_are_asked_of_the_resolver_and_only_its_own_answer_counts() {
    let resolver = client();
    let address = resolver.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let mut numbers = Vec::new();
        for _ in 0..2 {
            let mut asked = vec![0; 512];
            let (length, from) = resolver.recv_from(&mut asked).unwrap();
            let asked = Message::from_octets(asked[..length].to_vec()).unwrap();
            numbers.push((asked.header().id(), from.port()));
            let owner = asked.sole_question().unwrap().qname().to_owned();
            let mut answer = MessageBuilder::new_vec().start_answer(&asked, Rcode::NOERROR).unwrap();
            answer.push((owner, 60, A::from_octets(192, 0, 2, 1))).unwrap();
            let answer = answer.finish();
            let mut forged = answer.clone();
            forged[0] ^= 1;
            client().send_to(&answer, from).unwrap();
            resolver.send_to(&forged, from).unwrap();
            resolver.send_to(b"junk", from).unwrap();
            resolver.send_to(&answer, from).unwrap();
        }
        numbers
    });
    let server = start(&zone(1), vec![address]);
    for _ in 0..2 {
        let answer = by_packet(server.address(), &question("example.org"));
        assert_eq!((answer.header().id(), addresses(&answer)), (4_242, 1));
    }
    let numbers = answering.join().unwrap();
    assert_ne!(numbers[0], numbers[1], "the number and the port are of chance");
}

#[test]
fn a_resolver_that_is_silent_holds_up_nobody_else() {
    let silent = client();
    let server = start(&zone(1), vec![silent.local_addr().unwrap()]);
    let waiting = client();
    waiting.send_to(&question("example.org"), server.address()).unwrap();
    assert_eq!(addresses(&by_packet(server.address(), &question("web.icefield"))), 1);
    let mut answer = [0; 512];
    let length = waiting.recv(&mut answer).unwrap();
    assert_eq!(Message::from_octets(&answer[..length]).unwrap().header().rcode(), Rcode::SERVFAIL);
}

#[test]
fn it_never_asks_itself_and_survives_junk() {
    let zone = zone(1);
    let port = start(&zone, Vec::new()).address();
    let server = DnsServer::start(port, Arc::clone(&zone), &Forward { resolvers: vec![port] }, 1).unwrap();
    assert_eq!(by_packet(port, &question("example.org")).header().rcode(), Rcode::REFUSED);
    for length in 0..64 {
        client().send_to(&vec![0xff; length], server.address()).unwrap();
        let _ = TcpStream::connect(server.address()).unwrap().write_all(&vec![0; length]);
    }
    assert_eq!(addresses(&by_packet(port, &question("web.icefield"))), 1);
    let everywhere = DnsServer::start(([0, 0, 0, 0], 0).into(), zone, &Forward::default(), 1);
    assert!(matches!(everywhere, Err(DnsError::Unspecified(_))));
}
