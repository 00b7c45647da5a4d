use console::style;
use icefield_api::{CaStatus, JoinTokenStatus, RotationPhase, UserTokenStatus};

use super::{Table, time};

const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// The cluster's authorities, and how far a rotation is.
pub(crate) fn authorities(status: &CaStatus) -> String {
    let mut table = Table::new(["AUTHORITY", "STATE", "ENDS"]);
    for authority in &status.authorities {
        let state = if authority.signs { style("issues").green() } else { style("is trusted").dim() };
        table.row([authority.fingerprint.to_string(), state.to_string(), time(authority.expires, TIME)]);
    }
    let mut text = table.render();
    if let Some(phase) = status.phase {
        let phase = match phase {
            RotationPhase::Spreading => "the new authority is being made known",
            RotationPhase::Renewing => "the new authority issues every machine a certificate",
        };
        text.push_str(&format!("\nrotation: {phase}\n"));
        if let Some(until) = status.until {
            text.push_str(&format!("  until {} at least\n", time(until, TIME)));
        }
        for identity in &status.waits_for {
            text.push_str(&format!("  waits for {identity}\n"));
        }
    }
    for name in &status.outdated_tokens {
        text.push_str(&format!(
            "\n{} the token of {name} names an authority that is gone: no new login is possible with it; `icefield token \
             rotate {name}` makes another\n",
            style("!").yellow()
        ));
    }
    text
}

/// The tokens that machines join with.
pub(crate) fn join_tokens(tokens: &[JoinTokenStatus]) -> String {
    let mut table = Table::new(["ID", "FOR", "ENDS", "MADE BY", "USED BY"]);
    for token in tokens {
        let role = match &token.name {
            Some(name) => format!("{} {name}", token.role),
            None => format!("any {}", token.role),
        };
        let used = token.used_by.as_ref().map_or(String::new(), ToString::to_string);
        table.row([token.id.to_string(), role, time(token.expires, TIME), token.by.clone(), used]);
    }
    table.render()
}

/// The tokens of people and programs.
pub(crate) fn user_tokens(tokens: &[UserTokenStatus]) -> String {
    let mut table = Table::new(["NAME", "ROLE", "NAMESPACES", "MADE", "BY", "SECRETS"]);
    for token in tokens {
        let namespaces: Vec<&str> = token.namespaces.iter().map(icefield_spec::Name::as_str).collect();
        let secrets = token.secrets.iter().map(|(id, expires)| match expires {
            Some(expires) => format!("{id} until {}", time(*expires, TIME)),
            None => id.to_string(),
        });
        table.row([
            token.name.to_string(),
            token.role.to_string(),
            namespaces.join(", "),
            time(token.created, TIME),
            token.by.clone(),
            secrets.collect::<Vec<_>>().join(", "),
        ]);
    }
    table.render()
}
