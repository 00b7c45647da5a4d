use std::fmt::Write as _;

use console::style;
use icefield_lang::FunctionDoc;

use crate::render::Table;

/// All functions, a line each.
pub(crate) fn docs_overview(docs: &[FunctionDoc]) -> String {
    let mut table = Table::new(["FUNCTION", "WHAT IT DOES"]);
    for function in docs {
        table.row([style(function.name).bold().to_string(), first_sentence(function.summary).to_owned()]);
    }
    format!("{}\n`icefield docs FUNCTION` shows one in full.\n", table.render())
}

/// One function in full.
pub(crate) fn docs_function(function: &FunctionDoc) -> String {
    let mut text = format!("{}\n\n{}\n", style(function.signature()).bold(), function.summary);
    if !function.parameters.is_empty() {
        text.push('\n');
        let mut table = Table::new(["ARGUMENT", "TAKES", "DEFAULT", "MEANING"]);
        for parameter in function.parameters {
            table.row([
                parameter.name.to_owned(),
                parameter.kind.to_owned(),
                parameter.default.unwrap_or("needed").to_owned(),
                parameter.summary.to_owned(),
            ]);
        }
        text.push_str(&table.render());
    }
    let _ = writeln!(text, "\n{}", style("Example").dim());
    for line in function.example.lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// Everything as a Markdown page.
pub(crate) fn docs_markdown(docs: &[FunctionDoc]) -> String {
    let mut text = String::from(
        "# The language\n\nA `.star` file is Starlark, a small dialect of Python, with the functions below. Made by \
         `icefield docs --markdown`.\n",
    );
    for function in docs {
        let _ = writeln!(text, "\n## {}\n\n{}\n", function.name, function.summary);
        if !function.parameters.is_empty() {
            text.push_str("| argument | takes | default | meaning |\n|---|---|---|---|\n");
            for parameter in function.parameters {
                let default = parameter.default.map_or("needed".to_owned(), |default| format!("`{}`", cell(default)));
                let _ = writeln!(
                    text,
                    "| `{}` | {} | {default} | {} |",
                    parameter.name,
                    cell(parameter.kind),
                    cell(parameter.summary)
                );
            }
            text.push('\n');
        }
        let _ = writeln!(text, "```python\n{}\n```", function.example.trim_end());
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}
