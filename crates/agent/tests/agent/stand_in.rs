//! A stand-in for the cluster: serves one node's generation and takes its heartbeats.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use icefield_api::{Endpoints, ErrorBody, ErrorCode, Heartbeat, HeartbeatReply};
use icefield_plan::Generation;
use icefield_spec::{Millis, Name};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Clone)]
pub(crate) struct StandIn {
    pub(crate) url: String,
    generation: watch::Sender<Option<Generation>>,
    heartbeat: watch::Sender<Option<Heartbeat>>,
    endpoints: Arc<Mutex<BTreeMap<Name, Endpoints>>>,
    serving: Arc<JoinHandle<()>>,
}

#[derive(Deserialize)]
struct Wait {
    after: Option<u64>,
    wait: Option<u64>,
}

impl StandIn {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (generation, heartbeat, endpoints) = (watch::Sender::new(None), watch::Sender::new(None), Arc::default());
        let state = (generation.clone(), heartbeat.clone(), Arc::clone(&endpoints));
        let router = axum::Router::new()
            .route("/v1/nodes/n1/plan", get(plan))
            .route("/v1/nodes/n1/heartbeat", post(beat))
            .with_state(state);
        let serving = Arc::new(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
        Self { url, generation, heartbeat, endpoints, serving }
    }

    /// From now on it answers nobody.
    pub(crate) fn stop(&self) {
        self.serving.abort();
    }

    pub(crate) fn offer(&self, generation: Generation) {
        self.generation.send_replace(Some(generation));
    }

    pub(crate) fn tell(&self, service: &Name, endpoints: Endpoints) {
        self.endpoints.lock().unwrap().insert(service.clone(), endpoints);
    }

    /// The next heartbeat that `is` says yes to, the last one that came included.
    pub(crate) async fn heartbeat(&self, is: impl Fn(&Heartbeat) -> bool) -> Heartbeat {
        let mut beats = self.heartbeat.subscribe();
        let found =
            tokio::time::timeout(Duration::from_secs(20), beats.wait_for(|beat| beat.as_ref().is_some_and(&is)));
        match found.await {
            Ok(found) => found.unwrap().clone().unwrap(),
            Err(_) => panic!("no such heartbeat came; the last one is {:#?}", self.heartbeat.borrow()),
        }
    }

    /// Forgets the heartbeats so far.
    pub(crate) fn forget(&self) {
        self.heartbeat.send_replace(None);
    }
}

type Shared =
    (watch::Sender<Option<Generation>>, watch::Sender<Option<Heartbeat>>, Arc<Mutex<BTreeMap<Name, Endpoints>>>);

async fn plan(State((generation, _, _)): State<Shared>, Query(Wait { after, wait }): Query<Wait>) -> Response {
    let mut watch = generation.subscribe();
    let newer = watch.wait_for(|now| now.as_ref().is_some_and(|now| after.is_none_or(|after| now.number != after)));
    let _ = tokio::time::timeout(Duration::from_millis(wait.unwrap_or(0)), newer).await;
    match generation.borrow().clone() {
        Some(generation) => Json(generation).into_response(),
        None => (StatusCode::NOT_FOUND, Json(ErrorBody::new(ErrorCode::NotFound, "no plan"))).into_response(),
    }
}

async fn beat(
    State((generation, heartbeat, endpoints)): State<Shared>,
    Json(beat): Json<Heartbeat>,
) -> Json<HeartbeatReply> {
    let known = endpoints.lock().unwrap().clone();
    let news = known
        .into_iter()
        .filter(|(service, endpoints)| beat.endpoints.get(service).is_some_and(|has| *has != Some(endpoints.revision)));
    let endpoints = news.collect();
    heartbeat.send_replace(Some(beat));
    let generation = generation.borrow().as_ref().map_or(0, |generation| generation.number);
    Json(HeartbeatReply { generation, every: Millis::new(100), lease: Millis::new(1000), endpoints, trust: None })
}
