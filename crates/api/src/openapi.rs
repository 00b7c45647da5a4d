use icefield_plan::Generation;
use icefield_spec::Spec;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    Access, Alive, ApplyRequest, ApplyResponse, AuditLog, BackupKeyAnswer, BackupKeyRequest, BaseHistory,
    BaseRolloutAnswer, CaStatus, ClosurePeers, Done, EndpointChanges, EnrolAnswer, EnrolRequest, ErrorBody, Events,
    Heartbeat, HeartbeatReply, History, IdempotencyKey, JobHistory, JobRunAnswer, JobRunRequest, Jobs, JoinAnswer,
    JoinRequest, JoinTokenRequest, JoinTokens, NodeAction, NodeHistory, NodeSecrets, NodeStatus, NoteAnswer,
    NoteRequest, OPERATIONS, Operation, PastGeneration, PlanReport, RebalanceAnswer, RebalanceProposal,
    RebalanceRequest, RebalanceStart, RebalanceStop, RenewAnswer, RenewRequest, RolloutAction, RolloutAnswer,
    RolloutHistory, RotateRequest, SecretAnswer, SecretList, SecretRequest, ServerKeyRequest, ServerMove, Servers,
    ServiceEndpoints, ServiceExplanation, Status, TrustAnswer, UserTokenRequest, UserTokenRotation, UserTokens,
};

/// The OpenAPI 3.1 document of the API, made from [`OPERATIONS`] and the types on the wire.
pub fn openapi() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    declare(&mut generator);
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_ascii_lowercase()] = describe(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Icefield",
            "version": crate::SCHEMA.to_string(),
            "description": "The HTTP API that every Icefield server serves. A server that does not lead passes requests on.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "The token of a person or a program." },
                "certificate": { "type": "mutualTLS", "description": "The certificate of a node or a server." },
            },
        },
    })
}

/// Declares every type that [`OPERATIONS`] names.
fn declare(generator: &mut SchemaGenerator) {
    fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
        generator.subschema_for::<T>();
    }
    let all = [
        add::<Alive>,
        add::<ApplyRequest>,
        add::<ApplyResponse>,
        add::<AuditLog>,
        add::<BackupKeyAnswer>,
        add::<BaseHistory>,
        add::<BaseRolloutAnswer>,
        add::<BackupKeyRequest>,
        add::<CaStatus>,
        add::<ClosurePeers>,
        add::<Done>,
        add::<EndpointChanges>,
        add::<EnrolAnswer>,
        add::<EnrolRequest>,
        add::<ErrorBody>,
        add::<Events>,
        add::<Generation>,
        add::<Heartbeat>,
        add::<HeartbeatReply>,
        add::<History>,
        add::<JobHistory>,
        add::<JobRunAnswer>,
        add::<JobRunRequest>,
        add::<Jobs>,
        add::<JoinTokenRequest>,
        add::<JoinTokens>,
        add::<JoinAnswer>,
        add::<JoinRequest>,
        add::<NodeAction>,
        add::<NodeHistory>,
        add::<NodeSecrets>,
        add::<NodeStatus>,
        add::<NoteAnswer>,
        add::<NoteRequest>,
        add::<PastGeneration>,
        add::<PlanReport>,
        add::<RebalanceAnswer>,
        add::<RebalanceProposal>,
        add::<RebalanceRequest>,
        add::<RebalanceStart>,
        add::<RebalanceStop>,
        add::<RenewAnswer>,
        add::<RenewRequest>,
        add::<RolloutAction>,
        add::<RolloutAnswer>,
        add::<RolloutHistory>,
        add::<RotateRequest>,
        add::<SecretAnswer>,
        add::<SecretList>,
        add::<SecretRequest>,
        add::<ServerKeyRequest>,
        add::<ServerMove>,
        add::<Servers>,
        add::<ServiceEndpoints>,
        add::<ServiceExplanation>,
        add::<Spec>,
        add::<Status>,
        add::<TrustAnswer>,
        add::<UserTokenRequest>,
        add::<UserTokenRotation>,
        add::<UserTokens>,
    ];
    all.iter().for_each(|add| add(generator));
}

fn describe(operation: &Operation) -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let parameter = |name: &str, place: &str, description: &str| {
        json!({
            "name": name,
            "in": place,
            "required": place == "path",
            "description": description,
            "schema": { "type": "string" },
        })
    };
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path.map(|name| parameter(name, "path", "Its name.")).collect();
    parameters.extend(operation.query.iter().map(|(name, description)| parameter(name, "query", description)));
    if operation.is_write() {
        let description = "Names the request over all its repetitions: it is carried out once, and all of them get the \
                           first one's answer. It is remembered for ten minutes, unless 65536 newer ones are.";
        parameters.push(parameter(IdempotencyKey::HEADER, "header", description));
    }
    let content = match operation.response {
        "text" => json!({ "text/plain": { "schema": { "type": "string" } } }),
        name => json!({ "application/json": { "schema": reference(name) } }),
    };
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done.", "content": content },
            "default": {
                "description": "It was not done.",
                "content": { "application/json": { "schema": reference("ErrorBody") } },
            },
        },
    });
    described["security"] = match operation.access() {
        Access::Anyone => json!([]),
        Access::Node | Access::Machine | Access::Server => json!([{ "certificate": [] }]),
        Access::Known => json!([{ "token": [] }, { "certificate": [] }]),
        Access::Viewer | Access::Deployer | Access::DeployerOfAll | Access::Admin => json!([{ "token": [] }]),
    };
    described["x-icefield-access"] = operation.access().word().into();
    if let Some(request) = operation.request {
        described["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": reference(request) } },
        });
    }
    described
}
