use axum::http::{Method, Uri};

use super::limits::{HEARTBEAT_BODY, LARGE_BODY, SMALL_BODY};

/// The kinds of requests. Each has a bound of its own on how many are under way, so that none keeps another from being
/// served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Agents' reports: the last thing that may be refused, because silence costs a node its replicas.
    Heartbeat,
    /// Agents that wait for their next plan, or for endpoints to change, or ask whom to get a closure from: as many as there are
    /// agents, and cheap.
    NodePlan,
    /// People and programs that wait for something to change.
    Watch,
    /// Answers from what is there. Each may hold all of the status until its client has taken it.
    Read,
    /// Small changes.
    Write,
    /// What needs placement: plans, applies, explanations, better layouts.
    Compute,
    /// Logs of replicas, as long as somebody reads them.
    Stream,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 7] =
        [Self::Heartbeat, Self::NodePlan, Self::Watch, Self::Read, Self::Write, Self::Compute, Self::Stream];

    /// The kind of a request.
    pub(crate) fn of(method: &Method, uri: &Uri) -> Self {
        let path = uri.path();
        if *method == Method::DELETE {
            return Self::Write;
        }
        if *method != Method::POST {
            let waits = uri.query().is_some_and(|query| query.split('&').any(|part| part.starts_with("after=")));
            return match path.rsplit('/').next() {
                Some("logs") => Self::Stream,
                Some("explain") => Self::Compute,
                Some("plan" | "peers") => Self::NodePlan,
                _ if path == "/v1/endpoints" => Self::NodePlan,
                _ if waits => Self::Watch,
                _ => Self::Read,
            };
        }
        match path {
            "/v1/plan" | "/v1/apply" | "/v1/rebalance" => Self::Compute,
            _ if is_report(path) => Self::Heartbeat,
            _ => Self::Write,
        }
    }

    /// How many may be under way at once.
    pub(crate) const fn most(self) -> usize {
        match self {
            Self::Heartbeat | Self::NodePlan => 16_384,
            Self::Watch => 1_024,
            Self::Read => 256,
            Self::Write => 4_096,
            Self::Compute => 8,
            Self::Stream => 512,
        }
    }

    /// What is under way, in words.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeats",
            Self::NodePlan => "agents that wait",
            Self::Watch => "watches",
            Self::Read => "reads",
            Self::Write => "changes",
            Self::Compute => "plans and applies",
            Self::Stream => "logs",
        }
    }
}

/// Whether a request changes what the servers agree on; such a request has an idempotency key.
pub(crate) fn is_write(method: &Method, path: &str) -> bool {
    match *method {
        Method::POST => !matches!(path, "/v1/plan" | "/v1/rebalance") && !is_report(path),
        // The servers themselves are not what they agree on by commands.
        Method::DELETE => !path.starts_with("/v1/servers/"),
        _ => false,
    }
}

/// Whether a request is an agent's report.
fn is_report(path: &str) -> bool {
    path.ends_with("/heartbeat") || path.ends_with("/alive")
}

/// The most that the body of a request may hold.
pub(crate) fn body_limit(method: &Method, path: &str) -> usize {
    match path {
        _ if *method != Method::POST => SMALL_BODY,
        "/v1/plan" | "/v1/apply" | "/v1/rebalance/start" => LARGE_BODY,
        _ if path.ends_with("/heartbeat") => HEARTBEAT_BODY,
        _ => SMALL_BODY,
    }
}

#[cfg(test)]
mod tests {
    use icefield_api::OPERATIONS;

    use super::*;

    fn kind(method: &str, uri: &str) -> Kind {
        Kind::of(&method.parse().unwrap(), &uri.parse().unwrap())
    }

    #[test]
    fn every_operation_has_its_kind() {
        assert_eq!(kind("GET", "/v1/status"), Kind::Read);
        assert_eq!(kind("GET", "/v1/status?after=7&wait=1000"), Kind::Watch);
        assert_eq!(kind("GET", "/v1/events?wait=1000&after=7"), Kind::Watch);
        assert_eq!(kind("GET", "/v1/nodes/n1/plan?after=7"), Kind::NodePlan);
        assert_eq!(kind("GET", "/v1/endpoints?after=7&epoch=1"), Kind::NodePlan);
        assert_eq!(kind("GET", "/v1/services/web/endpoints?after=7"), Kind::Watch);
        assert_eq!(kind("GET", "/v1/services/web/explain"), Kind::Compute);
        assert_eq!(kind("GET", "/v1/services/web/replicas/0/logs"), Kind::Stream);
        assert_eq!(kind("POST", "/v1/nodes/n1/heartbeat"), Kind::Heartbeat);
        assert_eq!(kind("POST", "/v1/nodes/n1"), Kind::Write);
        assert_eq!(kind("POST", "/v1/apply"), Kind::Compute);
        assert_eq!(kind("POST", "/v1/events"), Kind::Write);
        assert_eq!(kind("DELETE", "/v1/servers/s1"), Kind::Write);
    }

    #[test]
    fn what_the_document_calls_a_write_is_one() {
        for operation in OPERATIONS {
            let method = operation.method.parse().unwrap();
            assert_eq!(is_write(&method, operation.path), operation.is_write(), "{}", operation.id);
        }
    }
}
