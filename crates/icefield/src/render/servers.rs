use console::style;
use icefield_api::ServerEntry;

use crate::render::Table;

/// A line for each server.
pub(crate) fn servers(servers: &[ServerEntry]) -> String {
    let mut table = Table::new(["SERVER", "ROLE", "STATE", "URL"]);
    for server in servers {
        let role = match (server.leader, server.voter) {
            (true, _) => style("leader").green().to_string(),
            (false, true) => "voter".into(),
            (false, false) => style("learner").yellow().to_string(),
        };
        let state = if server.answers { style("answers").green() } else { style("silent").red() };
        table.row([server.name.clone(), role, state.to_string(), server.api.clone()]);
    }
    table.render()
}
