use clap::{CommandFactory as _, Parser, Subcommand};

use crate::args::ClusterArgs;
use crate::command_error::CommandError;
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

impl Cli {
    /// Runs the command and gives the exit code.
    pub(crate) fn run(self) -> Result<u8, CommandError> {
        let cluster = &self.cluster;
        match self.command {
            Command::Dev(arguments) => commands::dev::run(arguments),
            Command::Check(arguments) => commands::check::run(&arguments),
            Command::Plan(arguments) => commands::plan::run(cluster, &arguments),
            Command::Apply(arguments) => commands::apply::run(cluster, &arguments),
            Command::Build(arguments) => commands::build::run(cluster, &arguments),
            Command::Rollout(arguments) => commands::rollout::run(cluster, &arguments),
            Command::Rebalance(arguments) => commands::rebalance::run(cluster, &arguments),
            Command::Status(arguments) => commands::status::run(cluster, &arguments),
            Command::Watch(arguments) => commands::watch::run(cluster, &arguments),
            Command::Events(arguments) => commands::events::run(cluster, &arguments),
            Command::Explain(arguments) => commands::explain::run(cluster, &arguments),
            Command::Logs(arguments) => commands::logs::run(cluster, &arguments),
            Command::History(arguments) => commands::history::run(cluster, &arguments),
            Command::Job(arguments) => commands::job::run(cluster, &arguments),
            Command::Diff(arguments) => commands::diff::run(cluster, &arguments),
            Command::Node(arguments) => commands::node::run(cluster, &arguments),
            Command::Member(arguments) => commands::member::run(cluster, &arguments),
            Command::Login(arguments) => commands::login::run(&arguments),
            Command::Token(arguments) => commands::token::run(cluster, &arguments),
            Command::JoinToken(arguments) => commands::join_token::run(cluster, &arguments),
            Command::Secret(arguments) => commands::secret::run(cluster, &arguments),
            Command::Ca(arguments) => commands::ca::run(cluster, &arguments),
            Command::Cache(arguments) => commands::cache::run(arguments),
            Command::Audit(arguments) => commands::audit::run(cluster, &arguments),
            Command::Backup(arguments) => commands::backup::run(cluster, &arguments),
            Command::Restore(arguments) => commands::restore::run(&arguments),
            Command::Recover(arguments) => commands::recover::run(&arguments),
            Command::Compile(arguments) => commands::compile::run(&arguments),
            Command::Import(arguments) => commands::import::run(&arguments),
            Command::Show(arguments) => commands::show::run(cluster, &arguments),
            Command::Docs(arguments) => commands::docs::run(&arguments),
            Command::Completions(arguments) => commands::completions::run(&arguments, Self::command()),
            Command::Server(arguments) => commands::server::run(arguments),
            Command::Agent(arguments) => commands::agent::run(arguments),
            Command::EvalWorker => {
                let code = icefield_lang::worker_main(&mut std::io::stdin().lock(), &mut std::io::stdout().lock());
                Ok(u8::try_from(code).unwrap_or(1))
            }
        }
    }
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
