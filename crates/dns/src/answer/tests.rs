use std::collections::BTreeMap;

use domain::base::message_builder::MessageBuilder as Builder;
use domain::base::name::Name as Domain;
use domain::rdata::AllRecordData;
use icefield_plan::Endpoint;
use icefield_spec::Name as Label;
use proptest::prelude::*;

use super::*;

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn endpoint(index: u32, address: &str) -> Endpoint {
    let ports = BTreeMap::from([(label("http"), 8000 + u16::try_from(index).unwrap())]);
    Endpoint { index, node: label("n1"), address: address.into(), ports }
}

fn zone(replicas: u32) -> Zone {
    let mut zone = Zone::new();
    zone.set_cluster(&label("shop"));
    let all: Vec<Endpoint> = (0..replicas).map(|n| endpoint(n, &format!("10.0.{}.{}", n / 256, n % 256))).collect();
    zone.set(&label("web"), &all);
    zone.set(&label("six"), &[endpoint(0, "fd00::1"), endpoint(1, "10.9.9.9"), endpoint(2, "10.9.9.9")]);
    zone.set(&label("idle"), &[]);
    zone.set(&label("named"), &[endpoint(0, "some-host")]);
    zone.set(&label("shop"), &[endpoint(0, "10.7.7.7")]);
    zone
}

fn query(name: &str, rtype: Rtype, size: Option<u16>) -> Vec<u8> {
    let mut builder = Builder::new_vec();
    builder.header_mut().set_id(7);
    builder.header_mut().set_rd(true);
    let mut question = builder.question();
    question.push((Domain::<Vec<u8>>::from_chars(name.chars()).unwrap(), rtype)).unwrap();
    let mut additional = question.additional();
    if let Some(size) = size {
        additional
            .opt(|opt| {
                opt.set_udp_payload_size(size);
                Ok(())
            })
            .unwrap();
    }
    additional.finish()
}

const MANNER: Manner = Manner { way: Way::Udp, turn: 0, recursive: false };

fn asked(zone: &Zone, query: &[u8], manner: Manner) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(answer(zone, query, manner, &mut out), Verdict::Answered);
    out
}

/// The code of an answer, and its records in words.
fn told(bytes: &[u8]) -> (Rcode, Vec<String>) {
    let message = Message::from_octets(bytes).unwrap();
    let records = message.answer().unwrap().limit_to::<AllRecordData<_, _>>();
    (message.header().rcode(), records.map(|record| record.unwrap().data().to_string()).collect())
}

fn find(name: &str, rtype: Rtype) -> (Rcode, Vec<String>) {
    told(&asked(&zone(3), &query(name, rtype, None), MANNER))
}

fn authority(bytes: &[u8]) -> usize {
    Message::from_octets(bytes).unwrap().authority().unwrap().limit_to::<Soa<_>>().filter(Result::is_ok).count()
}

#[test]
fn names_and_what_they_stand_for() {
    let all = vec!["10.0.0.0".to_owned(), "10.0.0.1".into(), "10.0.0.2".into()];
    for name in ["web.shop.icefield", "web.icefield", "WEB.Shop.iceField"] {
        assert_eq!(find(name, Rtype::A), (Rcode::NOERROR, all.clone()), "{name}");
    }
    for name in ["2.web.shop.icefield", "2.web.icefield"] {
        assert_eq!(find(name, Rtype::A), (Rcode::NOERROR, vec!["10.0.0.2".into()]), "{name}");
    }
    assert_eq!(find("six.icefield", Rtype::A).1, ["10.9.9.9"], "an address that two replicas share is told once");
    assert_eq!(find("six.icefield", Rtype::AAAA).1, ["fd00::1"]);
    assert_eq!(find("shop.icefield", Rtype::A).1, ["10.7.7.7"], "a service may be called like the cluster");
    assert_eq!(find("0.shop.icefield", Rtype::A).1, ["10.7.7.7"]);
    let nothing = (Rcode::NOERROR, Vec::new());
    for (name, rtype) in [
        ("web.icefield", Rtype::AAAA),
        ("web.icefield", Rtype::TXT),
        ("idle.icefield", Rtype::A),
        ("_tcp.web.icefield", Rtype::SRV),
        ("_http._tcp.idle.icefield", Rtype::SRV),
        ("icefield", Rtype::A),
    ] {
        assert_eq!(find(name, rtype), nothing, "{name} {rtype}");
    }
    for name in [
        "nope.icefield",
        "web.other.icefield",
        "3.web.icefield",
        "02.web.icefield",
        "a.b.web.shop.icefield",
        "a.b.c.d.e.f.web.shop.icefield",
        "_smtp._tcp.web.icefield",
        "_http._sctp.web.icefield",
    ] {
        assert_eq!(find(name, Rtype::A), (Rcode::NXDOMAIN, Vec::new()), "{name}");
    }
}

#[test]
fn what_is_not_there_may_be_kept_for_as_long_as_the_rest() {
    for name in ["web.icefield", "nope.icefield"] {
        let bytes = asked(&zone(3), &query(name, Rtype::TXT, None), MANNER);
        let message = Message::from_octets(&bytes[..]).unwrap();
        let soa = message.authority().unwrap().limit_to::<Soa<_>>().next().unwrap().unwrap();
        assert_eq!((soa.owner().to_string().as_str(), soa.ttl().as_secs()), (DOMAIN, TTL));
        assert_eq!(soa.data().minimum().as_secs(), TTL);
        assert!(message.header().aa());
    }
    assert_eq!(authority(&asked(&zone(3), &query("web.icefield", Rtype::A, None), MANNER)), 0);
}

#[test]
fn ports_come_with_their_hosts() {
    let bytes = asked(&zone(2), &query("_http._tcp.web.shop.icefield", Rtype::SRV, None), MANNER);
    assert_eq!(told(&bytes).1, ["0 1 8000 0.web.shop.icefield", "0 1 8001 1.web.shop.icefield"]);
    let message = Message::from_octets(&bytes[..]).unwrap();
    let hosts = message.additional().unwrap().limit_to::<A>().map(|record| {
        let record = record.unwrap();
        format!("{} {}", record.owner(), record.data())
    });
    assert_eq!(hosts.collect::<Vec<_>>(), ["0.web.shop.icefield 10.0.0.0", "1.web.shop.icefield 10.0.0.1"]);
}

#[test]
fn a_question_comes_back_as_it_was_written() {
    let asked_for = query("wEb.SHOP.icefield", Rtype::A, None);
    let bytes = asked(&zone(1), &asked_for, MANNER);
    assert_eq!(&bytes[12..asked_for.len()], &asked_for[12..]);
    assert_eq!(&bytes[..2], &asked_for[..2]);
}

#[test]
fn records_take_turns() {
    let first =
        |turn| told(&asked(&zone(3), &query("web.icefield", Rtype::A, None), Manner { turn, ..MANNER })).1.remove(0);
    assert_eq!([first(0), first(1), first(2), first(u64::MAX)], ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.0"]);
}

#[test]
fn what_does_not_fit_is_asked_for_again_over_a_connection() {
    let zone = zone(1_000);
    for (size, most) in [(None, 512), (Some(100), 512), (Some(1_232), 1_232), (Some(65_535), 1_232)] {
        let bytes = asked(&zone, &query("web.icefield", Rtype::A, size), MANNER);
        let message = Message::from_octets(&bytes[..]).unwrap();
        assert!(message.header().tc() && bytes.len() <= most, "{size:?}");
        assert_eq!(message.header_counts().ancount(), 0);
        assert_eq!(message.opt().is_some(), size.is_some());
    }
    let tcp = Manner { way: Way::Tcp, ..MANNER };
    let bytes = asked(&zone, &query("web.icefield", Rtype::A, None), tcp);
    assert_eq!(told(&bytes).1.len(), 1_000);
    let bytes = asked(&self::zone(10_000), &query("web.icefield", Rtype::A, Some(1_232)), tcp);
    let message = Message::from_octets(&bytes[..]).unwrap();
    assert!(bytes.len() <= 65_535 && message.header_counts().ancount() > 4_000 && message.opt().is_some());
    let bytes = asked(&self::zone(28), &query("web.icefield", Rtype::A, Some(512)), MANNER);
    assert!(bytes.len() <= 512 && told(&bytes).1.len() == 28);
}

#[test]
fn refusals() {
    let rcode = |query: &[u8]| told(&asked(&zone(1), query, MANNER)).0;
    assert_eq!(rcode(&query("icefield", Rtype::AXFR, None)), Rcode::REFUSED);
    let mut update = query("web.icefield", Rtype::A, None);
    update[2] = 5 << 3;
    assert_eq!(rcode(&update), Rcode::NOTIMP);
    let mut two = query("web.icefield", Rtype::A, None);
    two[5] = 2;
    let refused = asked(&zone(1), &two, MANNER);
    assert_eq!((told(&refused).0, refused.len()), (Rcode::FORMERR, 12));
    let mut out = Vec::new();
    assert_eq!(answer(&zone(1), &query("example.org", Rtype::A, None), MANNER, &mut out), Verdict::Outside);
    let mut reply = query("web.icefield", Rtype::A, None);
    reply[2] |= 0x80;
    assert_eq!(answer(&zone(1), &reply, MANNER, &mut out), Verdict::Silent);
    assert_eq!(answer(&zone(1), &reply[..11], MANNER, &mut out), Verdict::Silent);
    let bytes = asked(&Zone::new(), &query("web.icefield", Rtype::A, None), MANNER);
    assert_eq!(told(&bytes).0, Rcode::SERVFAIL, "who knows nothing does not say that there is nothing");
    let mut newer = query("web.icefield", Rtype::A, Some(1_232));
    let version = newer.len() - 5;
    newer[version] = 1;
    let bytes = asked(&zone(1), &newer, MANNER);
    let opt_rcode = Message::from_octets(&bytes[..]).unwrap().opt_rcode();
    assert_eq!(opt_rcode, OptRcode::BADVERS);
}

fn packets() -> impl Strategy<Value = Vec<u8>> {
    let spoiled = (any::<prop::sample::Index>(), any::<u8>());
    let names = prop::sample::select(vec!["web.shop.icefield", "_http._tcp.web.icefield", "x.example.org", "icefield"]);
    let known = (names, any::<u16>(), prop::option::of(any::<u16>()), prop::collection::vec(spoiled, 0..4));
    let known = known.prop_map(|(name, rtype, size, spoiled)| {
        let mut packet = query(name, Rtype::from_int(rtype), size);
        for (at, byte) in spoiled {
            let at = at.index(packet.len());
            packet[at] = byte;
        }
        packet
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..600), known]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_packet_is_survived_and_none_is_answered_at_length(packet in packets(), turn in any::<u64>()) {
        let zone = zone(40);
        let mut out = Vec::new();
        let verdict = answer(&zone, &packet, Manner { turn, ..MANNER }, &mut out);
        if verdict == Verdict::Answered {
            prop_assert!(out.len() >= 12 && out.len() <= usize::from(UDP_MOST), "{} bytes", out.len());
            prop_assert!(Message::from_octets(&out[..]).unwrap().header().qr());
            prop_assert_eq!(&out[..2], &packet[..2]);
        }
        refuse(&packet, Rcode::SERVFAIL, true, &mut out);
        cut(&packet, &mut out);
        prop_assert!(out.len() <= 12 + 255 + 4 && room(&packet) >= 512);
    }
}

#[test]
fn a_node_that_is_known_by_a_name_is_where_that_was_looked_up() {
    let mut zone = zone(1);
    let mixed = [endpoint(0, "some-host"), endpoint(1, "10.0.0.1"), endpoint(2, "other-host")];
    zone.set(&label("mixed"), &mixed);
    let find = |zone: &Zone, name: &str, rtype| told(&asked(zone, &query(name, rtype, Some(1232)), MANNER));
    let unknown = (Rcode::SERVFAIL, Vec::new());
    for (name, rtype) in [
        ("named.icefield", Rtype::A),
        ("0.named.icefield", Rtype::A),
        ("_http._tcp.named.icefield", Rtype::SRV),
        ("0.mixed.icefield", Rtype::A),
    ] {
        assert_eq!(find(&zone, name, rtype), unknown, "nobody may take it for nowhere: {name}");
    }
    assert_eq!(find(&zone, "mixed.icefield", Rtype::A).1, ["10.0.0.1"]);
    assert_eq!(find(&zone, "_http._tcp.mixed.icefield", Rtype::SRV).1.len(), 1, "whoever follows it must arrive");
    let serial = zone.serial;
    zone.set_host("some-host", vec!["10.0.0.9".parse().unwrap(), "fd00::9".parse().unwrap()]);
    assert_ne!(zone.serial, serial);
    assert_eq!(find(&zone, "named.icefield", Rtype::A), (Rcode::NOERROR, vec!["10.0.0.9".into()]));
    assert_eq!(find(&zone, "0.named.icefield", Rtype::AAAA).1, ["fd00::9"]);
    assert_eq!(find(&zone, "mixed.icefield", Rtype::A).1.len(), 2);
    assert_eq!(find(&zone, "_http._tcp.mixed.icefield", Rtype::SRV).1.len(), 2);
    zone.set_host("some-host", Vec::new());
    assert_eq!(find(&zone, "named.icefield", Rtype::A), unknown);
}
