//! Turns answers into text for people. Nothing here speaks to a cluster or prints.

mod audit;
mod bases;
mod count;
mod docs;
mod event;
mod explanation;
mod jobs;
mod live;
mod nodes;
mod plan;
mod proposal;
mod rollout;
mod secrets;
mod servers;
mod stale;
mod status;
mod table;
mod trust;

pub(crate) use audit::audit_entry;
pub(crate) use bases::{base_history, bases, node_history};
pub(crate) use count::count;
pub(crate) use docs::{docs_function, docs_markdown, docs_overview};
pub(crate) use event::{event, history, time};
pub(crate) use explanation::explanation;
pub(crate) use jobs::{job_runs, jobs};
pub(crate) use live::LiveText;
pub(crate) use nodes::nodes;
pub(crate) use plan::plan;
pub(crate) use proposal::proposal;
pub(crate) use rollout::{rollout_history, rollouts};
pub(crate) use secrets::secrets;
pub(crate) use servers::servers;
pub(crate) use stale::stale;
pub(crate) use status::{replicas, services, status};
pub(crate) use table::Table;
pub(crate) use trust::{authorities, join_tokens, user_tokens};
