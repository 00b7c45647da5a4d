use std::sync::LazyLock;

use icefield_pki::rustls::pki_types::CertificateDer;
use icefield_pki::{Bundle, Chain, Credential, Identity, KeyPair, SigningRequest};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::cluster::{Cluster, DAY, NOW, node};

static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::new);
static NODE: LazyLock<Credential> = LazyLock::new(|| CLUSTER.credential(node("n1")));
static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());
static REQUEST: LazyLock<Vec<u8>> =
    LazyLock::new(|| pem::parse(KEY.request().unwrap().as_pem()).unwrap().into_contents());

/// Bytes to put in, and whether the rest is cut off.
fn changes() -> impl Strategy<Value = (Vec<(Index, u8)>, Option<Index>)> {
    (prop::collection::vec(any::<(Index, u8)>(), 0..8), prop::option::weighted(0.2, any::<Index>()))
}

fn mutated(bytes: &[u8], (changes, cut): &(Vec<(Index, u8)>, Option<Index>)) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, byte) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_damaged_certificate_is_an_error_or_still_a_name(changes in changes()) {
        let bytes = mutated(&NODE.chain().certificates()[0], &changes);
        if let Ok(identity) = Identity::of(&CertificateDer::from(bytes.clone())) {
            prop_assert!(identity.to_string().starts_with("node/"), "{identity}");
        }
        let pem = pem::encode(&pem::Pem::new("CERTIFICATE", bytes));
        prop_assert!(Bundle::from_pem(&pem).is_err());
        let _ = Chain::from_pem(&(pem + &CLUSTER.bundle.to_pem()));
    }

    #[test]
    fn a_damaged_authority_is_an_error_or_another_one(changes in changes()) {
        let whole = CLUSTER.authority.certificate();
        let bytes = mutated(whole, &changes);
        let same = bytes == whole.as_ref();
        if let Ok(bundle) = Bundle::from_pem(&pem::encode(&pem::Pem::new("CERTIFICATE", bytes))) {
            prop_assert_eq!(bundle == CLUSTER.bundle, same);
        }
    }

    #[test]
    fn a_damaged_request_is_refused_or_still_for_its_key(changes in changes()) {
        let bytes = mutated(&REQUEST, &changes);
        let same = bytes == *REQUEST;
        let request = SigningRequest::from_pem(pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", bytes)));
        let issued = CLUSTER.authority.issue(&request, &node("n1"), DAY, NOW);
        prop_assert!(issued.is_ok() || !same);
        // What stands around the signed part may be written in more than one way.
        if let Ok(chain) = issued {
            let key = KeyPair::from_pem(&KEY.to_pem()).unwrap();
            prop_assert!(Credential::new(chain, key).is_ok());
        }
    }

    #[test]
    fn damaged_text_is_no_panic(changes in changes()) {
        let text = String::from_utf8_lossy(&mutated(NODE.to_pem().as_bytes(), &changes)).into_owned();
        let _ = (Credential::from_pem(&text), Chain::from_pem(&text), Bundle::from_pem(&text), KeyPair::from_pem(&text));
    }
}
