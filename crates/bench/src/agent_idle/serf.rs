use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::processes::Processes;
use crate::server_group::free_addresses;

/// Three agents of serf on loopback that know of each other; they end with this value.
pub(super) struct Group {
    members: Processes,
}

impl Group {
    const SIZE: usize = 3;

    pub(super) async fn start() -> Result<Self, Failure> {
        let (own, rpc) = (free_addresses(Self::SIZE)?, free_addresses(Self::SIZE)?);
        let mut group = Self { members: Processes::default() };
        for (at, (own_address, rpc_address)) in own.iter().zip(&rpc).enumerate() {
            let mut command = Command::new("serf");
            command.args(["agent", "-node", &format!("m{at}"), "-bind", own_address, "-rpc-addr", rpc_address]);
            // It tries until the first one is there.
            command.args(["-retry-join", &own[0], "-retry-interval", "1s"]);
            let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let missing = |error| format!("serf cannot be started ({error}); Debian has it as serf");
            group.members.push(spawned.map_err(missing)?);
        }
        let began = Instant::now();
        while members(&rpc[0])? < Self::SIZE {
            if began.elapsed() > Duration::from_secs(30) {
                return Err("serf's agents do not find each other".into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(group)
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = u64> {
        self.members.iter().map(|member| member.id().into())
    }
}

/// Which version it is.
pub(super) fn version() -> Result<String, Failure> {
    let output = Command::new("serf").arg("version").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// How many members that agent knows; none while it does not answer.
fn members(rpc: &str) -> Result<usize, Failure> {
    let output = Command::new("serf").args(["members", "-status", "alive", "-rpc-addr", rpc]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().count())
}
