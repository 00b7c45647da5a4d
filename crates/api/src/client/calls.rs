//! What can be asked of a cluster.

use std::time::Duration;

use futures_util::{Stream, TryStreamExt};
use icefield_plan::Generation;
use icefield_spec::{Name, Spec};
use reqwest::Method;

use super::request::Request;
use super::sending::absent_is_none;
use super::{Client, ClientError};
use crate::{
    Alive, ApplyRequest, ApplyResponse, BaseHistory, BaseRolloutAnswer, EndpointChanges, EndpointMark, Endpoints,
    Events, Heartbeat, HeartbeatReply, History, JobHistory, JobRunAnswer, JobRunRequest, Jobs, JoinAnswer, JoinRequest,
    NodeAction, NodeHistory, NodeStatus, NoteAnswer, NoteRequest, PastGeneration, PlanReport, RebalanceAnswer,
    RebalanceProposal, RebalanceRequest, RebalanceStart, RebalanceStop, RolloutAction, RolloutAnswer, RolloutHistory,
    ServerMove, Servers, ServiceEndpoints, ServiceExplanation, Status,
};

impl Client {
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
}
