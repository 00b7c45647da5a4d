mod trust;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{Stream, TryStreamExt};
use icefield_plan::Generation;
use icefield_spec::{Name, Spec};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    ApplyRequest, ApplyResponse, Endpoints, ErrorBody, ErrorCode, Events, Heartbeat, HeartbeatReply, History, Http,
    HttpOptions, JoinAnswer, JoinRequest, Keyring, NodeAction, NodeStatus, PlanReport, RebalanceAnswer,
    RebalanceProposal, RebalanceRequest, RebalanceStart, RebalanceStop, ServerMove, Servers, ServiceExplanation,
    Status,
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
            Self::Refused(body) => body.code == ErrorCode::Unavailable,
            Self::Foreign { .. } => false,
        }
    }
}

impl Client {
    /// How long an answer may take beyond the time it was asked to wait.
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
        Self { http, token: None, follows: None, servers, preferred: Arc::default() }
    }

    /// The same, for the bearer of this token.
    pub fn bearing(self, token: &str) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// The same, and the bundle in `keyring` follows what the cluster says.
    pub fn following(self, keyring: Keyring) -> Self {
        Self { follows: Some(keyring), ..self }
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
        self.post("/v1/plan", request).await
    }

    /// Puts a spec in force.
    pub async fn apply(&self, request: &ApplyRequest) -> Result<ApplyResponse, ClientError> {
        self.post("/v1/apply", request).await
    }

    /// A better layout, if there is one.
    pub async fn rebalance(&self, request: &RebalanceRequest) -> Result<RebalanceProposal, ClientError> {
        let timeout = Self::ANSWER + Duration::from_secs(RebalanceRequest::LONGEST);
        self.answer(Method::POST, "/v1/rebalance", Some(request), timeout).await
    }

    /// Starts to carry a proposal out.
    pub async fn rebalance_start(&self, start: &RebalanceStart) -> Result<RebalanceAnswer, ClientError> {
        self.post("/v1/rebalance/start", start).await
    }

    /// Ends the rebalancing that is under way.
    pub async fn rebalance_stop(&self) -> Result<RebalanceAnswer, ClientError> {
        self.post("/v1/rebalance/stop", &RebalanceStop {}).await
    }

    /// The specs that were put in force, newest first.
    pub async fn history(&self) -> Result<History, ClientError> {
        self.get("/v1/history").await
    }

    /// The events after number `after`, waiting for one as long as `wait`.
    pub async fn events(&self, after: Option<u64>, wait: Duration) -> Result<Events, ClientError> {
        self.watch("/v1/events", after, wait).await
    }

    /// Why each replica of `service` is where it is.
    pub async fn explain(&self, service: &Name) -> Result<ServiceExplanation, ClientError> {
        self.get(&format!("/v1/services/{service}/explain")).await
    }

    /// Where the healthy replicas of `service` are reached.
    pub async fn endpoints(&self, service: &Name) -> Result<Endpoints, ClientError> {
        self.get(&format!("/v1/services/{service}/endpoints")).await
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
        let (response, _) = self.send(Method::GET, &path, None::<&()>, timeout).await?;
        Ok(response.bytes_stream().map_ok(|bytes| bytes.to_vec()))
    }

    /// The servers of the cluster.
    pub async fn members(&self) -> Result<Servers, ClientError> {
        self.get("/v1/servers").await
    }

    /// Asks for a server to be taken in.
    pub async fn join(&self, request: &JoinRequest) -> Result<JoinAnswer, ClientError> {
        self.post("/v1/servers", request).await
    }

    /// Says where a server is reached now.
    pub async fn move_server(&self, server: &str, to: &ServerMove) -> Result<Servers, ClientError> {
        self.post(&format!("/v1/servers/{server}"), to).await
    }

    /// Removes a server; with `force` also if too few of those that are left answer.
    pub async fn remove_server(&self, server: &str, force: bool) -> Result<Servers, ClientError> {
        let path = format!("/v1/servers/{server}?force={force}");
        self.answer(Method::DELETE, &path, None::<&()>, Self::ANSWER).await
    }

    /// The whole state, as it is kept for a restore.
    pub async fn backup(&self) -> Result<Vec<u8>, ClientError> {
        let (response, server) = self.send(Method::GET, "/v1/backup", None::<&()>, Some(Self::LONG)).await?;
        let bytes = response.bytes().await;
        Ok(bytes.map_err(|error| ClientError::Foreign { server, reason: error.to_string() })?.to_vec())
    }

    /// Cordons, drains or uncordons a node.
    pub async fn node(&self, node: &Name, action: NodeAction) -> Result<NodeStatus, ClientError> {
        self.post(&format!("/v1/nodes/{node}"), &action).await
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

    /// Reports an agent's state.
    pub async fn heartbeat(&self, node: &Name, heartbeat: &Heartbeat) -> Result<HeartbeatReply, ClientError> {
        self.post(&format!("/v1/nodes/{node}/heartbeat"), heartbeat).await
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
        self.answer(Method::GET, &path, None::<&()>, Self::ANSWER + wait).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(Method::GET, path, None::<&()>, Self::ANSWER).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.answer(Method::POST, path, Some(body), Self::ANSWER).await
    }

    async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(Method::DELETE, path, None::<&()>, Self::ANSWER).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        let (response, server) = self.send(method, path, body, Some(timeout)).await?;
        let foreign = |reason: String| ClientError::Foreign { server: server.clone(), reason };
        let bytes = response.bytes().await.map_err(|error| foreign(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| foreign(error.to_string()))
    }

    /// Sends the request to one server after the other until one takes it.
    ///
    /// A server that says it is unavailable (it knows no leader) is passed over like one that cannot be reached.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        timeout: Option<Duration>,
    ) -> Result<(Response, String), ClientError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = None;
        for turn in 0..self.servers.len() {
            let at = (first + turn) % self.servers.len();
            let server = &self.servers[at];
            let mut request = self.http.get().request(method.clone(), format!("{server}{path}"));
            if let Some(timeout) = timeout {
                request = request.timeout(timeout);
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            match request.send().await {
                Ok(response) if response.status().is_success() => {
                    self.preferred.store(at, Ordering::Relaxed);
                    self.follow(&response, server).await;
                    return Ok((response, server.clone()));
                }
                Ok(response) => {
                    let retry = response.status() == StatusCode::SERVICE_UNAVAILABLE;
                    let error = refusal(response, server).await;
                    if !retry {
                        self.preferred.store(at, Ordering::Relaxed);
                        return Err(error);
                    }
                    last = Some(error);
                }
                Err(source) => last = Some(ClientError::Unreachable { servers: self.servers.to_vec(), source }),
            }
        }
        Err(last.unwrap_or_else(|| ClientError::Foreign { server: String::new(), reason: "no server is known".into() }))
    }
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
