mod checker;
mod instance;
mod mapping;
mod numbers;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use icefield_placement::Effort;
use serde::Serialize;

use self::checker::Checked;
use self::instance::Instance;
use crate::Failure;
use crate::machine::Machine;

/// An instance of the challenge, and how long to look.
#[derive(Debug, Args)]
pub(crate) struct Roadef {
    /// The instance: machines, services, processes
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Which machine each process is on at first
    #[arg(long, value_name = "FILE")]
    assignment: PathBuf,
    /// For how many seconds to look, with reading and checking
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// On how many threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// What the chances depend on
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the best assignment
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    name: &'static str,
    /// The instance, by its file's name.
    instance: String,
    machines: usize,
    processes: usize,
    threads: usize,
    seed: u64,
    /// How long it took in all.
    seconds: f64,
    /// How many changes were considered.
    steps: u64,
    initial_cost: i64,
    /// By the checker, from the numbers of the file.
    final_cost: i64,
    /// How many processes are on another machine than at first.
    moved: usize,
    /// The hard rules that the final assignment breaks; goal none.
    violations: Vec<String>,
    /// Where.
    machine: Machine,
}

/// Looks for a better assignment, checks it, writes it.
pub(crate) fn measure(roadef: &Roadef) -> Result<Outcome, Failure> {
    let began = Instant::now();
    if !(roadef.seconds.is_finite() && roadef.seconds > 0.0) {
        return Err(format!("--seconds is {}; give a number above 0", roadef.seconds).into());
    }
    let instance = Instance::parse(&read(&roadef.model)?).map_err(in_file(&roadef.model))?;
    let initial = instance.parse_assignment(&read(&roadef.assignment)?).map_err(in_file(&roadef.assignment))?;
    let before = checker::check(&instance, &initial, &initial);
    let mut engine = mapping::engine(&instance, &initial);
    // What is left after the last look at the clock: checking and writing, which take about as long as reading did.
    let limit = (roadef.seconds - began.elapsed().as_secs_f64()).max(roadef.seconds / 2.0);
    let spent = || began.elapsed().as_secs_f64() / limit;
    let stop = || spent() >= 1.0;
    let effort = Effort {
        seed: roadef.seed,
        threads: roadef.threads,
        steps: None,
        moves: None,
        stop: &stop,
        spent: Some(&spent),
    };
    let improved = engine.improve(&effort, &mut |_| ());
    let layout = mapping::assignment(&instance, &initial, &improved.changes);
    let layout = layout.ok_or("the engine left a process without a machine")?;
    let Checked { cost, violations } = checker::check(&instance, &initial, &layout);
    if i128::from(improved.after.0) != cost {
        return Err(format!("the engine says that it costs {}, the checker {cost}", improved.after.0).into());
    }
    write(&roadef.out, &layout)?;
    Ok(Outcome {
        name: "roadef",
        instance: roadef.model.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        machines: instance.machines.len(),
        processes: instance.processes.len(),
        threads: roadef.threads,
        seed: roadef.seed,
        seconds: began.elapsed().as_secs_f64(),
        steps: improved.steps,
        initial_cost: i64::try_from(before.cost)?,
        final_cost: improved.after.0,
        moved: layout.iter().zip(&initial).filter(|(now, then)| now != then).count(),
        violations,
        machine: Machine::this(),
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()).into())
}

fn in_file(path: &Path) -> impl Fn(String) -> String {
    move |reason| format!("{}: {reason}", path.display())
}

/// In the challenge's format: the machine of each process, with spaces between.
fn write(path: &Path, layout: &[u32]) -> Result<(), Failure> {
    let numbers: Vec<String> = layout.iter().map(u32::to_string).collect();
    let text = numbers.join(" ") + "\n";
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two machines, two processes of one service that must not meet, and one that would be better off elsewhere.
    pub(in crate::roadef) const MODEL: &str =
        "1\n0 10\n2\n0 0 10 4 0 1\n0 1 10 8 1 0\n2\n0 0\n0 0\n3\n0 3 1\n0 2 1\n1 4 1\n0\n1 10 100\n";

    #[test]
    fn improves_writes_and_checks() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("model_x.txt"), MODEL).unwrap();
        fs::write(path("start"), "0 1 0\n").unwrap();
        let roadef = Roadef {
            model: path("model_x.txt"),
            assignment: path("start"),
            seconds: 0.2,
            threads: 2,
            seed: 1,
            out: path("out"),
        };
        let outcome = measure(&roadef).unwrap();
        assert_eq!((outcome.initial_cost, outcome.final_cost, outcome.moved), (30, 30, 0));
        assert_eq!((outcome.instance.as_str(), outcome.violations.len()), ("model_x", 0));
        assert_eq!(fs::read_to_string(path("out")).unwrap(), "0 1 0\n");
        fs::write(path("model_x.txt"), MODEL.replace("1 10 100", "1 1 1")).unwrap();
        let outcome = measure(&roadef).unwrap();
        assert_eq!((outcome.final_cost, outcome.moved), (3, 1));
        assert_eq!(fs::read_to_string(path("out")).unwrap(), "0 1 1\n");
    }

    #[test]
    fn says_which_file_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        fs::write(&model, "1\n0 ten\n").unwrap();
        let out = folder.path().join("out");
        let roadef = Roadef { assignment: model.clone(), model, seconds: 1.0, threads: 1, seed: 1, out };
        let text = measure(&roadef).unwrap_err().to_string();
        assert!(
            text.ends_with("model: line 2: `ten` is no whole number; the load weight of resource 0 goes there"),
            "{text}"
        );
    }
}
