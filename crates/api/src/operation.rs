/// One operation of the HTTP API, as the server serves it and the OpenAPI document describes it.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// The HTTP method, in capitals.
    pub method: &'static str,
    /// The path, with `{name}` for its parameters.
    pub path: &'static str,
    /// A name that is its own, for generated clients.
    pub id: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Query parameters with what each means.
    pub query: &'static [(&'static str, &'static str)],
    /// The type of the request's body, if it has one.
    pub request: Option<&'static str>,
    /// The type of the answer's body; `text` for a plain stream.
    pub response: &'static str,
}

const STALE: (&str, &str) = (
    "stale",
    "`true` for an answer from what the server that is asked has itself, which may be out of date; the header \
     `icefield-stale` says of when it is. Without it, the answer has all that was acknowledged before.",
);

const READ: &[(&str, &str)] = &[STALE];

const WATCH: &[(&str, &str)] = &[
    ("after", "Answer once the index is greater than this; at once without it."),
    ("wait", "The longest to wait for that, in milliseconds; at most 60000. Then the answer is as things stand."),
    STALE,
];

const fn read(path: &'static str, id: &'static str, summary: &'static str, response: &'static str) -> Operation {
    Operation { method: "GET", path, id, summary, query: READ, request: None, response }
}

const fn watch(path: &'static str, id: &'static str, summary: &'static str, response: &'static str) -> Operation {
    Operation { method: "GET", path, id, summary, query: WATCH, request: None, response }
}

const fn delete(path: &'static str, id: &'static str, summary: &'static str, response: &'static str) -> Operation {
    Operation { method: "DELETE", path, id, summary, query: &[], request: None, response }
}

const fn post(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    request: &'static str,
    response: &'static str,
) -> Operation {
    Operation { method: "POST", path, id, summary, query: &[], request: Some(request), response }
}

impl Operation {
    /// Whether a request for it carries an idempotency key: it changes what the servers agree on, and is carried out once
    /// however often it arrives.
    pub fn is_write(&self) -> bool {
        match self.method {
            "POST" => !matches!(self.id, "plan" | "rebalance" | "heartbeat" | "alive"),
            // The servers themselves are not what they agree on by commands.
            "DELETE" => self.id != "remove",
            _ => false,
        }
    }
}

/// Every operation of the public API.
pub const OPERATIONS: &[Operation] = &[
    watch("/v1/status", "status", "What is true now.", "Status"),
    read("/v1/spec", "spec", "The spec in force.", "Spec"),
    post("/v1/plan", "plan", "What an apply of this spec would change; changes nothing.", "ApplyRequest", "PlanReport"),
    post("/v1/apply", "apply", "Puts a spec in force.", "ApplyRequest", "ApplyResponse"),
    post(
        "/v1/rebalance",
        "rebalance",
        "Looks for a better layout and proposes it; changes nothing.",
        "RebalanceRequest",
        "RebalanceProposal",
    ),
    post(
        "/v1/rebalance/start",
        "rebalance-start",
        "Starts to carry a proposal out, a few moves at a time.",
        "RebalanceStart",
        "RebalanceAnswer",
    ),
    post("/v1/rebalance/stop", "rebalance-stop", "Ends it where it is.", "RebalanceStop", "RebalanceAnswer"),
    read("/v1/history", "history", "The specs that were put in force, newest first.", "History"),
    Operation {
        method: "GET",
        path: "/v1/events",
        id: "events",
        summary: "What happened, oldest first.",
        query: &[
            ("after", "Only events with a greater number; waits for one as long as `wait` says."),
            ("wait", "The longest to wait, in milliseconds; at most 60000."),
            STALE,
        ],
        request: None,
        response: "Events",
    },
    post("/v1/events", "note", "Puts a note among the events.", "NoteRequest", "NoteAnswer"),
    read("/v1/jobs", "jobs", "The jobs, and how their last runs ended.", "Jobs"),
    read("/v1/jobs/{job}", "job", "A job with its past.", "JobHistory"),
    post("/v1/jobs/{job}/run", "job-run", "Runs a job now.", "JobRunRequest", "JobRunAnswer"),
    read("/v1/services/{service}/explain", "explain", "Why each replica is where it is.", "ServiceExplanation"),
    read("/v1/services/{service}/rollouts", "rollouts", "The last rollouts, newest first.", "RolloutHistory"),
    post(
        "/v1/services/{service}/rollout",
        "rollout",
        "Pauses, resumes, confirms or undoes a rollout.",
        "RolloutAction",
        "RolloutAnswer",
    ),
    watch(
        "/v1/services/{service}/endpoints",
        "endpoints",
        "Where the healthy replicas are reached.",
        "ServiceEndpoints",
    ),
    Operation {
        method: "GET",
        path: "/v1/endpoints",
        id: "endpoints-of-all",
        summary: "Where all services are reached, or what of that has changed.",
        query: &[
            (
                "after",
                "The index of what is known; answers once there is more, with what changed. All there is without it.",
            ),
            ("epoch", "The epoch that the index is of; with that of another leader, the answer is all there is."),
            ("wait", "The longest to wait for a change, in milliseconds; at most 60000. Then the answer names none."),
        ],
        request: None,
        response: "EndpointChanges",
    },
    Operation {
        method: "GET",
        path: "/v1/services/{service}/replicas/{index}/logs",
        id: "logs",
        summary: "What a replica wrote.",
        query: &[
            ("tail", "Only so many of the last lines."),
            ("follow", "`true` to keep sending what is added."),
            STALE,
        ],
        request: None,
        response: "text",
    },
    read("/v1/servers", "servers", "The servers, and whether each answers.", "Servers"),
    post("/v1/servers", "join", "Takes a server in; it votes once it has caught up.", "JoinRequest", "JoinAnswer"),
    post("/v1/servers/{server}", "move", "A server is reached at another URL now.", "ServerMove", "Servers"),
    Operation {
        method: "DELETE",
        path: "/v1/servers/{server}",
        id: "remove",
        summary: "Removes a server.",
        query: &[("force", "`true` to do so though too few of those that are left answer.")],
        request: None,
        response: "Servers",
    },
    read("/v1/backup", "backup", "The whole state, as `icefield restore` takes it.", "text"),
    post(
        "/v1/nodes/{node}",
        "node",
        "Cordons, drains, uncordons, rolls back or removes a node.",
        "NodeAction",
        "NodeStatus",
    ),
    read(
        "/v1/nodes/{node}/history",
        "node-history",
        "The systems that a node was asked for, newest first.",
        "NodeHistory",
    ),
    Operation {
        method: "GET",
        path: "/v1/nodes/{node}/generations/{number}",
        id: "node-generation",
        summary: "One of the last generations of a node, as its agent has kept it.",
        query: &[],
        request: None,
        response: "PastGeneration",
    },
    read("/v1/bases/{base}/rollouts", "base-rollouts", "The last rollouts of a base, newest first.", "BaseHistory"),
    post(
        "/v1/bases/{base}/rollout",
        "base-rollout",
        "Pauses, resumes, confirms or undoes the rollout of a base.",
        "RolloutAction",
        "BaseRolloutAnswer",
    ),
    watch("/v1/nodes/{node}/plan", "node-plan", "A node's generation; 404 before it has one.", "Generation"),
    post("/v1/nodes/{node}/heartbeat", "heartbeat", "An agent's report; registers it.", "Heartbeat", "HeartbeatReply"),
    read("/v1/trust", "trust", "The authorities that the cluster trusts.", "TrustAnswer"),
    post("/v1/join", "enrol", "A machine's first certificate, for a join token.", "EnrolRequest", "EnrolAnswer"),
    post("/v1/renew", "renew", "A machine's next certificate.", "RenewRequest", "RenewAnswer"),
    read("/v1/ca", "ca", "The authorities, and how far a rotation is.", "CaStatus"),
    post(
        "/v1/ca",
        "ca-rotate",
        "Starts a rotation of the authority, or goes on with one.",
        "RotateRequest",
        "CaStatus",
    ),
    read("/v1/join-tokens", "join-tokens", "The join tokens.", "JoinTokens"),
    post("/v1/join-tokens", "join-token-create", "Makes a join token known.", "JoinTokenRequest", "JoinTokens"),
    delete("/v1/join-tokens/{id}", "join-token-revoke", "Revokes a join token.", "JoinTokens"),
    read("/v1/tokens", "tokens", "The tokens of people and programs.", "UserTokens"),
    post("/v1/tokens", "token-create", "Makes someone's token known.", "UserTokenRequest", "UserTokens"),
    post("/v1/tokens/{name}", "token-rotate", "Gives someone another secret.", "UserTokenRotation", "UserTokens"),
    delete("/v1/tokens/{name}", "token-revoke", "Revokes all tokens of someone.", "UserTokens"),
    Operation {
        method: "GET",
        path: "/v1/audit",
        id: "audit",
        summary: "Who changed what, and who was not let, oldest first.",
        query: &[("after", "Only entries with a greater number.")],
        request: None,
        response: "AuditLog",
    },
    read("/v1/secrets", "secrets", "The secrets, without their values.", "SecretList"),
    post("/v1/secrets", "secret-set", "Gives a secret a value.", "SecretRequest", "SecretAnswer"),
    Operation {
        method: "DELETE",
        path: "/v1/secrets/{name}",
        id: "secret-remove",
        summary: "Removes a secret; refused while services use it.",
        query: &[("namespace", "Its namespace, if it has one."), ("force", "`true` to do so though services use it.")],
        request: None,
        response: "SecretList",
    },
    Operation {
        method: "GET",
        path: "/v1/nodes/{node}/secrets",
        id: "node-secrets",
        summary: "The secrets that the node's plan names, opened.",
        query: &[],
        request: None,
        response: "NodeSecrets",
    },
    Operation {
        method: "GET",
        path: "/v1/nodes/{node}/peers",
        id: "node-peers",
        summary: "Whom a node may get a closure from, nearest first.",
        query: &[("hash", "What the path of the closure begins with, in the store: 32 characters.")],
        request: None,
        response: "ClosurePeers",
    },
    post(
        "/v1/servers/{server}/key",
        "server-key",
        "Makes known what the cluster's key is sealed with for a server.",
        "ServerKeyRequest",
        "Done",
    ),
    post(
        "/v1/backup/key",
        "backup-key",
        "The key that the secrets of a backup are opened with, sealed for who asks.",
        "BackupKeyRequest",
        "BackupKeyAnswer",
    ),
    post("/v1/nodes/{node}/alive", "alive", "An agent's last report is still true.", "Alive", "HeartbeatReply"),
];
