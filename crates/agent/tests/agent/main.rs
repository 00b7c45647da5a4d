//! The agent with real processes, against a stand-in for the cluster.
//!
//! This program is also the supervisor of the replicas that it starts, and an agent that can be killed; so it has its
//! own `main` and a small runner in place of the usual one.

mod adoption;
mod bad_records;
mod control_group;
mod fixture;
mod health;
mod http;
mod jobs;
mod life;
mod limits;
mod logs;
mod plans;
mod runner;
mod singletons;
mod stand_in;
mod systemd;
mod units;
mod volumes;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    let role = args.peek().and_then(|arg| arg.to_str()).unwrap_or_default().to_owned();
    match role.as_str() {
        "shim" => {
            let status = icefield_agent::shim_main(args.skip(1));
            ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))
        }
        "agent" => {
            fixture::agent_process(&args.skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>())
        }
        _ => {
            let all = [
                life::TESTS,
                plans::TESTS,
                adoption::TESTS,
                bad_records::TESTS,
                health::TESTS,
                logs::TESTS,
                limits::TESTS,
                singletons::TESTS,
                jobs::TESTS,
                volumes::TESTS,
                units::programs::TESTS,
                units::trees::TESTS,
            ];
            runner::run(&all.concat(), std::env::args().skip(1))
        }
    }
}
