use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use futures_util::Stream;
use futures_util::stream::unfold;
use icefield_api::{ErrorBody, ErrorCode, Keyring, PastGeneration};
use icefield_plan::ReplicaId;
use icefield_spec::Name;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::activation::closure;
use crate::home::Home;
use crate::logs::LogReader;
use crate::secured::Secured;
use crate::{SystemConfig, past_generations};

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The agent's own API.
pub(crate) fn router(home: Home, system: Option<SystemConfig>) -> Router {
    let source = Arc::new((home.generations(), system));
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/v1/replicas/{service}/{index}/logs", get(logs))
        .route(
            "/v1/generations/{number}",
            get(async move |Path(number): Path<String>| generation(source, number).await),
        )
        .fallback(async || {
            refused(
                ErrorCode::NotFound,
                "an agent serves /healthz, /v1/replicas/SERVICE/INDEX/logs and /v1/generations/NUMBER",
            )
        })
        .method_not_allowed_fallback(async || refused(ErrorCode::MethodNotAllowed, "only GET"))
        .with_state(home)
}

/// A generation that was taken up lately, with what its system consists of.
async fn generation(source: Arc<(PathBuf, Option<SystemConfig>)>, number: String) -> Response {
    let (folder, system) = &*source;
    let Ok(number) = number.parse() else {
        return refused(ErrorCode::Invalid, "a generation is named like /v1/generations/41");
    };
    let generation = match past_generations::find(folder, number) {
        Ok(Some(generation)) => generation,
        Ok(None) => {
            let kept: Vec<String> = past_generations::numbers(folder).iter().map(ToString::to_string).collect();
            let message = format!("this node has kept no generation {number}; those that it has: {}", kept.join(", "));
            return refused(ErrorCode::NotFound, message);
        }
        Err(error) => return refused(ErrorCode::Internal, error.to_string()),
    };
    let closure = match (system, &generation.plan.nixos) {
        (Some(system), Some(planned)) => closure(system, &planned.path).await,
        _ => None,
    };
    Json(PastGeneration { schema: icefield_api::SCHEMA, generation, closure }).into_response()
}

#[derive(Debug, Deserialize)]
struct LogQuery {
    tail: Option<u64>,
    #[serde(default)]
    follow: bool,
}

async fn logs(
    State(home): State<Home>,
    Path((service, index)): Path<(String, String)>,
    query: Result<Query<LogQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let id = match (Name::new(&service), index.parse()) {
        (Ok(service), Ok(index)) => ReplicaId::new(service, index),
        _ => return refused(ErrorCode::Invalid, "a replica is named like /v1/replicas/web/3/logs"),
    };
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => {
            let message = format!("{}; write ?tail=100&follow=true", error.body_text());
            return refused(ErrorCode::Invalid, message);
        }
    };
    let replica = home.replica(&id);
    if !replica.root().is_dir() {
        return refused(ErrorCode::NotFound, format!("there is no replica {id} on this node"));
    }
    match LogReader::open(replica.log(), query.tail) {
        Ok(reader) => {
            let body = Body::from_stream(stream(reader, query.follow.then(|| replica.root().to_owned())));
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
        }
        Err(error) => refused(ErrorCode::Internal, format!("cannot read the log of {id}: {error}")),
    }
}

/// What is in the log; then, if `follow` names the replica's folder, what is added as long as that is there.
fn stream(reader: LogReader, follow: Option<std::path::PathBuf>) -> impl Stream<Item = Result<Bytes, io::Error>> {
    unfold(Some((reader, follow)), |state| async move {
        let (mut reader, follow) = state?;
        loop {
            match reader.next() {
                Ok(piece) if !piece.is_empty() => return Some((Ok(piece.into()), Some((reader, follow)))),
                Ok(_) if follow.as_ref().is_some_and(|folder| folder.is_dir()) => tokio::time::sleep(LOOK).await,
                Ok(_) => return None,
                Err(error) => return Some((Err(error), None)),
            }
        }
    })
}

fn refused(code: ErrorCode, message: impl Into<String>) -> Response {
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(ErrorBody::new(code, message))).into_response()
}

/// Serves `router` on `listener` for as long as it is awaited; with a keyring, to servers of the cluster alone.
pub(crate) async fn serve(listener: TcpListener, keyring: Option<Keyring>, router: Router) -> io::Result<()> {
    match keyring {
        Some(keyring) => axum::serve(Secured::new(listener, keyring)?, router).await,
        None => axum::serve(listener, router).await,
    }
}
