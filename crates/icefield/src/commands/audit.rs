use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use icefield_api::AuditEntry;

use crate::args::{ClusterArgs, JsonArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Shows who changed what, and who was not let
///
/// Oldest first. Each entry holds the hash of the one before: `icefield audit verify` finds any that was changed or left out.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArgs {
    /// Only the last so many
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
    #[command(flatten)]
    json: JsonArgs,
    #[command(subcommand)]
    command: Option<AuditCommand>,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check the chain of hashes; exit code 0 if it is whole
    Verify {
        /// A server's audit.jsonl; what the cluster itself keeps if not given
        file: Option<PathBuf>,
    },
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &AuditArgs) -> Result<u8, CommandError> {
    let entries = match &arguments.command {
        Some(AuditCommand::Verify { file: Some(file) }) => return verify(&read(file)?),
        _ => {
            let client = connect::require(cluster)?;
            connect::runtime()?.block_on(client.audit(0))?.entries
        }
    };
    if arguments.command.is_some() {
        return verify(&entries);
    }
    let skipped = entries.len().saturating_sub(arguments.last.unwrap_or(usize::MAX));
    let entries = &entries[skipped..];
    if arguments.json.json {
        output::json(&icefield_api::AuditLog { schema: icefield_api::SCHEMA, entries: entries.to_vec() })?;
        return Ok(0);
    }
    for entry in entries {
        output::line(&render::audit_entry(entry))?;
    }
    Ok(0)
}

fn verify(entries: &[AuditEntry]) -> Result<u8, CommandError> {
    AuditEntry::verify(entries).map_err(|broken| {
        CommandError::because("the audit log is not what was written", &broken)
            .hint("compare it with another server's audit.jsonl, and with `icefield audit`")
    })?;
    match (entries.first(), entries.last()) {
        (Some(first), Some(last)) => output::line(&format!(
            "entries {} to {} are as they were written and follow each other; the last hash is {}",
            first.number, last.number, last.hash
        ))?,
        _ => output::line("there are no entries")?,
    }
    Ok(0)
}

fn read(path: &Path) -> Result<Vec<AuditEntry>, CommandError> {
    let failed =
        |error: &dyn std::error::Error| CommandError::because(format!("cannot read {}", path.display()), error);
    let file = File::open(path).map_err(|error| failed(&error))?;
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(|error| failed(&error))?;
        let entry = serde_json::from_str(&line).map_err(|error| {
            let message = format!("line {number} of {} is not an entry of the audit log", path.display());
            CommandError::because(message, &error)
        })?;
        entries.push(entry);
    }
    Ok(entries)
}
