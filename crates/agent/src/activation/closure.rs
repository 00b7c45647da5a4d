use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use icefield_spec::StorePath;
use tokio::process::Command;

use super::host::SystemConfig;

/// How long one question to the store may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `system` consists of, with the size of each path in bytes; `None` if it is not in the store.
pub(crate) async fn closure(config: &SystemConfig, system: &StorePath) -> Option<BTreeMap<String, u64>> {
    let listed = ask(config, &["--query", "--requisites", system.as_str()]).await?;
    let paths: Vec<&str> = listed.lines().collect();
    let sizes = ask(config, &[&["--query", "--size"], paths.as_slice()].concat()).await?;
    let sizes = sizes.lines().map(|line| line.trim().parse().ok()).collect::<Option<Vec<u64>>>()?;
    (sizes.len() == paths.len()).then(|| paths.into_iter().map(str::to_owned).zip(sizes).collect())
}

async fn ask(config: &SystemConfig, arguments: &[&str]) -> Option<String> {
    let output = Command::new("nix-store")
        .args(arguments)
        .env_clear()
        .envs(&config.environment)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output).await.ok()?.ok()?;
    if output.status.success() { String::from_utf8(output.stdout).ok() } else { None }
}
