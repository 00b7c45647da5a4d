use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use icefield_api::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::Failure;
use super::kind::Kind;
use super::limits::BODIES_KIB;

/// Lets requests in, as many of each kind as may be under way, and as many bytes of their bodies as may be held.
#[derive(Debug)]
pub(crate) struct Admission {
    kinds: [Arc<Semaphore>; Kind::ALL.len()],
    bodies: Arc<Semaphore>,
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
    bodies: Arc<Semaphore>,
}

impl Admission {
    pub(crate) fn new() -> Self {
        let kinds = Kind::ALL.map(|kind| Arc::new(Semaphore::new(kind.most())));
        Self { kinds, bodies: Arc::new(Semaphore::new(BODIES_KIB)) }
    }

    /// Refuses a request of which it is clear, before its body is read, that it will not be let in.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), Failure> {
        if self.kinds[kind as usize].available_permits() > 0 { Ok(()) } else { Err(too_many(kind)) }
    }

    /// A body of which nothing is held yet.
    pub(crate) fn body(&self) -> HeldBody {
        HeldBody { held: None, bodies: Arc::clone(&self.bodies) }
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
            return Err(overloaded(format!("bodies of {} MiB are held", BODIES_KIB >> 10)));
        };
        match &mut self.held {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

impl Admitted {
    /// Lets go of it all once the answer is sent, or its client has gone.
    pub(crate) fn until_sent(self, response: Response) -> Response {
        response.map(|body| Body::new(Held { body, _admitted: self }))
    }
}

fn too_many(kind: Kind) -> Failure {
    overloaded(format!("{} {} are under way", kind.most(), kind.noun()))
}

fn overloaded(why: String) -> Failure {
    let message = format!("this server has enough to do: {why}; try again in a moment");
    Failure::new(ErrorCode::Overloaded, message)
}

/// An answer's body that holds what its request was let in with.
struct Held {
    body: Body,
    _admitted: Admitted,
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
        admission.admit(kind, admission.body())
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

    #[test]
    fn bytes_are_given_back_when_the_answer_is_gone() {
        let admission = Admission::new();
        let mut one = admission.body();
        one.hold((BODIES_KIB - 1) << 10).unwrap();
        let one = admission.admit(Kind::Write, one).unwrap();
        let mut other = admission.body();
        for bytes in [1, 2, 1 << 10] {
            other.hold(bytes).unwrap();
        }
        assert!(other.hold((1 << 10) + 1).is_err());
        let response = one.until_sent("done".into_response());
        assert!(other.hold((1 << 10) + 1).is_err());
        drop(response);
        other.hold((1 << 10) + 1).unwrap();
    }
}
