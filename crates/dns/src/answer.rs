use std::net::IpAddr;

use domain::base::iana::{Class, Opcode, OptRcode, Rcode, Rtype};
use domain::base::message_builder::{AdditionalBuilder, AnswerBuilder, MessageBuilder, StaticCompressor};
use domain::base::name::{Name, ParsedName, ToLabelIter};
use domain::base::{Header, HeaderSection, Message, Serial, Ttl};
use domain::rdata::{A, Aaaa, Soa, Srv};
use icefield_spec::DOMAIN;

use crate::look_up::Found;
use crate::zone::{Replica, Service, TTL, Zone};

/// The most bytes of an answer over UDP: what passes any network in one piece.
pub(crate) const UDP_MOST: u16 = 1232;

/// The bytes over UDP that everyone takes.
const UDP_LEAST: u16 = 512;

/// The bytes of an OPT record without options.
const OPT_LENGTH: usize = 11;

/// How a question came, which says how long an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// In a packet.
    Udp,
    /// Over a connection.
    Tcp,
}

/// What is to be done about a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The answer is made.
    Answered,
    /// It is not about the clusters' domain.
    Outside,
    /// It is not worth an answer.
    Silent,
}

/// How answers are to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) way: Way,
    /// Which of several equal records comes first: another one each time, so that clients spread.
    pub(crate) turn: u64,
    /// Whether questions of others are passed on.
    pub(crate) recursive: bool,
}

type Target = StaticCompressor<Vec<u8>>;

/// Answers `query` from `zone` into `out`.
pub(crate) fn answer(zone: &Zone, query: &[u8], manner: Manner, out: &mut Vec<u8>) -> Verdict {
    let Ok(message) = Message::from_slice(query) else { return Verdict::Silent };
    // An answer is never answered: two servers would never stop.
    if message.header().qr() {
        return Verdict::Silent;
    }
    if message.header().opcode() != Opcode::QUERY {
        refuse(query, Rcode::NOTIMP, manner.recursive, out);
        return Verdict::Answered;
    }
    let Ok(question) = message.sole_question() else {
        refuse(query, Rcode::FORMERR, manner.recursive, out);
        return Verdict::Answered;
    };
    let mut text = [0; 255];
    let mut labels = [""; MOST_LABELS];
    let Some(count) = lower_case(question.qname(), &mut text, &mut labels) else {
        // Too many labels for a name of ours: nothing, or somebody else's.
        return outside_or_nothing(zone, message, question.qname(), manner, out);
    };
    let labels = &labels[..count];
    if !Zone::covers(labels) {
        return Verdict::Outside;
    }
    if !matches!(question.qclass(), Class::IN | Class::ANY)
        || matches!(question.qtype(), Rtype::AXFR | Rtype::IXFR | Rtype::MAILA | Rtype::MAILB)
    {
        refuse(query, Rcode::REFUSED, manner.recursive, out);
        return Verdict::Answered;
    }
    let found = zone.cluster.as_ref().map(|_| zone.look_up(labels)).filter(Found::is_known);
    Answer { zone, message, manner }.write(question.qname(), question.qtype(), found, out);
    Verdict::Answered
}

/// An answer without any content.
pub(crate) fn refuse(query: &[u8], rcode: Rcode, recursive: bool, out: &mut Vec<u8>) {
    out.clear();
    let Ok(message) = Message::from_slice(query) else { return };
    let builder = MessageBuilder::from_target(StaticCompressor::new(std::mem::take(out)));
    let Ok(mut builder) = builder;
    // The question is shown again only if it is one: else a packet full of them would come back.
    let question = message.sole_question().is_ok();
    let header = builder.header_mut();
    header.set_id(message.header().id());
    header.set_qr(true);
    header.set_opcode(message.header().opcode());
    header.set_rd(message.header().rd());
    header.set_ra(recursive);
    header.set_rcode(rcode);
    let builder = if question {
        let mut answer = builder.start_error(message, rcode);
        answer.header_mut().set_ra(recursive);
        answer.finish()
    } else {
        builder.finish()
    };
    *out = builder.into_target();
}

/// An answer that only says that there is more than fits: the client asks again over a connection.
pub(crate) fn cut(query: &[u8], out: &mut Vec<u8>) {
    refuse(query, Rcode::NOERROR, true, out);
    if out.len() >= size_of::<HeaderSection>() {
        Header::for_message_slice_mut(out).set_tc(true);
    }
}

/// The most bytes that an answer to `query` over UDP may have.
pub(crate) fn room(query: &[u8]) -> usize {
    let opt = Message::from_slice(query).ok().and_then(Message::opt);
    usize::from(opt.map_or(UDP_LEAST, |opt| opt.udp_payload_size().max(UDP_LEAST)))
}

/// The most labels that a name of ours has: `_http._tcp.web.shop.icefield`.
const MOST_LABELS: usize = 5;

/// Writes the labels of `name` in lower case into `text`, without the root, and points `labels` at them; `None` if there are
/// more than `labels` has room for, or one is not of ASCII.
fn lower_case<'t>(name: &ParsedName<&[u8]>, text: &'t mut [u8; 255], labels: &mut [&'t str]) -> Option<usize> {
    let mut ends = [0; MOST_LABELS];
    let (mut count, mut end) = (0, 0);
    for label in name.iter_labels().filter(|label| !label.is_root()) {
        let bytes = label.as_slice();
        text.get_mut(end..end + bytes.len())?.copy_from_slice(bytes);
        end += bytes.len();
        *ends.get_mut(count)? = end;
        count += 1;
    }
    let text = &mut text[..end];
    text.make_ascii_lowercase();
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let mut start = 0;
    for (label, end) in labels.iter_mut().zip(&ends[..count]) {
        *label = text.get(start..*end)?;
        start = *end;
    }
    Some(count)
}

/// A name that has a form that none of ours has.
fn outside_or_nothing(
    zone: &Zone,
    message: &Message<[u8]>,
    name: &ParsedName<&[u8]>,
    manner: Manner,
    out: &mut Vec<u8>,
) -> Verdict {
    let last = name.iter_labels().rfind(|label| !label.is_root());
    if !last.is_some_and(|label| label.as_slice().eq_ignore_ascii_case(DOMAIN.as_bytes())) {
        return Verdict::Outside;
    }
    let found = zone.cluster.is_some().then_some(Found::Nothing);
    Answer { zone, message, manner }.write(name, Rtype::ANY, found, out);
    Verdict::Answered
}

/// An answer that is being made.
struct Answer<'a> {
    zone: &'a Zone,
    message: &'a Message<[u8]>,
    manner: Manner,
}

/// A section has no more room.
struct Full;

impl Answer<'_> {
    fn write(&self, name: &ParsedName<&[u8]>, rtype: Rtype, found: Option<Found<'_>>, out: &mut Vec<u8>) {
        let rcode = match found {
            None => Rcode::SERVFAIL,
            Some(Found::Nothing) => Rcode::NXDOMAIN,
            Some(_) => Rcode::NOERROR,
        };
        let opt = self.message.opt();
        let most = match self.manner.way {
            Way::Udp => opt.as_ref().map_or(UDP_LEAST, |opt| opt.udp_payload_size().clamp(UDP_LEAST, UDP_MOST)),
            Way::Tcp => u16::MAX,
        };
        // What the builder is given is the first length that is too long.
        let limit = usize::from(most) + 1 - opt.as_ref().map_or(0, |_| OPT_LENGTH);
        let Ok(mut builder) = MessageBuilder::from_target(StaticCompressor::new(std::mem::take(out)));
        builder.set_push_limit(limit);
        let bad_version = opt.as_ref().is_some_and(|opt| opt.version() > 0);
        let mut answer = builder.start_error(self.message, if bad_version { Rcode::NOERROR } else { rcode });
        answer.header_mut().set_aa(found.is_some() && !bad_version);
        answer.header_mut().set_ra(self.manner.recursive);
        let mut whole = Ok(());
        if let Some(found) = found.filter(|_| !bad_version) {
            whole = self.records(name, rtype, found, &mut answer);
        }
        let mut additional = match whole {
            // Of a set that does not fit, none is sent, and the client asks again over a connection, where as many are
            // sent as fit.
            Err(Full) if self.manner.way == Way::Udp => answer.tc_rewind_into().additional(),
            _ if bad_version || found.is_none() => answer.additional(),
            _ if answer.counts().ancount() == 0 => self.nothing(answer),
            _ => self.addresses(found, answer),
        };
        if opt.is_some() {
            additional.set_push_limit(limit + OPT_LENGTH);
            // There is room for it, by the limit until here.
            let _ = additional.opt(|opt| {
                opt.set_udp_payload_size(UDP_MOST);
                if bad_version {
                    opt.set_rcode(OptRcode::BADVERS);
                }
                Ok(())
            });
        }
        *out = additional.finish().into_target();
    }

    /// The records that are asked for.
    fn records(
        &self,
        name: &ParsedName<&[u8]>,
        rtype: Rtype,
        found: Found<'_>,
        answer: &mut AnswerBuilder<Target>,
    ) -> Result<(), Full> {
        let (v4, v6) = match rtype {
            Rtype::A => (true, false),
            Rtype::AAAA => (false, true),
            // Whoever asks for all is given one kind, as RFC 8482 permits.
            Rtype::ANY => (true, true),
            _ => (false, false),
        };
        match found {
            Found::Service(service) => {
                if v4 {
                    for address in self.turned(&service.v4) {
                        answer.push((name, Class::IN, TTL, A::new(*address))).map_err(|_| Full)?;
                    }
                }
                if v6 && answer.counts().ancount() == 0 {
                    for address in self.turned(&service.v6) {
                        answer.push((name, Class::IN, TTL, Aaaa::new(*address))).map_err(|_| Full)?;
                    }
                }
                Ok(())
            }
            Found::Replica(replica) => replica
                .addresses
                .iter()
                .try_for_each(|address| match address {
                    IpAddr::V4(address) if v4 => answer.push((name, Class::IN, TTL, A::new(*address))),
                    IpAddr::V6(address) if v6 => answer.push((name, Class::IN, TTL, Aaaa::new(*address))),
                    _ => Ok(()),
                })
                .map_err(|_| Full),
            Found::Port(service, port) if matches!(rtype, Rtype::SRV | Rtype::ANY) => {
                for replica in self.turned(&service.replicas).filter(|replica| !replica.addresses.is_empty()) {
                    let Some(number) = replica.port(port) else { continue };
                    let Some(target) = self.replica_name(service, replica) else { continue };
                    answer.push((name, Class::IN, TTL, Srv::new(0, 1, number, target))).map_err(|_| Full)?;
                }
                Ok(())
            }
            Found::Apex if matches!(rtype, Rtype::SOA | Rtype::ANY) => match self.soa() {
                Some(soa) => answer.push((name, Class::IN, TTL, soa)).map_err(|_| Full),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Says that there is nothing, and for how long that may be kept.
    fn nothing(&self, answer: AnswerBuilder<Target>) -> AdditionalBuilder<Target> {
        let mut authority = answer.authority();
        if let (Some(apex), Some(soa)) = (joined(&[DOMAIN]), self.soa()) {
            // Without room for it the answer is still true, only not kept.
            let _ = authority.push((apex, Class::IN, TTL, soa));
        }
        authority.additional()
    }

    /// The addresses of the replicas that the answer names, as far as there is room.
    fn addresses(&self, found: Option<Found<'_>>, answer: AnswerBuilder<Target>) -> AdditionalBuilder<Target> {
        let mut additional = answer.additional();
        let Some(Found::Port(service, port)) = found else { return additional };
        for replica in self.turned(&service.replicas).filter(|replica| replica.port(port).is_some()) {
            let Some(target) = self.replica_name(service, replica) else { continue };
            let pushed = replica.addresses.iter().try_for_each(|address| match address {
                IpAddr::V4(address) => additional.push((&target, Class::IN, TTL, A::new(*address))),
                IpAddr::V6(address) => additional.push((&target, Class::IN, TTL, Aaaa::new(*address))),
            });
            if pushed.is_err() {
                break;
            }
        }
        additional
    }

    /// All of `list`, beginning somewhere else each time.
    fn turned<'l, T>(&self, list: &'l [T]) -> impl Iterator<Item = &'l T> {
        let first = usize::try_from(self.manner.turn % (list.len().max(1) as u64)).unwrap_or(0);
        let (before, from) = list.split_at(first);
        from.iter().chain(before)
    }

    fn replica_name(&self, service: &Service, replica: &Replica) -> Option<Name<Vec<u8>>> {
        let cluster = self.zone.cluster.as_ref()?;
        joined(&[&replica.index.to_string(), &service.name, cluster.as_str(), DOMAIN])
    }

    fn soa(&self) -> Option<Soa<Name<Vec<u8>>>> {
        let ttl = Ttl::from_secs(TTL);
        let (server, person) = (joined(&["ns", DOMAIN])?, joined(&["hostmaster", DOMAIN])?);
        Some(Soa::new(server, person, Serial(self.zone.serial), ttl, ttl, ttl, ttl))
    }
}

/// The name with these labels; `None` if one of them is none.
fn joined(labels: &[&str]) -> Option<Name<Vec<u8>>> {
    let mut octets = Vec::with_capacity(64);
    for label in labels {
        octets.push(u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?);
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    Name::from_octets(octets).ok()
}

#[cfg(test)]
mod tests;
