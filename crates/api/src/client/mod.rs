mod closure_peers;
mod request;
mod retry;
mod secret;
mod trust;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use icefield_plan::Generation;
use icefield_spec::{Name, Spec};
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::request::Request;
use self::retry::Retry;
use crate::{
    Alive, ApplyRequest, ApplyResponse, BaseHistory, BaseRolloutAnswer, EndpointChanges, EndpointMark, Endpoints,
    ErrorBody, ErrorCode, Events, Heartbeat, HeartbeatReply, History, Http, HttpOptions, IdempotencyKey, JobHistory,
    JobRunAnswer, JobRunRequest, Jobs, JoinAnswer, JoinRequest, Keyring, NodeAction, NodeHistory, NodeStatus,
    NoteAnswer, NoteRequest, PastGeneration, PlanReport, RebalanceAnswer, RebalanceProposal, RebalanceRequest,
    RebalanceStart, RebalanceStop, RolloutAction, RolloutAnswer, RolloutHistory, ServerMove, ServerStatus, Servers,
    ServiceEndpoints, ServiceExplanation, Status,
};

/// Talks to a cluster: to whichever of its servers answers.
///
/// Cloning is cheap, and clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
    /// The token of whoever asks.
    token: Option<Arc<str>>,
    /// Whose bundle is kept up to date by the answers.
    follows: Option<Keyring>,
    servers: Arc<[String]>,
    /// The server that answered last; the next request goes there first.
    preferred: Arc<AtomicUsize>,
    /// Whether reading answers may be out of date.
    stale: bool,
    /// How long a request is sent again and again while servers are there but none answers.
    patience: Duration,
}

/// Why a request brought no answer to use.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No server could be reached.
    #[error("no server of the cluster answers ({})", servers.join(", "))]
    Unreachable {
        /// The servers that were tried.
        servers: Vec<String>,
        /// Why the last one could not be reached.
        #[source]
        source: reqwest::Error,
    },
    /// A server said no.
    #[error("{0}")]
    Refused(ErrorBody),
    /// The request cannot be written as JSON.
    #[error("the request cannot be written as JSON: {0}")]
    Unwritable(String),
    /// A server answered something else than its API says.
    #[error("{server} answered with something that is not of Icefield's API: {reason}")]
    Foreign {
        /// The server.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// Whether the same request may well succeed in a moment: a server is being started anew, or a leader chosen.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(body) => matches!(body.code, ErrorCode::Unavailable | ErrorCode::Overloaded),
            Self::Unwritable(_) | Self::Foreign { .. } => false,
        }
    }
}

impl Client {
    /// How long an answer may take beyond the time it was asked to wait; and how long a request is sent again if it was not
    /// answered.
    const ANSWER: Duration = Duration::from_secs(10);
    /// How long it may take until a large answer is there.
    const LONG: Duration = Duration::from_secs(600);

    /// A client of the servers with these URLs (`http://127.0.0.1:7700`); at least one.
    pub fn new(servers: impl IntoIterator<Item = String>) -> Self {
        Self::over(Http::new(HttpOptions::default(), None), servers)
    }

    /// A client of these servers, over connections that are made as `http` says.
    pub fn over(http: Http, servers: impl IntoIterator<Item = String>) -> Self {
        let servers = servers.into_iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        let preferred = Arc::default();
        Self { http, token: None, follows: None, servers, preferred, stale: false, patience: Self::ANSWER }
    }

    /// The same, for the bearer of this token.
    pub fn bearing(self, token: &str) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// The same, and the bundle in `keyring` follows what the cluster says.
    pub fn following(self, keyring: Keyring) -> Self {
        Self { follows: Some(keyring), ..self }
    }

    /// The same, but whatever server is asked gives reading answers from what it has itself: also when most servers are
    /// gone, and maybe out of date.
    pub fn stale(self, stale: bool) -> Self {
        Self { stale, ..self }
    }

    /// The same, but a request that was not answered is sent again for so long: 10 seconds if it is not said.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The URLs of the servers.
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// What is true now; with `after`, once its index is greater or `wait` is over.
    pub async fn status(&self, after: Option<u64>, wait: Duration) -> Result<Status, ClientError> {
        self.watch("/v1/status", after, wait).await
    }

    /// The spec in force; `None` before the first apply.
    pub async fn spec(&self) -> Result<Option<Spec>, ClientError> {
        absent_is_none(self.get("/v1/spec").await)
    }

    /// What an apply would change.
    pub async fn plan(&self, request: &ApplyRequest) -> Result<PlanReport, ClientError> {
        self.ask("/v1/plan", request, Self::ANSWER).await
    }

    /// Puts a spec in force.
    pub async fn apply(&self, request: &ApplyRequest) -> Result<ApplyResponse, ClientError> {
        self.change("/v1/apply", request).await
    }

    /// A better layout, if there is one.
    pub async fn rebalance(&self, request: &RebalanceRequest) -> Result<RebalanceProposal, ClientError> {
        let timeout = Self::ANSWER + Duration::from_secs(RebalanceRequest::LONGEST);
        self.ask("/v1/rebalance", request, timeout).await
    }

    /// Starts to carry a proposal out.
    pub async fn rebalance_start(&self, start: &RebalanceStart) -> Result<RebalanceAnswer, ClientError> {
        self.change("/v1/rebalance/start", start).await
    }

    /// Ends the rebalancing that is under way.
    pub async fn rebalance_stop(&self) -> Result<RebalanceAnswer, ClientError> {
        self.change("/v1/rebalance/stop", &RebalanceStop {}).await
    }

    /// The jobs, and how their last runs ended.
    pub async fn jobs(&self) -> Result<Jobs, ClientError> {
        self.get("/v1/jobs").await
    }

    /// A job with its past.
    pub async fn job(&self, job: &Name) -> Result<JobHistory, ClientError> {
        self.get(&format!("/v1/jobs/{job}")).await
    }

    /// Runs a job now.
    pub async fn run_job(&self, job: &Name) -> Result<JobRunAnswer, ClientError> {
        self.change(&format!("/v1/jobs/{job}/run"), &JobRunRequest {}).await
    }

    /// The specs that were put in force, newest first.
    pub async fn history(&self) -> Result<History, ClientError> {
        self.get("/v1/history").await
    }

    /// The events after number `after`, waiting for one as long as `wait`.
    pub async fn events(&self, after: Option<u64>, wait: Duration) -> Result<Events, ClientError> {
        self.watch("/v1/events", after, wait).await
    }

    /// Puts a note among the events.
    pub async fn note(&self, text: &str) -> Result<NoteAnswer, ClientError> {
        self.change("/v1/events", &NoteRequest { text: text.to_owned() }).await
    }

    /// Why each replica of `service` is where it is.
    pub async fn explain(&self, service: &Name) -> Result<ServiceExplanation, ClientError> {
        self.get(&format!("/v1/services/{service}/explain")).await
    }

    /// The last rollouts of `service`, newest first.
    pub async fn rollouts(&self, service: &Name) -> Result<RolloutHistory, ClientError> {
        self.get(&format!("/v1/services/{service}/rollouts")).await
    }

    /// Does something with the rollout of `service`.
    pub async fn rollout(&self, service: &Name, action: RolloutAction) -> Result<RolloutAnswer, ClientError> {
        self.change(&format!("/v1/services/{service}/rollout"), &action).await
    }

    /// The last rollouts of `base`, newest first.
    pub async fn base_rollouts(&self, base: &Name) -> Result<BaseHistory, ClientError> {
        self.get(&format!("/v1/bases/{base}/rollouts")).await
    }

    /// Does something with the rollout of `base`.
    pub async fn base_rollout(&self, base: &Name, action: RolloutAction) -> Result<BaseRolloutAnswer, ClientError> {
        self.change(&format!("/v1/bases/{base}/rollout"), &action).await
    }

    /// The systems that `node` was asked for, newest first.
    pub async fn node_history(&self, node: &Name) -> Result<NodeHistory, ClientError> {
        self.get(&format!("/v1/nodes/{node}/history")).await
    }

    /// Generation `number` of `node`, as its agent has kept it.
    pub async fn node_generation(&self, node: &Name, number: u64) -> Result<PastGeneration, ClientError> {
        self.answer(Request::get(format!("/v1/nodes/{node}/generations/{number}"))).await
    }

    /// Where the healthy replicas of `service` are reached.
    pub async fn endpoints(&self, service: &Name) -> Result<Endpoints, ClientError> {
        self.get(&format!("/v1/services/{service}/endpoints")).await
    }

    /// The same, once its index is greater than `after` or `wait` is over.
    pub async fn watch_endpoints(
        &self,
        service: &Name,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<ServiceEndpoints, ClientError> {
        self.watch(&format!("/v1/services/{service}/endpoints"), after, wait).await
    }

    /// What has changed of all services' endpoints since `known`, once anything has or `wait` is over; without it, all of
    /// them.
    pub async fn changed_endpoints(
        &self,
        known: Option<EndpointMark>,
        wait: Duration,
    ) -> Result<EndpointChanges, ClientError> {
        let query = known.map_or(String::new(), |EndpointMark { epoch, index }| {
            format!("?after={index}&epoch={epoch}&wait={}", wait.as_millis())
        });
        let request = Request::get(format!("/v1/endpoints{query}"));
        self.answer(Request { timeout: Some(Self::ANSWER + wait), ..request }).await
    }

    /// What replica `index` of `service` wrote: the last `tail` lines, then what is added if `follow`.
    pub async fn logs(
        &self,
        service: &Name,
        index: u32,
        tail: Option<u32>,
        follow: bool,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, reqwest::Error>> + use<>, ClientError> {
        let tail = tail.map_or(String::new(), |tail| format!("&tail={tail}"));
        let path = format!("/v1/services/{service}/replicas/{index}/logs?follow={follow}{tail}");
        let timeout = if follow { None } else { Some(Self::ANSWER) };
        let request = Request { timeout, ..Request::get(self.reading(path)) };
        let answered = self.round(&request, |response| async { Ok(response) }).await;
        let (response, _) = answered.map_err(|unanswered| unanswered.error)?;
        Ok(response.bytes_stream().map_ok(|bytes| bytes.to_vec()))
    }

    /// The servers of the cluster.
    pub async fn members(&self) -> Result<Servers, ClientError> {
        self.get("/v1/servers").await
    }

    /// Asks for a server to be taken in.
    pub async fn join(&self, request: &JoinRequest) -> Result<JoinAnswer, ClientError> {
        self.change("/v1/servers", request).await
    }

    /// Says where a server is reached now.
    pub async fn move_server(&self, server: &str, to: &ServerMove) -> Result<Servers, ClientError> {
        self.change(&format!("/v1/servers/{server}"), to).await
    }

    /// Removes a server; with `force` also if too few of those that are left answer.
    pub async fn remove_server(&self, server: &str, force: bool) -> Result<Servers, ClientError> {
        let path = format!("/v1/servers/{server}?force={force}");
        self.answer(Request { method: Method::DELETE, may_repeat: false, ..Request::get(path) }).await
    }

    /// The whole state, as it is kept for a restore.
    pub async fn backup(&self) -> Result<Vec<u8>, ClientError> {
        let request = Request { timeout: Some(Self::LONG), ..Request::get("/v1/backup".into()) };
        let whole = self.round(&request, Self::whole).await;
        whole.map(|(content, _)| content.to_vec()).map_err(|unanswered| unanswered.error)
    }

    /// Cordons, drains, uncordons or removes a node.
    pub async fn node(&self, node: &Name, action: NodeAction) -> Result<NodeStatus, ClientError> {
        self.change(&format!("/v1/nodes/{node}"), &action).await
    }

    /// The generation of `node` once its number is greater than `after`, or as it stands when `wait` is over; `None`
    /// if it has none.
    pub async fn node_plan(
        &self,
        node: &Name,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<Option<Generation>, ClientError> {
        absent_is_none(self.watch(&format!("/v1/nodes/{node}/plan"), after, wait).await)
    }

    /// Reports an agent's state. It is sent once to each server at most: the next one says it better.
    pub async fn heartbeat(&self, node: &Name, heartbeat: &Heartbeat) -> Result<HeartbeatReply, ClientError> {
        let request = Request::post(&format!("/v1/nodes/{node}/heartbeat"), heartbeat)?;
        self.answer(Request { may_repeat: false, ..request }).await
    }

    /// Says that an agent's last report is still true.
    pub async fn alive(&self, node: &Name, alive: &Alive) -> Result<HeartbeatReply, ClientError> {
        let request = Request::post(&format!("/v1/nodes/{node}/alive"), alive)?;
        self.answer(Request { may_repeat: false, ..request }).await
    }

    async fn watch<T: DeserializeOwned>(
        &self,
        path: &str,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<T, ClientError> {
        let path = match after {
            Some(after) => format!("{path}?after={after}&wait={}", wait.as_millis()),
            None => path.to_owned(),
        };
        self.answer(Request { timeout: Some(Self::ANSWER + wait), ..Request::get(self.reading(path)) }).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(Request::get(self.reading(path.to_owned()))).await
    }

    /// The path of a reading request, with the wish that answers may be out of date if this client has it.
    fn reading(&self, path: String) -> String {
        match path.contains('?') {
            _ if !self.stale => path,
            true => format!("{path}&stale=true"),
            false => format!("{path}?stale=true"),
        }
    }

    /// Asks for something to be taken away: once, however often it must be asked for.
    async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let key = Some(IdempotencyKey::fresh());
        self.answer(Request { method: Method::DELETE, key, ..Request::get(path.to_owned()) }).await
    }

    /// Asks for something that changes nothing.
    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        self.answer(Request { timeout: Some(timeout), ..Request::post(path, body)? }).await
    }

    /// Asks for a change: once, however often it must be asked for.
    async fn change<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.answer(Request { key: Some(IdempotencyKey::fresh()), ..Request::post(path, body)? }).await
    }

    /// Sends a request until it is answered or its time is over, and reads the answer.
    async fn answer<T: DeserializeOwned>(&self, request: Request) -> Result<T, ClientError> {
        let mut retry = Retry::new(Instant::now() + self.patience);
        loop {
            let unanswered = match self.round(&request, Self::whole).await {
                Ok((body, server)) => {
                    let foreign = |error: serde_json::Error| ClientError::Foreign { server, reason: error.to_string() };
                    return serde_json::from_slice(&body).map_err(foreign);
                }
                Err(unanswered) => unanswered,
            };
            let Again::After(asked) = unanswered.again else { return Err(unanswered.error) };
            match retry.pause(Instant::now(), asked, random()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(unanswered.error),
            }
        }
    }

    async fn whole(response: Response) -> Result<Bytes, reqwest::Error> {
        response.bytes().await
    }

    /// Sends the request to one server after the other until one takes it; `read` reads the answer.
    ///
    /// A server that says it is unavailable (it knows no leader) is passed over like one that cannot be reached.
    async fn round<T, F>(&self, request: &Request, read: impl Fn(Response) -> F) -> Result<(T, String), Unanswered>
    where
        F: Future<Output = Result<T, reqwest::Error>>,
    {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = None;
        // Whether any server was there at all.
        let mut again = Again::Never;
        for turn in 0..self.servers.len() {
            let at = (first + turn) % self.servers.len();
            let server = &self.servers[at];
            let lost = |source| ClientError::Unreachable { servers: self.servers.to_vec(), source };
            match request.send(&self.http.get(), server, self.token.as_deref()).await {
                Ok(response) if response.status().is_success() => {
                    let newer = self.newer_bundle(&response);
                    let next = self.leader(&response).unwrap_or(at);
                    match read(response).await {
                        Ok(answer) => {
                            if newer {
                                self.follow(server).await;
                            }
                            self.preferred.store(next, Ordering::Relaxed);
                            return Ok((answer, server.clone()));
                        }
                        Err(source) => {
                            again = Again::After(None);
                            last = Some(lost(source));
                        }
                    }
                }
                Ok(response) => {
                    let (status, asked) = (response.status(), retry_after(&response));
                    let error = refusal(response, server).await;
                    match status {
                        StatusCode::SERVICE_UNAVAILABLE => {
                            again = Again::After(None);
                            last = Some(error);
                        }
                        StatusCode::TOO_MANY_REQUESTS => {
                            return Err(Unanswered { error, again: Again::After(Some(asked)) });
                        }
                        _ => {
                            self.preferred.store(at, Ordering::Relaxed);
                            return Err(Unanswered { error, again: Again::Never });
                        }
                    }
                }
                Err(source) => {
                    if !source.is_connect() {
                        again = Again::After(None);
                    }
                    last = Some(lost(source));
                }
            }
        }
        let nobody = || ClientError::Foreign { server: String::new(), reason: "no server is known".into() };
        Err(Unanswered {
            error: last.unwrap_or_else(nobody),
            again: if request.may_repeat { again } else { Again::Never },
        })
    }
}

impl Client {
    /// The server that an answer names as the leader who gave it, if this client knows that one.
    fn leader(&self, response: &Response) -> Option<usize> {
        let leader = response.headers().get(ServerStatus::LEADER_HEADER)?.to_str().ok()?;
        self.servers.iter().position(|server| server == leader)
    }
}

/// Why a request was not answered by any server.
struct Unanswered {
    error: ClientError,
    again: Again,
}

/// Whether a request is to be sent again.
enum Again {
    /// There is an answer, or nobody who could give one.
    Never,
    /// After a pause; of this length if a server asked for it.
    After(Option<Duration>),
}

/// How long a server that has enough to do asks to be left alone.
fn retry_after(response: &Response) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

/// A number from 0 to 1 that differs from client to client.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

async fn refusal(response: Response, server: &str) -> ClientError {
    let status = response.status();
    let body = response.bytes().await.unwrap_or_default();
    match serde_json::from_slice(&body) {
        Ok(body) => ClientError::Refused(body),
        Err(_) => ClientError::Foreign { server: server.to_owned(), reason: format!("status {status}") },
    }
}

fn absent_is_none<T>(result: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ClientError::Refused(body)) if body.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
