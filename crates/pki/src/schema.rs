//! What the types that travel as text are in a JSON Schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{Bundle, Chain, Fingerprint, Identity, SigningRequest, TokenHash, TokenId};

macro_rules! text {
    ($type:ident, $description:literal $(, $pattern:literal)?) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", $("pattern": $pattern,)? "description": $description })
            }
        }
    };
}

text!(Bundle, "The PEM texts of the authorities' certificates.");
text!(Chain, "The PEM text of a certificate, followed by that of its authority's.");
text!(Fingerprint, "The SHA-256 hash of a certificate.", "^[0-9a-f]{64}$");
text!(Identity, "A server or a node: node/n1.", "^(server|node)/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$");
text!(SigningRequest, "The PEM text of a certificate signing request (PKCS #10).");
text!(TokenId, "Which token it is.", "^[a-z2-7]{8}$");
text!(TokenHash, "What the cluster keeps of a token's secret.", "^[0-9a-f]{64}$");
