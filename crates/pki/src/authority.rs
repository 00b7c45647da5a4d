use std::fmt;
use std::time::Duration;

use icefield_spec::Name;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, SanType, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::{Chain, Fingerprint, Identity, KeyPair, PkiError, SigningRequest};

/// A certificate authority of a cluster: its self-signed certificate and the key to issue others with.
///
/// In serde it is a record of two PEM texts, to be kept in the replicated state. Whoever has it can be anyone in the
/// cluster: `Debug` does not show the key, and nothing but serde gives it out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Authority {
    record: Record,
    certificate: CertificateDer<'static>,
    /// When it starts and ends, in seconds since the Unix epoch.
    validity: [i64; 2],
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    certificate: String,
    key: String,
}

impl Authority {
    /// How long an authority is valid: ten years.
    pub const LIFETIME: Duration = Duration::from_secs(3652 * 24 * 3600);
    /// How far a certificate's start lies before its issue, so that clocks may differ that much.
    pub const BACKDATE: Duration = Duration::from_secs(3600);

    /// A new authority for `cluster`, valid for [`LIFETIME`](Self::LIFETIME) from `now` (milliseconds since the Unix epoch).
    ///
    /// # Errors
    /// The system gives no random numbers, or `now` is no time that a certificate can hold.
    pub fn create(cluster: &Name, now: u64) -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let mut params = params(now, seconds(now)? + whole(Self::LIFETIME))?;
        params.distinguished_name = subject(cluster.as_str(), "Icefield CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(key.inner()).map_err(unwritable)?.der().clone();
        Record { certificate: crate::pem::write([&certificate]), key: key.to_pem() }.try_into()
    }

    /// Issues a certificate for the key of `request` that names `identity`, valid from an hour before `now` (milliseconds
    /// since the Unix epoch) until `validity` after it, or until the authority ends.
    ///
    /// The request's signature is checked, and nothing but its key is taken from it. Whether the asker may be `identity` is
    /// for the caller to know.
    ///
    /// # Errors
    /// The request is refused, the authority is not valid at `now`, or the system gives no random numbers.
    pub fn issue(
        &self,
        request: &SigningRequest,
        identity: &Identity,
        validity: Duration,
        now: u64,
    ) -> Result<Chain, PkiError> {
        let public_key = request.public_key()?;
        let at = seconds(now)?;
        let [starts, ends] = self.validity;
        if at < starts || ends <= at {
            return Err(PkiError::AuthorityExpired);
        }
        let mut params = params(now, at.saturating_add(whole(validity)).min(ends))?;
        params.distinguished_name = subject(identity.organization(), identity.name().as_str());
        params.subject_alt_names = names(identity)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::from_pem(&self.record.key)?;
        let issuer = Issuer::from_ca_cert_der(&self.certificate, key.inner()).map_err(unwritable)?;
        let leaf = params.signed_by(&public_key, &issuer).map_err(unwritable)?;
        Chain::new(vec![leaf.der().clone(), self.certificate.clone()])
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The fingerprint of its certificate, for tokens to pin.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// When it ends, in milliseconds since the Unix epoch; rotate it well before.
    pub fn expires(&self) -> u64 {
        u64::try_from(self.validity[1]).unwrap_or(0).saturating_mul(1000)
    }
}

impl TryFrom<Record> for Authority {
    type Error = PkiError;

    fn try_from(record: Record) -> Result<Self, PkiError> {
        let unreadable = |reason| PkiError::unreadable("the certificate authority", reason);
        let mut certificates = crate::pem::read("the authority's certificate", &record.certificate)?;
        let (Some(certificate), true) = (certificates.pop(), certificates.is_empty()) else {
            return Err(unreadable("it has more than one certificate"));
        };
        let key = KeyPair::from_pem(&record.key)?;
        let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|_| unreadable("it is no certificate"))?;
        if !parsed.is_ca() {
            return Err(unreadable("its certificate is not that of an authority"));
        }
        if parsed.public_key().subject_public_key.data.as_ref() != key.public() {
            return Err(PkiError::ForeignKey);
        }
        let validity = [parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp()];
        Ok(Self { record, validity, certificate })
    }
}

impl From<Authority> for Record {
    fn from(authority: Authority) -> Self {
        authority.record
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

/// What all certificates have: a random serial number and a validity from an hour before `now`.
fn params(now: u64, ends: i64) -> Result<CertificateParams, PkiError> {
    let time = |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| PkiError::InvalidTime(now));
    let mut serial = [0; 16];
    SystemRandom::new().fill(&mut serial).map_err(|_| PkiError::NoRandomness)?;
    // A serial number is positive.
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = time(seconds(now)? - whole(Authority::BACKDATE))?;
    params.not_after = time(ends)?;
    Ok(params)
}

fn subject(organization: &str, common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, organization);
    name.push(DnType::CommonName, common_name);
    name
}

fn names(identity: &Identity) -> Result<Vec<SanType>, PkiError> {
    let uri = identity.uri().try_into().map(SanType::URI);
    let dns = identity.dns_names().into_iter().map(|name| name.try_into().map(SanType::DnsName));
    std::iter::once(uri).chain(dns).collect::<Result<_, _>>().map_err(unwritable)
}

fn unwritable(error: rcgen::Error) -> PkiError {
    PkiError::unwritable("a certificate", error)
}

/// Seconds of a time in milliseconds: up to the year 9000, so that sums stay in what a certificate can hold.
fn seconds(now: u64) -> Result<i64, PkiError> {
    const LATEST: i64 = 221_845_392_000;
    i64::try_from(now / 1000).ok().filter(|at| *at <= LATEST).ok_or(PkiError::InvalidTime(now))
}

fn whole(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
