use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use icefield_api::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::failure::Failure;
use super::kind::Kind;
use super::limits::{ANSWER_TIME, LITTLE};

/// Lets requests in, as many of each kind as may be under way, and as many bytes of their bodies as may be held.
#[derive(Debug)]
pub(crate) struct Admission {
    kinds: [Arc<Semaphore>; Kind::ALL.len()],
    bodies: [Arc<Semaphore>; Holder::ALL.len()],
}

/// Whose bodies are held. Each kind has room of its own, so that none keeps another's from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Those of agents' reports.
    Agents,
    /// Those of others whom the cluster knows.
    Known,
    /// Those of whoever may be anybody.
    Strangers,
}

/// What a request holds until its answer is sent.
#[derive(Debug)]
pub(crate) struct Admitted {
    _request: OwnedSemaphorePermit,
    _body: HeldBody,
}

/// The bytes of a body that are held. A request whose body is still on its way holds nothing else: whoever sends slowly keeps
/// nobody from being served.
#[derive(Debug)]
pub(crate) struct HeldBody {
    held: Option<OwnedSemaphorePermit>,
    holder: Holder,
    bodies: Arc<Semaphore>,
}

impl Holder {
    const ALL: [Self; 3] = [Self::Agents, Self::Known, Self::Strangers];

    /// The most bytes of bodies that are held at once, in KiB.
    const fn most(self) -> usize {
        match self {
            Self::Agents => 128 << 10,
            Self::Known => 256 << 10,
            Self::Strangers => 8 << 10,
        }
    }
}

impl Admission {
    pub(crate) fn new() -> Self {
        Self {
            kinds: Kind::ALL.map(|kind| Arc::new(Semaphore::new(kind.most()))),
            bodies: Holder::ALL.map(|holder| Arc::new(Semaphore::new(holder.most()))),
        }
    }

    /// Refuses a request of which it is clear, before its body is read, that it will not be let in.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), Failure> {
        if self.kinds[kind as usize].available_permits() > 0 { Ok(()) } else { Err(too_many(kind)) }
    }

    /// A body of which nothing is held yet.
    pub(crate) fn body(&self, holder: Holder) -> HeldBody {
        HeldBody { held: None, holder, bodies: Arc::clone(&self.bodies[holder as usize]) }
    }

    /// Lets a request in whose body is there, or refuses it at once.
    pub(crate) fn admit(&self, kind: Kind, body: HeldBody) -> Result<Admitted, Failure> {
        match Arc::clone(&self.kinds[kind as usize]).try_acquire_owned() {
            Ok(permit) => Ok(Admitted { _request: permit, _body: body }),
            Err(_) => Err(too_many(kind)),
        }
    }
}

impl HeldBody {
    /// Makes room for so many bytes altogether, or refuses them at once.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Failure> {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(bytes.div_ceil(1 << 10).saturating_sub(held)).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.bodies).try_acquire_many_owned(more) else {
            return Err(overloaded(format!("bodies of {} MiB are held", self.holder.most() >> 10)));
        };
        match &mut self.held {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

impl Admitted {
    /// Lets go of it all once the answer is sent, or its client has gone. Whoever does not take its answer keeps others out for a
    /// while only, unless the answer is of the kind that has no end, and with a short one not at all.
    pub(crate) fn until_sent(self, kind: Kind, response: Response) -> Response {
        if hyper::body::Body::size_hint(response.body()).upper().is_some_and(|size| size <= LITTLE) {
            return response;
        }
        let (sent, is_sent) = oneshot::channel();
        tokio::spawn(async move {
            match kind {
                Kind::Stream => drop(is_sent.await),
                _ => drop(timeout(ANSWER_TIME, is_sent).await),
            }
            drop(self);
        });
        response.map(|body| Body::new(Held { body, _sent: sent }))
    }
}

fn too_many(kind: Kind) -> Failure {
    overloaded(format!("{} {} are under way", kind.most(), kind.noun()))
}

fn overloaded(why: String) -> Failure {
    let message = format!("this server has enough to do: {why}; try again in a moment");
    Failure::new(ErrorCode::Overloaded, message)
}

/// An answer's body that tells by its end that it is sent.
struct Held {
    body: Body,
    _sent: oneshot::Sender<()>,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn admit(admission: &Admission, kind: Kind) -> Result<Admitted, Failure> {
        admission.check(kind)?;
        admission.admit(kind, admission.body(Holder::Known))
    }

    #[test]
    fn one_kind_does_not_starve_another() {
        let admission = Admission::new();
        let all = (0..Kind::Compute.most()).map(|_| admit(&admission, Kind::Compute).unwrap());
        let mut held: Vec<Admitted> = all.collect();
        let refused = admit(&admission, Kind::Compute).unwrap_err().into_response();
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers()["retry-after"], "1");
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Compute) {
            assert!(admit(&admission, kind).is_ok(), "{kind:?}");
        }
        held.pop();
        assert!(admit(&admission, Kind::Compute).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_given_back_when_the_answer_is_gone_or_not_taken_for_long() {
        let most = Holder::Known.most();
        let large = || vec![0_u8; 1 << 20].into_response();
        let admission = Admission::new();
        let hold_all_but_one = || {
            let mut body = admission.body(Holder::Known);
            body.hold((most - 1) << 10).unwrap();
            admission.admit(Kind::Write, body).unwrap()
        };
        let one = hold_all_but_one();
        let mut other = admission.body(Holder::Known);
        for bytes in [1, 2, 1 << 10] {
            other.hold(bytes).unwrap();
        }
        assert!(other.hold((1 << 10) + 1).is_err());
        assert!(admission.body(Holder::Agents).hold(1 << 20).is_ok(), "agents have room of their own");
        let response = one.until_sent(Kind::Write, large());
        tokio::task::yield_now().await;
        assert!(other.hold((1 << 10) + 1).is_err());
        drop(response);
        tokio::task::yield_now().await;
        other.hold((1 << 10) + 1).unwrap();

        drop(other);
        for (kind, answer) in [(Kind::Write, "done".into_response()), (Kind::Read, large())] {
            let _not_taken = hold_all_but_one().until_sent(kind, answer);
            tokio::time::sleep(ANSWER_TIME * 2).await;
            assert!(admission.body(Holder::Known).hold(2 << 10).is_ok(), "{kind:?}");
        }
        let _logs = hold_all_but_one().until_sent(Kind::Stream, large());
        tokio::time::sleep(ANSWER_TIME * 2).await;
        assert!(admission.body(Holder::Known).hold(2 << 10).is_err(), "they have no end");
    }
}
