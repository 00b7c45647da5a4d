use std::sync::Arc;
use std::time::Duration;

use icefield_pki::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use icefield_pki::rustls::sign::{CertifiedKey, SingleCertAndKey};
use icefield_pki::rustls::time_provider::TimeProvider;
use icefield_pki::rustls::{self, ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection};
use icefield_pki::{Credential, Expect, Identity, JoinToken, client_config, joining_config, server_config};

use crate::cluster::{Cluster, DAY, NOW, name, node, server};

#[derive(Debug)]
struct At(u64);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0)))
    }
}

/// What the server knows of the client: nothing, or who it is.
type Client = Option<Identity>;

/// Both sides of a handshake in memory, at a time on both clocks; dialled is an address that stands in no certificate.
fn shake_at(now: u64, mut client: ClientConfig, server: Arc<ServerConfig>) -> Result<Client, String> {
    let mut server = Arc::unwrap_or_clone(server);
    client.time_provider = Arc::new(At(now));
    server.time_provider = Arc::new(At(now));
    exchange(Arc::new(client), Arc::new(server))
}

fn exchange(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Result<Client, String> {
    let address = ServerName::try_from("10.0.0.11").unwrap();
    let mut client = ClientConnection::new(client, address).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    while client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).unwrap();
            server.process_new_packets().map_err(|error| format!("server: {error:?}"))?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client.process_new_packets().map_err(|error| format!("client: {error:?}"))?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(client.alpn_protocol(), Some(b"h2".as_slice()));
    assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
    Ok(server.peer_certificates().map(|chain| Identity::of(&chain[0]).unwrap()))
}

fn shake(client: ClientConfig, server: Arc<ServerConfig>) -> Result<Client, String> {
    shake_at(NOW, client, server)
}

/// That a handshake failed on this side for this reason.
#[track_caller]
fn assert_refused(result: Result<Client, String>, side: &str, reason: &str) {
    let error = result.expect_err("the handshake succeeded");
    assert!(error.starts_with(side) && error.contains(reason), "{error}");
}

/// A server's configuration that sends exactly these certificates with the credential's key.
fn sending(cluster: &Cluster, credential: &Credential, chain: Vec<CertificateDer<'static>>) -> Arc<ServerConfig> {
    let pem = credential.to_pem();
    let key = rustls::pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let certified = CertifiedKey::new(chain, provider.key_provider.load_private_key(key).unwrap());
    let mut config = Arc::unwrap_or_clone(server_config(&cluster.bundle, credential));
    config.cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    Arc::new(config)
}

#[test]
fn members_know_each_other() {
    let cluster = Cluster::new();
    let (s1, s2, n1) =
        (cluster.credential(server("s1")), cluster.credential(server("s2")), cluster.credential(node("n1")));
    let to = |expect, from: &Credential, listening| {
        shake(client_config(&cluster.bundle, Some(from), expect), server_config(&cluster.bundle, listening))
    };
    assert_eq!(to(Expect::Server, &n1, &s1), Ok(Some(node("n1"))));
    assert_eq!(to(Expect::Server, &s2, &s1), Ok(Some(server("s2"))));
    assert_eq!(to(Expect::ServerNamed(name("s1")), &s2, &s1), Ok(Some(server("s2"))));
    assert_eq!(to(Expect::Node(name("n1")), &s1, &n1), Ok(Some(server("s1"))));
}

#[test]
fn a_client_may_have_no_certificate() {
    let cluster = Cluster::new();
    let s1 = cluster.credential(server("s1"));
    let client = client_config(&cluster.bundle, None, Expect::Server);
    assert_eq!(shake(client, server_config(&cluster.bundle, &s1)), Ok(None));
}

#[test]
fn a_node_is_no_server_and_one_name_not_another() {
    let cluster = Cluster::new();
    let (s1, n1) = (cluster.credential(server("s1")), cluster.credential(node("n1")));
    // Names that make a node look like a server, were they written otherwise.
    let sly = cluster.credential(node("server"));
    let to = |expect, listening| {
        shake(client_config(&cluster.bundle, None, expect), server_config(&cluster.bundle, listening))
    };
    assert_refused(to(Expect::Server, &n1), "client", "NotValidForName");
    assert_refused(to(Expect::Server, &sly), "client", "NotValidForName");
    assert_refused(to(Expect::ServerNamed(name("n1")), &n1), "client", "NotValidForName");
    assert_refused(to(Expect::ServerNamed(name("s2")), &s1), "client", "NotValidForName");
    assert_refused(to(Expect::Node(name("n2")), &n1), "client", "NotValidForName");
    assert_refused(to(Expect::Node(name("s1")), &s1), "client", "NotValidForName");
}

#[test]
fn another_authority_of_the_same_name_is_not_trusted() {
    let (ours, theirs) = (Cluster::new(), Cluster::new());
    let (s1, fake) = (ours.credential(server("s1")), theirs.credential(server("s1")));
    let client = client_config(&ours.bundle, None, Expect::Server);
    assert_refused(shake(client, server_config(&theirs.bundle, &fake)), "client", "BadSignature");
    let client = client_config(&ours.bundle, Some(&theirs.credential(node("n1"))), Expect::Server);
    assert_refused(shake(client, server_config(&ours.bundle, &s1)), "server", "BadSignature");
}

#[test]
fn an_authority_of_another_name_is_not_trusted() {
    let ours = Cluster::new();
    let theirs = Cluster::of(icefield_pki::Authority::create(&name("forge"), NOW).unwrap());
    let client = client_config(&ours.bundle, None, Expect::Server);
    let fake = theirs.credential(server("s1"));
    assert_refused(shake(client, server_config(&theirs.bundle, &fake)), "client", "UnknownIssuer");
    let client = client_config(&ours.bundle, Some(&theirs.credential(node("n1"))), Expect::Server);
    let s1 = ours.credential(server("s1"));
    assert_refused(shake(client, server_config(&ours.bundle, &s1)), "server", "UnknownIssuer");
}

#[test]
fn a_certificate_counts_in_its_time_alone() {
    let cluster = Cluster::new();
    let s1 = cluster.credential(server("s1"));
    let at =
        |now| shake_at(now, client_config(&cluster.bundle, None, Expect::Server), server_config(&cluster.bundle, &s1));
    let (hour, end) = (3_600_000, s1.expires());
    assert_eq!(end, NOW + 30 * DAY.as_millis() as u64);
    assert_eq!(at(NOW - hour), Ok(None));
    assert_refused(at(NOW - hour - 1000), "client", "NotValidYet");
    assert_eq!(at(end), Ok(None));
    assert_refused(at(end + 1000), "client", "Expired");
}

#[test]
fn a_client_whose_certificate_has_expired_is_refused() {
    let cluster = Cluster::new();
    let n1 = cluster.credential(node("n1"));
    let key = icefield_pki::KeyPair::generate().unwrap();
    let chain = cluster.authority.issue(&key.request().unwrap(), &server("s1"), 60 * DAY, NOW).unwrap();
    let s1 = Credential::new(chain, key).unwrap();
    let client = client_config(&cluster.bundle, Some(&n1), Expect::Server);
    assert_refused(shake_at(n1.expires() + 1000, client, server_config(&cluster.bundle, &s1)), "server", "Expired");
}

#[test]
fn the_authority_itself_is_not_a_server() {
    let cluster = Cluster::new();
    let record = serde_json::to_value(&cluster.authority).unwrap();
    let key = rustls::pki_types::pem::PemObject::from_pem_slice(record["key"].as_str().unwrap().as_bytes()).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let chain = vec![cluster.authority.certificate().clone(); 2];
    let certified = CertifiedKey::new(chain, provider.key_provider.load_private_key(key).unwrap());
    let mut listening = Arc::unwrap_or_clone(server_config(&cluster.bundle, &cluster.credential(server("s1"))));
    listening.cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    let client = client_config(&cluster.bundle, None, Expect::Server);
    assert_refused(shake(client, Arc::new(listening.clone())), "client", "CaUsedAsEndEntity");
    let client = joining_config(cluster.authority.fingerprint());
    assert_refused(shake(client, Arc::new(listening)), "client", "CaUsedAsEndEntity");
}

#[test]
fn a_token_leads_to_its_own_cluster_alone() {
    let (ours, theirs) = (Cluster::new(), Cluster::new());
    let token: JoinToken = JoinToken::generate(ours.authority.fingerprint()).unwrap().reveal().parse().unwrap();
    let joining = || joining_config(token.authority());
    let listening = |cluster: &Cluster, who| server_config(&cluster.bundle, &cluster.credential(who));
    assert_eq!(shake(joining(), listening(&ours, server("s1"))), Ok(None));
    assert_refused(shake(joining(), listening(&theirs, server("s1"))), "client", "PinMismatch");
    assert_refused(shake(joining(), listening(&ours, node("n1"))), "client", "NotValidForName");
    let late = shake_at(NOW + 31 * DAY.as_millis() as u64, joining(), listening(&ours, server("s1")));
    assert_refused(late, "client", "Expired");
}

#[test]
fn the_pinned_authority_must_be_sent_and_have_issued_the_certificate() {
    let (ours, theirs) = (Cluster::new(), Cluster::new());
    let (real, fake) = (ours.credential(server("s1")), theirs.credential(server("s1")));
    let joining = || joining_config(ours.authority.fingerprint());
    let leaf = |credential: &Credential| credential.chain().certificates()[0].clone();

    let alone = sending(&ours, &real, vec![leaf(&real)]);
    assert_refused(shake(joining(), alone), "client", "PinMismatch");

    // The real authority's certificate is public, so anyone can send it along.
    let borrowed = vec![leaf(&fake), ours.authority.certificate().clone()];
    assert_refused(shake(joining(), sending(&theirs, &fake, borrowed)), "client", "BadSignature");

    // So is the real server's, but not its key.
    let stolen = real.chain().certificates().to_vec();
    assert_refused(shake(joining(), sending(&theirs, &fake, stolen)), "client", "BadSignature");
}

#[test]
fn a_rotation_needs_no_pause() {
    let (old, new) = (Cluster::new(), Cluster::new());
    let both = old.bundle.with(&new.bundle);
    let after = both.without(old.authority.fingerprint()).unwrap();
    assert_eq!(after, new.bundle);
    let servers = [old.credential(server("s1")), new.credential(server("s1"))];
    let nodes = [old.credential(node("n1")), new.credential(node("n1"))];
    // While both are trusted, old and new certificates reach old and new ones.
    for server in &servers {
        for node in &nodes {
            let client = client_config(&both, Some(node), Expect::Server);
            assert_eq!(shake(client, server_config(&both, server)), Ok(Some(node.identity().clone())));
        }
    }
    // Then the old one is dropped.
    let to = |node: &Credential, server: &Credential| {
        shake(client_config(&after, Some(node), Expect::Server), server_config(&after, server))
    };
    assert_eq!(to(&nodes[1], &servers[1]), Ok(Some(node("n1"))));
    assert_refused(to(&nodes[1], &servers[0]), "client", "BadSignature");
    assert_refused(to(&nodes[0], &servers[1]), "server", "BadSignature");
}

#[test]
fn sessions_are_not_resumed() {
    let cluster = Cluster::new();
    let s1 = cluster.credential(server("s1"));
    let mut client = client_config(&cluster.bundle, Some(&cluster.credential(node("n1"))), Expect::Server);
    client.time_provider = Arc::new(At(NOW));
    let mut listening = Arc::unwrap_or_clone(server_config(&cluster.bundle, &s1));
    listening.time_provider = Arc::new(At(NOW));
    let (client, listening) = (Arc::new(client), Arc::new(listening));
    for _ in 0..2 {
        // That the handshake was full is asserted there.
        assert_eq!(exchange(client.clone(), listening.clone()), Ok(Some(node("n1"))));
    }
}

#[test]
fn older_versions_of_tls_are_not_spoken() {
    let cluster = Cluster::new();
    let old = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let listening = server_config(&cluster.bundle, &cluster.credential(server("s1")));
    assert_refused(shake(old, listening), "server", "PeerIncompatible");
}
