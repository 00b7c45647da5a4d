use clap::Args;
use icefield_api::SCHEMA;
use serde_json::json;

use crate::args::JsonArgs;
use crate::command_error::CommandError;
use crate::{output, render};

/// Shows what can be written in a .star file
///
/// All functions in short, or one in full.
#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    /// One function, in full
    #[arg(value_name = "FUNCTION")]
    function: Option<String>,
    /// Print everything as Markdown
    #[arg(long, conflicts_with_all = ["function", "json"])]
    markdown: bool,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) fn run(arguments: &DocsArgs) -> Result<u8, CommandError> {
    let docs = icefield_lang::docs();
    if arguments.json.json {
        output::json(&json!({ "schema": SCHEMA, "functions": docs }))?;
        return Ok(0);
    }
    let text = match &arguments.function {
        _ if arguments.markdown => render::docs_markdown(&docs),
        None => render::docs_overview(&docs),
        Some(name) => {
            let found = docs.iter().find(|function| function.name == name.as_str());
            let function = found.ok_or_else(|| {
                let error = CommandError::new(format!("there is no function {name:?}"));
                match icefield_spec::nearest(name, docs.iter().map(|function| function.name)) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint("`icefield docs` lists them"),
                }
            })?;
            render::docs_function(function)
        }
    };
    output::print(&text)?;
    Ok(0)
}
