use std::collections::BTreeMap;

use icefield_spec::Bytes;

use crate::shim::Outcome;

/// How a unit is, as its manager tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct UnitState {
    pub(super) active: String,
    pub(super) result: String,
    /// Its main process; 0 for none.
    pub(super) main_pid: u32,
    /// The main process that it had last; 0 for none.
    pub(super) last_pid: u32,
    /// How that ended, as `waitid` has it: 1 by itself, 2 and 3 by a signal.
    code: i32,
    status: i32,
    /// Whether something is to be done with it yet.
    pub(super) has_job: bool,
    /// Whether the conditions for its start were met.
    condition: bool,
    /// Whether they were looked at, so that it was tried to start it.
    pub(super) was_tried: bool,
    /// Names its start: another one has another name.
    pub(super) invocation: String,
    load_error: String,
}

impl UnitState {
    pub(super) const PROPERTIES: &str = "LoadState,LoadError,ActiveState,Result,MainPID,ExecMainPID,ExecMainCode,ExecMainStatus,Job,\
                                         ConditionResult,ConditionTimestampMonotonic,InvocationID";

    /// What `systemctl show` writes: a block for each unit, an empty line between two.
    pub(super) fn parse(text: &str) -> Vec<Self> {
        text.split("\n\n").filter(|block| !block.trim().is_empty()).map(Self::parse_one).collect()
    }

    fn parse_one(block: &str) -> Self {
        let fields: BTreeMap<&str, &str> = block.lines().filter_map(|line| line.split_once('=')).collect();
        let text = |name: &str| fields.get(name).copied().unwrap_or_default();
        Self {
            active: text("ActiveState").to_owned(),
            result: text("Result").to_owned(),
            main_pid: text("MainPID").parse().unwrap_or(0),
            last_pid: text("ExecMainPID").parse().unwrap_or(0),
            code: text("ExecMainCode").parse().unwrap_or(0),
            status: text("ExecMainStatus").parse().unwrap_or(0),
            has_job: !matches!(text("Job"), "" | "0"),
            condition: text("ConditionResult") != "no",
            was_tried: text("ConditionTimestampMonotonic") != "0",
            invocation: text("InvocationID").to_owned(),
            load_error: match text("LoadState") {
                "" | "loaded" => String::new(),
                state => format!("{state} {}", text("LoadError")).trim().trim_matches('"').to_owned(),
            },
        }
    }

    /// Whether nothing of it runs any more, and nothing is about to.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.active.as_str(), "inactive" | "failed") && !self.has_job
    }

    /// Whether it has started and goes on.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading")
    }

    /// How it ended; `limit` is the memory that it may use.
    pub(super) fn outcome(&self, limit: Bytes) -> Outcome {
        let unseen = |message: &str| Outcome::Unseen { message: message.to_owned() };
        if !self.load_error.is_empty() {
            return Outcome::NotStarted { message: format!("systemd cannot load it: {}", self.load_error) };
        }
        match (self.result.as_str(), self.code) {
            ("oom-kill", _) => Outcome::OutOfMemory { limit },
            ("resources", _) => {
                Outcome::NotStarted { message: "systemd could not set it up; its journal says why".into() }
            }
            ("timeout", _) => unseen("it did not start or stop in the time that its unit gives it"),
            ("exit-code", 1) if is_of_systemd(self.status) => {
                let message = match self.status {
                    203 => "its program cannot be executed".to_owned(),
                    status => format!("systemd could not prepare its process (status {status}); its journal says why"),
                };
                Outcome::NotStarted { message }
            }
            (_, 1) => Outcome::Exited { code: self.status },
            (_, 2 | 3) => Outcome::Signalled { signal: self.status },
            _ if !self.was_tried => Outcome::NotStarted { message: "a unit that it requires did not start".into() },
            _ if !self.condition => {
                Outcome::NotStarted { message: "a condition of its unit is not met on this node".into() }
            }
            ("success" | "", _) => unseen("it was stopped, and not by this agent"),
            (result, _) => Outcome::Unseen { message: format!("it failed: {result}") },
        }
    }
}

/// Whether a status is one that systemd gives to a process that it could not make the program.
const fn is_of_systemd(status: i32) -> bool {
    status >= 200 && status <= 245
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> UnitState {
        let mut all = UnitState::parse(text);
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn units_are_told_apart_by_empty_lines() {
        let text =
            "MainPID=7\nActiveState=active\nJob=\n\nActiveState=activating\nJob=12\n\nActiveState=failed\nJob=0\n";
        let states = UnitState::parse(text);
        assert_eq!(states.len(), 3);
        assert_eq!((states[0].main_pid, states[0].has_ended()), (7, false));
        assert!(states[1].has_job && !states[1].has_ended() && states[2].has_ended());
    }

    #[test]
    fn an_end_is_told_by_its_cause() {
        let limit = Bytes::new(64 << 20);
        let told = |text: &str| state(text).outcome(limit).to_string();
        let ended = |result: &str, code: i32, status: i32| {
            told(&format!(
                "ActiveState=failed\nResult={result}\nExecMainPID=5\nExecMainCode={code}\nExecMainStatus={status}"
            ))
        };
        assert_eq!(ended("exit-code", 1, 3), "exited with status 3");
        assert_eq!(ended("success", 1, 0), "exited with status 0");
        assert_eq!(ended("signal", 2, 9), "killed by SIGKILL");
        assert_eq!(ended("success", 2, 15), "killed by SIGTERM");
        assert_eq!(ended("core-dump", 3, 11), "killed by SIGSEGV");
        assert_eq!(ended("oom-kill", 2, 9), "killed: out of memory (limit 64MiB)");
        assert_eq!(ended("exit-code", 1, 203), "its program cannot be executed");
        assert!(ended("exit-code", 1, 217).contains("status 217"));
        assert_eq!(
            told("LoadState=bad-setting\nLoadError=\nActiveState=inactive"),
            "systemd cannot load it: bad-setting"
        );
        let inactive =
            "LoadState=loaded\nActiveState=inactive\nResult=success\nConditionResult=no\nConditionTimestampMonotonic=";
        assert_eq!(told(&format!("{inactive}75")), "a condition of its unit is not met on this node");
        assert_eq!(told(&format!("{inactive}0")), "a unit that it requires did not start");
    }
}
