use std::sync::Arc;

use icefield_api::{EventKind, RotationPhase};
use icefield_pki::{Authority, Chain, Fingerprint, Identity, TokenId};
use icefield_spec::{Name, Revision};
use serde::{Deserialize, Serialize};

use super::{Enrolment, JoinRecord, Renewal, Secret, Trust, UserRecord};
use crate::state::{Effect, State};

/// A change of whom the cluster trusts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum TrustStep {
    /// The cluster gets its first authority, and the token of its first admin.
    Found {
        /// The authority.
        authority: Box<Authority>,
        /// The certificate of the first server.
        server: Chain,
        /// The admin.
        admin: Name,
        /// The admin's token.
        token: Secret,
    },
    /// A join token is made known.
    CreateJoinToken {
        /// Its id.
        id: TokenId,
        /// What is known of it.
        record: JoinRecord,
    },
    /// A join token is taken back.
    RevokeJoinToken {
        /// Its id.
        id: TokenId,
    },
    /// A machine joins, and its token is spent.
    Enrol {
        /// The token.
        token: TokenId,
        /// The hash of the machine's request.
        request: Revision,
        /// What it is issued.
        chain: Chain,
    },
    /// A server that has the state, and so the authority, but no certificate has issued itself one: after a restore.
    Adopt {
        /// Its certificate.
        chain: Chain,
    },
    /// A machine says which certificate it has and whom it trusts.
    Told {
        /// Who it is.
        identity: Identity,
        /// The authority of the certificate that it came with.
        authority: Fingerprint,
        /// The bundle that it has.
        bundle: Revision,
        /// The certificate that it is about to get, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        renewal: Option<Renewal>,
    },
    /// A machine's certificates are good no more.
    Forget {
        /// Whose.
        identity: Identity,
    },
    /// Someone gets a token.
    CreateUser {
        /// Who.
        name: Name,
        /// What it may do.
        record: UserRecord,
    },
    /// Someone gets another token.
    RotateUser {
        /// Who.
        name: Name,
        /// The new one.
        token: Secret,
        /// For how long the one before stays good, in milliseconds.
        overlap: u64,
    },
    /// Someone's tokens are good no more.
    RevokeUser {
        /// Whose.
        name: Name,
    },
    /// A rotation starts.
    Rotate {
        /// The new authority.
        authority: Box<Authority>,
        /// Until when it is made known at least, in milliseconds since 1970.
        until: u64,
    },
    /// A rotation goes on.
    Advance {
        /// From this phase.
        phase: RotationPhase,
        /// Whom it no longer waits for.
        without: Vec<Identity>,
    },
}

impl State {
    pub(in crate::state) fn trust_step(&mut self, at: u64, step: TrustStep) -> Result<Effect, String> {
        let told = Arc::make_mut(&mut self.trust).carry_out(at, step)?;
        match told {
            Told::Nothing => return Ok(Effect::Nothing),
            Told::Silently => {}
            Told::Event(subject, message) => self.tell(at, EventKind::Trust, subject, message),
        }
        Ok(Effect::Noted)
    }
}

/// What a step comes to.
enum Told {
    /// All is so already.
    Nothing,
    /// A change that is nothing to tell of.
    Silently,
    /// A change, what of and in which words.
    Event(String, String),
}

impl Trust {
    fn carry_out(&mut self, at: u64, step: TrustStep) -> Result<Told, String> {
        if self.is_empty() && !matches!(step, TrustStep::Found { .. }) {
            return Err("this cluster has no certificates: it was started for this machine alone".into());
        }
        let event = |subject: String, message: &str| Told::Event(subject, message.to_owned());
        Ok(match step {
            TrustStep::Found { authority, server, admin, token } => {
                self.found(at, *authority, &server, admin, token)?;
                event("cluster".into(), "has its authority, and a first admin")
            }
            TrustStep::CreateJoinToken { id, record } => {
                let told = event(format!("join token {id}"), &format!("made by {}, for a {}", record.by, record.role));
                self.create_join_token(at, id, record)?;
                told
            }
            TrustStep::RevokeJoinToken { id } => match self.join_tokens.remove(&id) {
                Some(_) => event(format!("join token {id}"), "revoked"),
                None => {
                    return Err(format!(
                        "there is no join token {id}; `icefield join-token list` shows those that are"
                    ));
                }
            },
            TrustStep::Enrol { token, request, chain } => {
                let identity = chain.identity().clone();
                match self.enrol(at, token, request, chain)? {
                    true => event(subject(&identity), &format!("has a certificate, by join token {token}")),
                    false => Told::Nothing,
                }
            }
            TrustStep::Adopt { chain } => {
                let identity = chain.identity().clone();
                if self.mark.is_none_or(|mark| mark.signer != chain.authority()) {
                    return Err("another authority issues certificates by now".into());
                }
                self.enrolled.insert(identity.clone(), Enrolment::first(&chain, at));
                event(subject(&identity), "has issued itself a certificate, having the state")
            }
            TrustStep::Told { identity, authority, bundle, renewal } => {
                match self.told(&identity, authority, bundle, renewal)? {
                    true => Told::Silently,
                    false => Told::Nothing,
                }
            }
            TrustStep::Forget { identity } => match self.enrolled.remove(&identity) {
                Some(_) => event(subject(&identity), "its certificates are good no more"),
                None => Told::Nothing,
            },
            TrustStep::CreateUser { name, record } => {
                let told = event(format!("token of {name}"), &format!("made by {}, role {}", record.by, record.role));
                self.create_user(at, name, record)?;
                told
            }
            TrustStep::RotateUser { name, token, overlap } => {
                self.rotate_user(at, &name, token, overlap)?;
                event(format!("token of {name}"), "there is a new one")
            }
            TrustStep::RevokeUser { name } => {
                self.revoke_user(&name)?;
                event(format!("token of {name}"), "revoked")
            }
            TrustStep::Rotate { authority, until } => {
                self.rotate(*authority, until)?;
                event("authority".into(), "a new one is made known to every machine")
            }
            TrustStep::Advance { phase, without } => {
                self.advance(phase)?;
                let message = match phase {
                    RotationPhase::Spreading => "the new one issues certificates; every machine renews its own",
                    RotationPhase::Renewing => "the old one is trusted no more",
                };
                let locked_out = match without.len() {
                    0 => String::new(),
                    _ => format!(", without waiting for {}", list(&without)),
                };
                event("authority".into(), &format!("{message}{locked_out}"))
            }
        })
    }

    fn found(
        &mut self,
        at: u64,
        authority: Authority,
        server: &Chain,
        admin: Name,
        token: Secret,
    ) -> Result<(), String> {
        if !self.is_empty() {
            return Err("this cluster has an authority already".into());
        }
        let signer = authority.fingerprint();
        self.authorities.push(authority);
        self.trust_now(signer);
        self.enrolled.insert(server.identity().clone(), Enrolment::first(server, at));
        let record = UserRecord {
            role: icefield_api::Role::Admin,
            namespaces: Default::default(),
            secrets: vec![token],
            created: at,
            by: "the first server".into(),
        };
        self.users.insert(admin, record);
        Ok(())
    }
}

fn subject(identity: &Identity) -> String {
    identity.to_string().replace('/', " ")
}

fn list(identities: &[Identity]) -> String {
    const SHOWN: usize = 10;
    let mut names: Vec<String> = identities.iter().take(SHOWN).map(ToString::to_string).collect();
    if identities.len() > SHOWN {
        names.push(format!("{} more", identities.len() - SHOWN));
    }
    names.join(", ")
}
