use clap::{Parser, Subcommand};

use crate::args::ClusterArgs;
use crate::commands;

/// Runs a fleet of Linux machines from one file.
///
/// Declare services and machines in icefield.star; Icefield decides what runs where, keeps it true, and shows why.
///
///   icefield dev examples/hello      a whole cluster on this machine
///   icefield status                  what is true now (in a second terminal)
///   icefield docs                    what can be written in icefield.star
///
/// Exit codes: 0 done; 1 error; 2 there are changes (`plan` only); 3 a rollout has failed, 4 it goes on and is followed no
/// longer (`apply` and `dev --detach`); 130 Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "icefield", version, verbatim_doc_comment, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dev(commands::dev::DevArgs),
    Check(commands::check::CheckArgs),
    Plan(commands::plan::PlanArgs),
    Apply(commands::apply::ApplyArgs),
    Build(commands::build::BuildArgs),
    Rollout(commands::rollout::RolloutArgs),
    Rebalance(commands::rebalance::RebalanceArgs),
    Status(commands::status::StatusArgs),
    Watch(commands::watch::WatchArgs),
    Events(commands::events::EventsArgs),
    Explain(commands::explain::ExplainArgs),
    Logs(commands::logs::LogsArgs),
    History(commands::history::HistoryArgs),
    Job(commands::job::JobArgs),
    Diff(commands::diff::DiffArgs),
    Node(commands::node::NodeArgs),
    Member(commands::member::MemberArgs),
    Login(commands::login::LoginArgs),
    Token(commands::token::TokenArgs),
    JoinToken(commands::join_token::JoinTokenArgs),
    Secret(commands::secret::SecretArgs),
    Ca(commands::ca::CaArgs),
    Cache(commands::cache::CacheArgs),
    Audit(commands::audit::AuditArgs),
    Backup(commands::backup::BackupArgs),
    Restore(commands::restore::RestoreArgs),
    Recover(commands::recover::RecoverArgs),
    Compile(commands::compile::CompileArgs),
    Import(commands::import::ImportArgs),
    Show(commands::show::ShowArgs),
    Docs(commands::docs::DocsArgs),
    Completions(commands::completions::CompletionsArgs),
    Server(commands::server::ServerArgs),
    Agent(commands::agent::AgentArgs),
    /// Evaluate a file for another process
    #[command(hide = true)]
    EvalWorker,
}
