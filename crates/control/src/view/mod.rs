//! What people and agents get to see: the state and the observations in the API's words.

mod base;
mod declaration;
mod endpoints;
mod explain;
mod job_change;
mod job_status;
mod leftovers;
mod lineup;
mod machine_change;
mod node_status;
mod plan_report;
mod quota_change;
mod rollout;
mod secrets;
mod service_change;
mod service_status;
mod stale;
mod status;
mod update;

pub use base::{base_history, base_status, node_history};
pub(crate) use endpoints::{all_endpoints, is_heard_of};
pub use endpoints::{changed_endpoints, endpoints};
pub use explain::explain;
pub use job_status::{job_history, job_statuses};
pub(crate) use lineup::Lineup;
pub use node_status::node_status;
pub use plan_report::{offline_report, plan_report};
pub use rollout::{rollout_history, rollout_status};
pub use secrets::{secrets, secrets_of};
pub use stale::stale_status;
pub use status::{Group, status, status_index};
