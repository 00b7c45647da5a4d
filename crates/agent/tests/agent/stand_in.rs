//! A stand-in for the cluster: serves one node's generation and takes its heartbeats.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use icefield_api::{Alive, Endpoints, ErrorBody, ErrorCode, Heartbeat, HeartbeatReply};
use icefield_plan::Generation;
use icefield_spec::{Millis, Name, Revision};
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
    fence: watch::Sender<Option<Millis>>,
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
        let fence = watch::Sender::new(None);
        let state = (generation.clone(), heartbeat.clone(), Arc::clone(&endpoints), fence.clone());
        let router = axum::Router::new()
            .route("/v1/nodes/n1/plan", get(plan))
            .route("/v1/nodes/n1/heartbeat", post(beat))
            .route("/v1/nodes/n1/alive", post(alive))
            .with_state(state);
        let serving = Arc::new(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
        Self { url, generation, heartbeat, endpoints, fence, serving }
    }

    /// From now on it answers nobody.
    pub(crate) fn stop(&self) {
        self.serving.abort();
    }

    pub(crate) fn offer(&self, generation: Generation) {
        self.generation.send_replace(Some(generation));
    }

    /// From now on it promises that singletons may run for so long.
    pub(crate) fn promise(&self, fence: Option<Millis>) {
        self.fence.send_replace(fence);
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

type Shared = (
    watch::Sender<Option<Generation>>,
    watch::Sender<Option<Heartbeat>>,
    Arc<Mutex<BTreeMap<Name, Endpoints>>>,
    watch::Sender<Option<Millis>>,
);

async fn plan(State((generation, ..)): State<Shared>, Query(Wait { after, wait }): Query<Wait>) -> Response {
    let mut watch = generation.subscribe();
    let newer = watch.wait_for(|now| now.as_ref().is_some_and(|now| after.is_none_or(|after| now.number != after)));
    let _ = tokio::time::timeout(Duration::from_millis(wait.unwrap_or(0)), newer).await;
    match generation.borrow().clone() {
        Some(generation) => Json(generation).into_response(),
        None => (StatusCode::NOT_FOUND, Json(ErrorBody::new(ErrorCode::NotFound, "no plan"))).into_response(),
    }
}

async fn beat(State(shared): State<Shared>, Json(beat): Json<Heartbeat>) -> Json<HeartbeatReply> {
    let known = beat.endpoints.clone();
    shared.1.send_replace(Some(beat));
    Json(reply(&shared, &known, false))
}

async fn alive(State(shared): State<Shared>, Json(alive): Json<Alive>) -> Json<HeartbeatReply> {
    let told = shared.1.borrow().clone();
    let told = told.filter(|told| (told.started, told.number) == (alive.started, alive.number));
    let unknown = told.is_none();
    Json(reply(&shared, &told.map(|told| told.endpoints).unwrap_or_default(), unknown))
}

fn reply((generation, _, endpoints, fence): &Shared, known: &Known, unknown: bool) -> HeartbeatReply {
    let all = endpoints.lock().unwrap().clone().into_iter();
    let news =
        all.filter(|(service, endpoints)| known.get(service).is_some_and(|has| *has != Some(endpoints.revision)));
    let generation = generation.borrow().as_ref().map_or(0, |generation| generation.number);
    let (every, lease) = (Millis::new(100), Millis::new(1000));
    HeartbeatReply { generation, every, lease, fence: *fence.borrow(), unknown, endpoints: news.collect(), trust: None }
}

/// What an agent knows of which service's endpoints.
type Known = BTreeMap<Name, Option<Revision>>;
