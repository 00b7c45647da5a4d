use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use futures_util::FutureExt;
use icefield_api::{ErrorCode, openapi};

use super::app::App;
use super::dispatch::dispatch;
use super::failure::Failure;
use super::guard::{front, guard};
use super::{
    bases, closures, cluster, endpoints, enrol, jobs, nodes, peers, rebalance, rollouts, secrets, servers, services,
    specs, trust,
};
use crate::raft::Rpc;

/// Made once: it is always the same.
static OPENAPI: LazyLock<serde_json::Value> = LazyLock::new(openapi);

/// All that a server serves.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/v1/status", get(cluster::status))
        .route("/v1/events", get(cluster::events).post(cluster::note))
        .route("/v1/spec", get(specs::spec))
        .route("/v1/plan", post(specs::plan))
        .route("/v1/apply", post(specs::apply))
        .route("/v1/rebalance", post(rebalance::look))
        .route("/v1/rebalance/start", post(rebalance::start))
        .route("/v1/rebalance/stop", post(rebalance::stop))
        .route("/v1/history", get(specs::history))
        .route("/v1/endpoints", get(endpoints::all))
        .route("/v1/jobs", get(jobs::list))
        .route("/v1/jobs/{job}", get(jobs::one))
        .route("/v1/jobs/{job}/run", post(jobs::run))
        .route("/v1/services/{service}/explain", get(services::explain))
        .route("/v1/services/{service}/rollouts", get(rollouts::history))
        .route("/v1/services/{service}/rollout", post(rollouts::steer))
        .route("/v1/services/{service}/endpoints", get(endpoints::of_service))
        .route("/v1/services/{service}/replicas/{index}/logs", get(services::logs))
        .route("/v1/servers", get(servers::list).post(servers::join))
        .route("/v1/servers/{server}", post(servers::relocate).delete(servers::remove))
        .route("/v1/backup", get(servers::backup))
        .route("/v1/nodes/{node}", post(nodes::node))
        .route("/v1/nodes/{node}/history", get(nodes::history))
        .route("/v1/nodes/{node}/generations/{number}", get(nodes::generation))
        .route("/v1/bases/{base}/rollouts", get(bases::history))
        .route("/v1/bases/{base}/rollout", post(bases::steer))
        .route("/v1/nodes/{node}/plan", get(nodes::plan))
        .route("/v1/nodes/{node}/peers", get(closures::peers))
        .route("/v1/nodes/{node}/heartbeat", post(nodes::heartbeat))
        .route("/v1/nodes/{node}/alive", post(nodes::alive))
        .route("/v1/trust", get(trust::trust))
        .route("/v1/join", post(enrol::enrol))
        .route("/v1/renew", post(enrol::renew))
        .route("/v1/ca", get(trust::ca).post(trust::rotate))
        .route("/v1/join-tokens", get(trust::join_tokens).post(trust::create_join_token))
        .route("/v1/join-tokens/{id}", delete(trust::revoke_join_token))
        .route("/v1/tokens", get(trust::tokens).post(trust::create_token))
        .route("/v1/tokens/{name}", post(trust::rotate_token).delete(trust::revoke_token))
        .route("/v1/audit", get(trust::audit))
        .route("/v1/secrets", get(secrets::list).post(secrets::set))
        .route("/v1/secrets/{name}", delete(secrets::remove))
        .route("/v1/nodes/{node}/secrets", get(secrets::of_node))
        .route("/v1/servers/{server}/key", post(secrets::server_key))
        .route("/v1/backup/key", post(secrets::backup_key))
        // Of the routes above alone, from below: who sends nothing to be known by is sent away, the leader is found, and
        // that one says who may. What this server itself is asked needs no leader, and is for everyone.
        .route_layer(from_fn_with_state(Arc::clone(&app), guard))
        .route_layer(from_fn_with_state(Arc::clone(&app), dispatch))
        .route_layer(from_fn_with_state(Arc::clone(&app), front))
        .route("/v1/openapi.json", get(|| async { Json(&*OPENAPI) }))
        .route("/healthz", get(|| async { "ok" }));
    for rpc in Rpc::ALL {
        let answer = move |state, extensions, headers, body| peers::answer(rpc, state, extensions, headers, body);
        router = router.route(rpc.path(), post(answer));
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(survive))
        // Bodies are limited where they are read.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

async fn unknown(uri: Uri) -> Failure {
    Failure::not_found(format!("there is nothing at {}; /v1/openapi.json describes what there is", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Failure {
    let message = format!("{} does not take {method}; /v1/openapi.json describes what it takes", uri.path());
    Failure::new(ErrorCode::MethodNotAllowed, message)
}

/// Answers even if a handler panics.
async fn survive(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(path, "a request could not be handled; this is a mistake in icefield");
        Failure::new(ErrorCode::Internal, "this server made a mistake; its log says more").into_response()
    })
}

#[cfg(test)]
mod tests {
    use icefield_api::ErrorBody;
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    use super::*;
    use crate::http::serve;

    #[tokio::test]
    async fn a_handler_that_panics_harms_nobody_else() {
        async fn panics() -> &'static str {
            panic!("on purpose")
        }
        let router = Router::new().route("/panics", get(panics)).route("/works", get(|| async { "ok" }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (ending, ends) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, None, router.layer(from_fn(survive)), ends));
        let http = icefield_api::Http::new(Default::default(), None).get();
        for _ in 0..3 {
            let answer = http.get(format!("{url}/panics")).send().await.unwrap();
            assert_eq!(answer.status(), 500);
            assert_eq!(answer.json::<ErrorBody>().await.unwrap().code, ErrorCode::Internal);
            assert_eq!(http.get(format!("{url}/works")).send().await.unwrap().text().await.unwrap(), "ok");
        }
        ending.send_replace(true);
        serving.await.unwrap();
    }
}
