use std::fmt;

use crate::Operation;

/// Who may use an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone, also without a certificate or token.
    Anyone,
    /// The node that the path names, by its certificate.
    Node,
    /// Any node or server, by its certificate: it is about the caller itself.
    Machine,
    /// A server, by its certificate.
    Server,
    /// Whoever the cluster knows: nodes, servers, and people with any role.
    Known,
    /// People with any role.
    Viewer,
    /// People with the role deployer or more. What one whose token is of some namespaces may change is checked further.
    Deployer,
    /// The same, but only with a token that is of all namespaces.
    DeployerOfAll,
    /// People with the role admin.
    Admin,
}

impl Access {
    /// Its word in the OpenAPI document.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Node => "node",
            Self::Machine => "machine",
            Self::Server => "server",
            Self::Known => "known",
            Self::Viewer => "viewer",
            Self::Deployer => "deployer",
            Self::DeployerOfAll => "deployer-of-all",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anyone => "everyone",
            Self::Node => "the node itself",
            Self::Machine => "a node or a server of the cluster",
            Self::Server => "a server of the cluster",
            Self::Known => "nodes, servers, and every role",
            Self::Viewer => "the role viewer",
            Self::Deployer => "the role deployer",
            Self::DeployerOfAll => "the role deployer, for all namespaces",
            Self::Admin => "the role admin",
        })
    }
}

impl Operation {
    /// Who may use it. An operation that is not spoken of here is for admins alone.
    pub fn access(&self) -> Access {
        match self.id {
            "trust" | "enrol" => Access::Anyone,
            "node-plan" | "node-secrets" | "node-peers" | "heartbeat" | "alive" => Access::Node,
            "endpoints" | "endpoints-of-all" => Access::Known,
            "renew" => Access::Machine,
            "join" | "move" | "server-key" => Access::Server,
            "status" | "spec" | "history" | "rollouts" | "events" | "explain" | "logs" | "servers" | "ca" | "jobs"
            | "job" | "secrets" | "node-history" | "node-generation" | "base-rollouts" => Access::Viewer,
            "plan" | "apply" | "rollout" | "job-run" | "secret-set" | "secret-remove" => Access::Deployer,
            "base-rollout" | "rebalance" | "rebalance-start" | "rebalance-stop" | "note" => Access::DeployerOfAll,
            _ => Access::Admin,
        }
    }
}
