use std::time::Duration;

use icefield_pki::{Authority, Bundle, Chain, Credential, Identity, KeyPair, PkiError, SigningRequest};

use crate::cluster::{Cluster, DAY, NOW, authority, name, node, server};

#[test]
fn an_authority_survives_its_record_and_shows_no_key() {
    let authority = authority();
    let record = serde_json::to_string(&authority).unwrap();
    let read: Authority = serde_json::from_str(&record).unwrap();
    assert_eq!(read, authority);
    assert_eq!(read.expires(), NOW + Authority::LIFETIME.as_millis() as u64);
    let key = serde_json::to_value(&authority).unwrap()["key"].as_str().unwrap().to_owned();
    let shown = format!("{authority:?}");
    assert!(shown.contains(&authority.fingerprint().to_string()));
    assert!(!key.lines().any(|line| shown.contains(line)), "{shown}");
}

#[test]
fn a_record_of_two_halves_is_refused() {
    let [mut one, two] = [authority(), authority()].map(|authority| serde_json::to_value(authority).unwrap());
    one["key"] = two["key"].clone();
    let error = serde_json::from_value::<Authority>(one).unwrap_err();
    assert!(error.to_string().contains("not the one that the certificate was issued for"), "{error}");
}

#[test]
fn a_certificate_names_whom_it_was_issued_for() {
    let cluster = Cluster::new();
    let longest = "n".repeat(63);
    for identity in [server("s1"), node("n1"), node(&longest), server(&longest)] {
        let credential = cluster.credential(identity.clone());
        assert_eq!(credential.identity(), &identity);
        assert_eq!(Identity::of(&credential.chain().certificates()[0]), Ok(identity.clone()));
        assert_eq!(credential.chain().authority(), cluster.authority.fingerprint());
        assert_eq!(identity.to_string().parse(), Ok(identity));
    }
    let error = Identity::of(cluster.authority.certificate()).unwrap_err();
    assert!(error.to_string().contains("no alternative names"), "{error}");
}

#[test]
fn texts_that_are_no_identity_are_refused() {
    for text in ["", "node", "node/", "node/N1", "node/a/b", "user/a", "node/ö", &format!("node/{}", "n".repeat(64))] {
        assert!(text.parse::<Identity>().is_err(), "{text}");
    }
}

#[test]
fn certificates_with_other_names_than_ours_are_no_identity() {
    use rcgen::{CertificateParams, SanType};
    let of = |names: &[SanType]| {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        let key = rcgen::KeyPair::generate().unwrap();
        Identity::of(params.self_signed(&key).unwrap().der())
    };
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let dns = |text: &str| SanType::DnsName(text.try_into().unwrap());
    let (n1, own) = (uri("icefield:///node/n1"), dns("n1.node.icefield"));
    assert_eq!(of(&[n1.clone(), own.clone()]), Ok(node("n1")));
    for odd in [
        vec![],
        vec![n1.clone()],
        vec![own.clone()],
        vec![n1.clone(), uri("icefield:///node/n2"), own.clone()],
        vec![n1.clone(), n1.clone(), own.clone()],
        vec![n1.clone(), own.clone(), dns("server.icefield")],
        vec![n1.clone(), dns("n2.node.icefield")],
        vec![n1.clone(), own.clone(), SanType::IpAddress([127, 0, 0, 1].into())],
        vec![n1.clone(), own.clone(), SanType::Rfc822Name("n1@node.icefield".try_into().unwrap())],
        vec![uri("spiffe://shop/node/n1"), own.clone()],
        vec![uri("icefield:///admin/n1"), own.clone()],
        vec![uri("icefield:///node/N1"), own.clone()],
        vec![uri("icefield:///node/n1/"), own.clone()],
        vec![uri(&format!("icefield:///node/{}", "n".repeat(5000))), own.clone()],
    ] {
        assert!(of(&odd).is_err(), "{odd:?}");
    }
}

#[test]
fn nothing_of_a_request_counts_but_its_key() {
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa};
    let cluster = Cluster::new();
    let key = KeyPair::generate().unwrap();
    let theirs = rcgen::KeyPair::from_pem(&key.to_pem()).unwrap();
    let mut wish = CertificateParams::new(["server.icefield".to_owned()]).unwrap();
    wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wish.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
    let request = SigningRequest::from_pem(wish.serialize_request(&theirs).unwrap().pem().unwrap());
    let chain = cluster.authority.issue(&request, &node("n1"), DAY, NOW).unwrap();
    assert_eq!(chain.identity(), &node("n1"));
    assert!(Bundle::from_pem(&chain.to_pem()).is_err(), "the certificate is an authority's");
    Credential::new(chain, key).unwrap();
}

#[test]
fn a_request_must_be_signed_with_a_key_on_p256() {
    let cluster = Cluster::new();
    let issue = |request: &SigningRequest| cluster.authority.issue(request, &node("n1"), DAY, NOW).unwrap_err();
    let of = |algorithm| {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
        SigningRequest::from_pem(request.pem().unwrap())
    };
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
        assert!(matches!(issue(&of(algorithm)), PkiError::RefusedRequest(_)));
    }
    // The signature's last byte, which base64 and DER leave readable.
    let request = KeyPair::generate().unwrap().request().unwrap();
    let mut der = pem::parse(request.as_pem()).unwrap().into_contents();
    *der.last_mut().unwrap() ^= 1;
    let forged = SigningRequest::from_pem(pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der)));
    assert_eq!(issue(&forged), PkiError::RefusedRequest("its signature is wrong"));
    assert!(matches!(issue(&SigningRequest::from_pem("")), PkiError::RefusedRequest(_)));
    assert!(matches!(issue(&SigningRequest::from_pem("A".repeat(1 << 20))), PkiError::RefusedRequest(_)));
}

#[test]
fn no_certificate_outlives_its_authority() {
    let authority = authority();
    let request = KeyPair::generate().unwrap().request().unwrap();
    let issue = |validity, now| authority.issue(&request, &node("n1"), validity, now);
    let end = authority.expires();
    assert_eq!(issue(30 * DAY, end - 1000).unwrap().expires(), end);
    assert_eq!(issue(Duration::MAX, NOW).unwrap().expires(), end);
    assert_eq!(issue(DAY, end), Err(PkiError::AuthorityExpired));
    assert_eq!(issue(DAY, NOW - 3_601_000), Err(PkiError::AuthorityExpired));
}

#[test]
fn times_that_no_certificate_can_hold_are_errors() {
    for now in [221_845_392_001_000, u64::MAX] {
        assert_eq!(Authority::create(&name("shop"), now), Err(PkiError::InvalidTime(now)));
    }
    Authority::create(&name("shop"), 0).unwrap();
}

#[test]
fn serial_numbers_differ() {
    let cluster = Cluster::new();
    let request = KeyPair::generate().unwrap().request().unwrap();
    let issue = || cluster.authority.issue(&request, &node("n1"), DAY, NOW).unwrap();
    assert_ne!(issue(), issue());
}

#[test]
fn a_credential_survives_its_text_and_shows_no_key() {
    let credential = Cluster::new().credential(node("n1"));
    let text = credential.to_pem();
    let read = Credential::from_pem(&text).unwrap();
    assert_eq!(read.to_pem(), text);
    let shown = format!("{credential:?}");
    let key = text.split("BEGIN PRIVATE KEY").nth(1).unwrap();
    assert!(!key.lines().filter(|line| line.len() > 20).any(|line| shown.contains(line)), "{shown}");
    // Cut anywhere, it is an error.
    for len in (0..text.len() - 2).step_by(7) {
        assert!(Credential::from_pem(&text[..len]).is_err(), "{len}");
    }
}

#[test]
fn a_credential_needs_its_own_key() {
    let chain = Cluster::new().credential(node("n1")).chain().clone();
    let error = Credential::new(chain, KeyPair::generate().unwrap()).unwrap_err();
    assert_eq!(error, PkiError::ForeignKey);
}

#[test]
fn is_renewed_around_half_of_its_life() {
    let credential = Cluster::new().credential(node("n1"));
    let day = DAY.as_millis() as f64;
    let days = |jitter| ((credential.renew_at(jitter) - NOW) as f64 / day * 10.0).round() / 10.0;
    assert_eq!([days(0.0), days(0.5), days(1.0), days(7.0), days(f64::NAN)], [13.5, 15.0, 16.5, 16.5, 0.0]);
}

#[test]
fn a_bundle_is_the_same_in_any_order() {
    let [one, two] = [Cluster::new().bundle, Cluster::new().bundle];
    let (both, back) = (one.with(&two), two.with(&one).with(&one));
    assert_eq!((&both, both.revision()), (&back, back.revision()));
    assert_ne!(both.revision(), one.revision());
    let read: Bundle = serde_json::from_str(&serde_json::to_string(&both).unwrap()).unwrap();
    assert_eq!(read, both);
    let [first, second] = both.authorities().collect::<Vec<_>>()[..] else { panic!("two authorities") };
    let left = both.without(first).unwrap();
    assert!(left.contains(second) && !left.contains(first));
    assert_eq!(left.without(second), Err(PkiError::EmptyBundle));
}

#[test]
fn a_bundle_has_authorities_alone() {
    let leaf = Cluster::new().credential(node("n1")).chain().to_pem();
    for text in ["", "no certificate", &leaf] {
        assert!(Bundle::from_pem(text).is_err());
    }
}

#[test]
fn a_chain_is_two_certificates() {
    let cluster = Cluster::new();
    let chain = cluster.credential(node("n1")).chain().clone();
    let read: Chain = serde_json::from_str(&serde_json::to_string(&chain).unwrap()).unwrap();
    assert_eq!(read, chain);
    let error = Chain::from_pem(&cluster.bundle.to_pem()).unwrap_err();
    assert!(error.to_string().contains("and has 1"), "{error}");
}
