//! Every figure that Icefield quotes, one subcommand each. A figure is measured on the real binary as a user starts it, but
//! for those of the placement engine: that is measured alone.

mod abuse;
mod activation;
mod agent_idle;
mod cache;
mod compile;
mod connection;
mod dev_cluster;
mod dev_start;
mod dns;
mod figure;
mod leader_kill;
mod machine;
mod nix_evals;
mod node_kill;
mod placement;
mod processes;
mod raft_writes;
mod random;
mod replica_kill;
mod roadef;
mod rollout;
mod scale;
mod server_group;
mod sim;
mod stall;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;

/// What can go wrong in a measurement; it is told and ends the run.
type Failure = Box<dyn std::error::Error>;

/// Measures Icefield. Each subcommand is one figure of BENCHMARKS.md.
#[derive(Debug, Parser)]
#[command(name = "icefield-bench", version)]
struct Bench {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    figure: Figure,
}

/// What every figure takes.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// The icefield binary to measure; by default the one beside this program
    #[arg(long, global = true, value_name = "PATH")]
    icefield: Option<PathBuf>,
    /// The folder with the examples
    #[arg(long, global = true, value_name = "DIR", default_value = "examples")]
    examples: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Figure {
    /// From the command to all healthy, for examples/hello: goal 2 s
    DevStart {
        /// How many starts
        #[arg(long, default_value_t = 10)]
        runs: usize,
    },
    /// From `kill -9` of a replica to healthy again: goal p99 500 ms
    ReplicaKill {
        /// How many kills
        #[arg(long, default_value_t = 50)]
        runs: usize,
    },
    /// From a node's death to all its replicas healthy elsewhere: goal p99 3 s
    NodeKill {
        /// How many kills
        #[arg(long, default_value_t = 20)]
        runs: usize,
    },
    /// Agents and servers stand still for up to a second, and no node may count as lost for that
    Stall {
        /// How often
        #[arg(long, default_value_t = 100)]
        runs: usize,
        /// What is drawn from
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// What agents cost to which nothing happens: goals 20 MiB and 0.1 % of a core
    AgentIdle {
        /// For how long to look
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Look at three agents of serf as well, in the same time
        #[arg(long)]
        serf: bool,
    },
    /// From the leader's death to the next committed write, and no acknowledged write lost: goal p99 1 s
    LeaderKill {
        /// How many kills
        #[arg(long, default_value_t = 20)]
        runs: usize,
    },
    /// A rolling update of 1,000 replicas on 100 simulated agents: goal 5 % above the waits that it consists of
    Rollout {
        /// How many replicas
        #[arg(long, default_value_t = 1_000)]
        replicas: u32,
        /// How many nodes
        #[arg(long, default_value_t = 100)]
        nodes: u32,
    },
    /// From the end of a bad revision's deadline to all healthy at the one before: goal p99 2 s
    Rollback {
        /// How often
        #[arg(long, default_value_t = 10)]
        runs: usize,
    },
    /// Committed writes a second on three members, beside etcd's in the same run: goal 1.5 times as many with 1,000 clients,
    /// as many with one. Needs `etcd`
    RaftWrites {
        /// How many clients write at once
        #[arg(long, default_value_t = 1_000)]
        clients: usize,
        /// How many rounds, both in turn
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// How long each takes, in seconds
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// 5,000 simulated agents and 50,000 replicas on three servers: goals 20,000 placements a second committed, at most a
    /// quarter of a core and 512 MiB for each server once nothing changes
    Scale(scale::Arguments),
    /// Evaluate, place and write examples/fleet to Nix files: goal 2 s
    Compile {
        /// How many runs
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// Nix evaluations to deploy 1,000 nodes of 3 pools with 20 services: goal 23, and none to move replicas. Needs `nix`
    NixEvals {
        /// How many nodes
        #[arg(long, default_value_t = 1_000)]
        nodes: u32,
        /// How many of them are evaluated one by one, to compare
        #[arg(long, default_value_t = 20)]
        sample: u32,
    },
    /// Names of services resolved over UDP, on one core: goal 50,000 answers/s; and from a change of endpoints to a node's
    /// answer that has it: goal p99 100 ms
    Dns {
        /// How long questions are put, in seconds
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// How many replicas are killed
        #[arg(long, default_value_t = 50)]
        runs: usize,
    },
    /// SIGKILL of the agent, and power cuts, at every step of an activation: always the old or the new system, whole; exit code
    /// 1 otherwise. Needs Nix
    ActivationKill {
        /// How many kills
        #[arg(long, default_value_t = 200)]
        kills: usize,
        /// What is drawn from
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    #[command(hide = true)]
    ActivationWorker(activation::Worker),
    /// Narinfos a second from the Nix binary cache, on 1 and 16 connections, beside harmonia's in the same run, or else nginx's:
    /// goal as many. Needs `nix`, and `nginx` or --harmonia
    CacheNarinfo(cache::ServeArguments),
    /// Bytes of NARs a second from the Nix binary cache, in the same way
    CacheNar(cache::ServeArguments),
    /// 1 GiB of NARs in 100 paths uploaded to the Nix binary cache: goals 200 MB/s and 64 MiB of memory
    CacheUpload {
        /// Where the cache's folder is made: a tmpfs, so that the disk is not what is measured
        #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
        folder: PathBuf,
    },
    /// Nodes that get one closure from each other: goal that the origin sends ten times its size at most
    FanOut {
        /// How many nodes
        #[arg(long, default_value_t = 200)]
        nodes: usize,
        /// How large the closure is, in MiB
        #[arg(long, default_value_t = 100)]
        mib: usize,
        /// Where the nodes' folders are made
        #[arg(long, value_name = "DIR", default_value = "/tmp")]
        folder: PathBuf,
    },
    /// Malformed, oversized, half-open and slow requests against three servers: no crash, no 5xx, memory flat, and real
    /// clients served meanwhile; exit code 1 otherwise
    Abuse {
        /// How many requests
        #[arg(long, default_value_t = 10_000)]
        requests: usize,
        /// What they are drawn with
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// The placement engine alone, in the shapes of Kubernetes' scheduler_perf; without one, 10,000 nodes and 1,000,000
    /// replicas, and then small changes
    Placement(placement::Arguments),
    /// Better assignments for an instance of ROADEF/EURO 2012, Google's machine reassignment
    Roadef(roadef::Roadef),
    /// The whole control plane under simulated faults, a run for each seed: goal no invariant broken in 100,000
    Sim(sim::Sim),
}

fn main() -> ExitCode {
    let bench = Bench::parse();
    match run(&bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(bench: &Bench) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let common = &bench.common;
        match &bench.figure {
            Figure::DevStart { runs } => print(common, &dev_start::measure(common, *runs)?),
            Figure::ReplicaKill { runs } => print(common, &replica_kill::measure(common, *runs).await?),
            Figure::NodeKill { runs } => print(common, &node_kill::measure(common, *runs).await?),
            Figure::Stall { runs, seed } => {
                let stall = stall::measure(common, *runs, *seed).await?;
                print(common, &stall)?;
                if stall.false_lost == 0 { Ok(()) } else { Err("a node counted as lost that was there".into()) }
            }
            Figure::AgentIdle { seconds, serf } => print(common, &agent_idle::measure(common, *seconds, *serf).await?),
            Figure::LeaderKill { runs } => print(common, &leader_kill::measure(common, *runs).await?),
            Figure::Rollout { replicas, nodes } => {
                print(common, &rollout::measure_forth(common, (*replicas).max(1), (*nodes).max(1)).await?)
            }
            Figure::Rollback { runs } => print(common, &rollout::measure_back(common, *runs).await?),
            Figure::RaftWrites { clients, rounds, seconds } => {
                let each = std::time::Duration::from_secs((*seconds).max(1));
                print(common, &raft_writes::measure(common, (*clients).max(1), (*rounds).max(1), each).await?)
            }
            Figure::Scale(arguments) => print(common, &scale::measure(common, *arguments).await?),
            Figure::Compile { runs } => print(common, &compile::measure(common, *runs)?),
            Figure::NixEvals { nodes, sample } => {
                print(common, &nix_evals::measure(common, (*nodes).max(3), (*sample).max(1)).await?)
            }
            Figure::Dns { seconds, runs } => print(common, &dns::measure(common, (*seconds).max(1), *runs).await?),
            Figure::ActivationKill { kills, seed } => {
                let kills = activation::measure(*kills, *seed)?;
                print(common, &kills)?;
                if kills.broken.is_empty() { Ok(()) } else { Err("what was there was not whole".into()) }
            }
            Figure::ActivationWorker(worker) => activation::work(worker).await,
            Figure::CacheNarinfo(arguments) => print(common, &cache::measure_narinfos(common, arguments)?),
            Figure::CacheNar(arguments) => print(common, &cache::measure_nars(common, arguments)?),
            Figure::CacheUpload { folder } => print(common, &cache::measure_upload(common, folder)?),
            Figure::FanOut { nodes, mib, folder } => {
                print(common, &cache::measure_fan_out((*nodes).max(1), (*mib).max(1), folder).await?)
            }
            Figure::Abuse { requests, seed } => {
                let abuse = abuse::measure(common, *requests, *seed).await?;
                print(common, &abuse)?;
                if abuse.met { Ok(()) } else { Err("the servers did not stand it".into()) }
            }
            Figure::Placement(arguments) => match arguments.shape {
                Some(shape) => print(common, &placement::measure_shape(arguments, shape)?),
                None => print(common, &placement::measure_large(arguments)?),
            },
            Figure::Roadef(roadef) => print(common, &roadef::measure(roadef)?),
            Figure::Sim(sim) => {
                let figure = sim::measure(sim)?;
                print(common, &figure)?;
                figure.verdict()
            }
        }
    })
}

/// Writes a result: as JSON, or the same fields a line each.
fn print(common: &Common, result: &impl Serialize) -> Result<(), Failure> {
    let value = serde_json::to_value(result)?;
    let mut out = std::io::stdout().lock();
    match value.as_object() {
        Some(fields) if !common.json => {
            for (name, value) in fields {
                writeln!(out, "{name:<24} {value}")?;
            }
        }
        _ => writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?,
    }
    Ok(())
}
