//! One file for each subcommand.

pub(crate) mod agent;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod build;
pub(crate) mod ca;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod completions;
pub(crate) mod dev;
pub(crate) mod diff;
pub(crate) mod docs;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod job;
pub(crate) mod join_token;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod member;
pub(crate) mod node;
pub(crate) mod plan;
pub(crate) mod rebalance;
pub(crate) mod recover;
pub(crate) mod restore;
pub(crate) mod rolled;
pub(crate) mod rollout;
pub(crate) mod secret;
pub(crate) mod server;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod watch;

use crate::cli::{Cli, Command};
use crate::command_error::CommandError;

/// Runs the command and gives the exit code.
pub(crate) fn run(cli: Cli) -> Result<u8, CommandError> {
    let cluster = &cli.cluster;
    match cli.command {
        Command::Dev(arguments) => dev::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Plan(arguments) => plan::run(cluster, &arguments),
        Command::Apply(arguments) => apply::run(cluster, &arguments),
        Command::Build(arguments) => build::run(cluster, &arguments),
        Command::Rollout(arguments) => rollout::run(cluster, &arguments),
        Command::Rebalance(arguments) => rebalance::run(cluster, &arguments),
        Command::Status(arguments) => status::run(cluster, &arguments),
        Command::Watch(arguments) => watch::run(cluster, &arguments),
        Command::Events(arguments) => events::run(cluster, &arguments),
        Command::Explain(arguments) => explain::run(cluster, &arguments),
        Command::Logs(arguments) => logs::run(cluster, &arguments),
        Command::History(arguments) => history::run(cluster, &arguments),
        Command::Job(arguments) => job::run(cluster, &arguments),
        Command::Diff(arguments) => diff::run(cluster, &arguments),
        Command::Node(arguments) => node::run(cluster, &arguments),
        Command::Member(arguments) => member::run(cluster, &arguments),
        Command::Login(arguments) => login::run(&arguments),
        Command::Token(arguments) => token::run(cluster, &arguments),
        Command::JoinToken(arguments) => join_token::run(cluster, &arguments),
        Command::Secret(arguments) => secret::run(cluster, &arguments),
        Command::Ca(arguments) => ca::run(cluster, &arguments),
        Command::Cache(arguments) => cache::run(arguments),
        Command::Audit(arguments) => audit::run(cluster, &arguments),
        Command::Backup(arguments) => backup::run(cluster, &arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Recover(arguments) => recover::run(&arguments),
        Command::Compile(arguments) => compile::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Show(arguments) => show::run(cluster, &arguments),
        Command::Docs(arguments) => docs::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Server(arguments) => server::run(arguments),
        Command::Agent(arguments) => agent::run(arguments),
        Command::EvalWorker => {
            let code = icefield_lang::worker_main(&mut std::io::stdin().lock(), &mut std::io::stdout().lock());
            Ok(u8::try_from(code).unwrap_or(1))
        }
    }
}
