use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::host::Host;
use crate::Failure;
use crate::machine::Machine;
use crate::random::Random;

/// The steps of an activation in which something may be cut off, as they stand in its record.
const STEPS: [&str; 9] =
    ["fetch", "verify", "set-profile", "switch", "reboot", "confirm", "restore-profile", "switch-back", "reboot-back"];

/// The longest that one attempt may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of all kills.
#[derive(Debug, Serialize)]
pub(crate) struct Kills {
    name: &'static str,
    measures: &'static str,
    /// How often the agent was killed.
    kills: usize,
    /// How many of these times the machine lost power besides.
    power_cuts: usize,
    /// The kills by the step that was noted when they came.
    by_step: BTreeMap<String, usize>,
    /// The attempts that ended with the new system, and with the old one.
    new: usize,
    old: usize,
    /// What was found that was not the old or the new system, whole.
    pub(crate) broken: Vec<String>,
    seconds: f64,
    machine: Machine,
}

/// Kills at least `kills` times, spread over all steps.
pub(crate) fn measure(kills: usize, seed: u64) -> Result<Kills, Failure> {
    let host = Host::with(&["v1", "v2", "v3:other"])?;
    let systems: BTreeMap<&str, PathBuf> = ["v1", "v2", "v3"]
        .into_iter()
        .map(|version| Ok((version, host.system(version)?)))
        .collect::<Result<_, Failure>>()?;
    let mut random = Random::new(seed);
    let began = Instant::now();
    let mut figure = Kills {
        name: "activation-kill",
        measures: "SIGKILL of the agent, and power cuts, at every step of an activation: always the old or the new system, whole",
        kills: 0,
        power_cuts: 0,
        by_step: BTreeMap::new(),
        new: 0,
        old: 0,
        broken: Vec::new(),
        seconds: 0.0,
        machine: Machine::this(),
    };
    let mut asked = 0;
    while figure.kills < kills {
        asked += 1;
        let old = host.links()?[0].clone();
        let others: Vec<&PathBuf> = systems.values().filter(|system| **system != old).collect();
        let new = (*random.one_of(&others)).clone();
        let attempt = Attempt { host: &host, old: &old, new: &new, asked, well: random.below(2) == 0 };
        attempt.run(&mut figure, &mut random)?;
    }
    figure.seconds = began.elapsed().as_secs_f64();
    Ok(figure)
}

/// One attempt to come from one system to another.
struct Attempt<'a> {
    host: &'a Host,
    old: &'a Path,
    new: &'a Path,
    asked: u64,
    well: bool,
}

impl Attempt<'_> {
    /// Lets it come to its end, with up to two kills on the way.
    fn run(&self, figure: &mut Kills, random: &mut Random) -> Result<(), Failure> {
        let began = Instant::now();
        let mut left = 1 + random.below(2);
        loop {
            // The step that was hit least is next.
            let steps: Vec<&str> = STEPS.into_iter().filter(|step| self.has(step)).collect();
            let rarest = steps.iter().min_by_key(|step| figure.by_step.get(**step).copied().unwrap_or_default());
            let step = if random.below(3) == 0 { random.one_of(&steps) } else { rarest.unwrap_or(&STEPS[0]) };
            let pause = Duration::from_micros(random.below(40_000) as u64);
            let mut agent = self.start()?;
            let ended = loop {
                if began.elapsed() > PATIENCE {
                    agent.kill()?;
                    return Err(format!("an attempt has no end; it is at {:?}", self.step()).into());
                }
                if agent.try_wait()?.is_some() {
                    break true;
                }
                if left > 0 && self.step().as_deref() == Some(step) {
                    std::thread::sleep(pause);
                    break agent.try_wait()?.is_some();
                }
                std::thread::sleep(Duration::from_micros(500));
            };
            if !ended {
                left -= 1;
                figure.kills += 1;
                *figure.by_step.entry(self.step().unwrap_or_default()).or_default() += 1;
                agent.kill()?;
                agent.wait()?;
                if random.below(3) == 0 {
                    figure.power_cuts += 1;
                    self.host.lose_power()?;
                }
                self.check(figure)?;
                continue;
            }
            let output = agent.wait_with_output()?;
            if !output.status.success() {
                // It ended with its machine, which restarts.
                self.check(figure)?;
                continue;
            }
            return self.conclude(String::from_utf8(output.stdout)?.trim(), figure);
        }
    }

    /// Whether the attempt comes by a step.
    fn has(&self, step: &str) -> bool {
        let kernel = |system: &Path| fs::canonicalize(system.join("kernel")).ok();
        let restarts = kernel(self.old) != kernel(self.new);
        (!self.well || !matches!(step, "restore-profile" | "switch-back" | "reboot-back"))
            && (restarts || !matches!(step, "reboot" | "reboot-back"))
    }

    fn start(&self) -> Result<Child, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("activation-worker").arg("--root").arg(self.host.root());
        command.arg("--system").arg(self.new).args(["--asked", &self.asked.to_string()]);
        command.args(self.well.then_some("--well"));
        command.env_clear().envs(self.host.environment()).stdin(Stdio::null()).stdout(Stdio::piped());
        let agent = command.spawn()?;
        fs::write(self.host.path("agent.pid"), agent.id().to_string())?;
        Ok(agent)
    }

    /// Where this attempt is, if it has begun.
    fn step(&self) -> Option<String> {
        let record = fs::read(self.host.path("data/activation.json")).ok()?;
        let record: Value = serde_json::from_slice(&record).ok()?;
        if record["wanted"]["asked"] != self.asked {
            return None;
        }
        Some(record["step"].as_str()?.to_owned())
    }

    fn check(&self, figure: &mut Kills) -> Result<(), Failure> {
        if let Some(fault) = self.host.fault(&[self.old, self.new])? {
            figure.broken.push(format!("attempt {}: {fault}", self.asked));
        }
        Ok(())
    }

    fn conclude(&self, end: &str, figure: &mut Kills) -> Result<(), Failure> {
        self.check(figure)?;
        let expected = if end == "active" { self.new } else { self.old };
        let links = self.host.links()?;
        if links.iter().any(|link| link != expected) {
            figure.broken.push(format!("attempt {} is {end}, and there is {links:?}", self.asked));
        }
        if end == "active" && !self.well {
            figure.broken.push(format!("attempt {} is active, and nobody confirmed it", self.asked));
        }
        if end == "active" {
            figure.new += 1
        } else {
            figure.old += 1
        }
        Ok(())
    }
}
