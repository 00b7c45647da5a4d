use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::{Semaphore, oneshot};

use crate::compression::Compression;
use crate::narinfo::NarInfo;
use crate::store_path::{StoreDir, StorePath};

/// How long `nix` may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many paths it is asked for at once.
const AT_ONCE: usize = 500;

/// The real `nix`, asked for what it knows of paths. While it answers, further questions are collected, and put together.
#[derive(Debug)]
pub struct Nix {
    program: OsString,
    /// Which store it is to look into; its own choice without.
    store: Option<String>,
    waiting: Mutex<Vec<(StorePath, Reply)>>,
    one_at_a_time: Semaphore,
}

type Reply = oneshot::Sender<Result<Option<NarInfo>, QueryError>>;

/// Nix does not say what it knows of a path.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// It cannot be started, or the store's folder cannot be read.
    #[error("the store cannot be asked: {0}; is Nix installed, and may this user read the store?")]
    Io(Arc<io::Error>),
    /// It takes too long.
    #[error("nix has not answered within {} seconds", PATIENCE.as_secs())]
    Slow,
    /// It fails.
    #[error("nix path-info has failed: {0}")]
    Failed(String),
    /// It says something that is not understood.
    #[error("what nix path-info says is not understood: {0}")]
    Strange(String),
}

impl From<io::Error> for QueryError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// What it says of a path. Versions differ in what they leave out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PathInfo {
    path: Option<String>,
    #[serde(default)]
    valid: Option<bool>,
    nar_hash: Option<String>,
    nar_size: Option<u64>,
    #[serde(default)]
    references: Vec<String>,
    deriver: Option<String>,
    #[serde(default)]
    signatures: Vec<String>,
    ca: Option<serde_json::Value>,
}

impl Nix {
    /// This program (`nix`), which is to look into `store` (as its `--store` takes it) or into its own.
    pub fn new(program: impl Into<OsString>, store: Option<String>) -> Self {
        Self { program: program.into(), store, waiting: Mutex::default(), one_at_a_time: Semaphore::new(1) }
    }

    /// What it knows of a path; `None` if that is not valid, as one that is being written.
    pub(super) async fn info(self: &Arc<Self>, dir: &StoreDir, path: StorePath) -> Result<Option<NarInfo>, QueryError> {
        let (this, dir) = (Arc::clone(self), dir.clone());
        // By itself, so that it goes on when the one that asked is gone: others may wait for the same answer.
        let asking = tokio::spawn(async move { this.ask_together(&dir, path).await });
        asking.await.unwrap_or_else(|_| Err(io::Error::other("the question was ended").into()))
    }

    async fn ask_together(&self, dir: &StoreDir, path: StorePath) -> Result<Option<NarInfo>, QueryError> {
        let (reply, mut answer) = oneshot::channel();
        self.waiting().push((path, reply));
        loop {
            let permit = tokio::select! {
                answer = &mut answer => return answer.unwrap_or(Err(QueryError::Slow)),
                permit = self.one_at_a_time.acquire() => permit,
            };
            let batch: Vec<_> = {
                let mut waiting = self.waiting();
                let rest = waiting.len().saturating_sub(AT_ONCE);
                waiting.drain(rest..).collect()
            };
            if batch.is_empty() {
                drop(permit);
                return answer.await.unwrap_or(Err(QueryError::Slow));
            }
            let paths: Vec<StorePath> = batch.iter().map(|(path, _)| path.clone()).collect();
            let mut found = self.ask(dir, &paths, false).await;
            drop(permit);
            for (path, reply) in batch {
                let told = match &mut found {
                    Ok(found) => Ok(found.remove(&path)),
                    Err(error) => Err(error.clone()),
                };
                // Whoever asked may be gone.
                drop(reply.send(told));
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<(StorePath, Reply)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it knows of these paths, and with `closure` of all that they need; those that are not valid are left out.
    pub(super) async fn ask(
        &self,
        dir: &StoreDir,
        paths: &[StorePath],
        closure: bool,
    ) -> Result<HashMap<StorePath, NarInfo>, QueryError> {
        let mut command = Command::new(&self.program);
        command.args(["--extra-experimental-features", "nix-command", "path-info", "--json", "--offline"]);
        if closure {
            command.arg("--recursive");
        }
        if let Some(store) = &self.store {
            command.args(["--store", store]);
        }
        command.args(paths.iter().map(|path| dir.join(path)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await.map_err(|_| QueryError::Slow)??;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(QueryError::Failed(said.trim().chars().take(2000).collect()));
        }
        read(dir, &output.stdout)
    }
}

/// Reads a list of paths (until 2.18), or an object that has them by name.
fn read(dir: &StoreDir, json: &[u8]) -> Result<HashMap<StorePath, NarInfo>, QueryError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Answer {
        List(Vec<PathInfo>),
        ByPath(HashMap<String, Option<PathInfo>>),
    }
    let answer: Answer = serde_json::from_slice(json).map_err(|error| QueryError::Strange(error.to_string()))?;
    let named: Vec<(Option<String>, PathInfo)> = match answer {
        Answer::List(list) => list.into_iter().map(|info| (info.path.clone(), info)).collect(),
        Answer::ByPath(all) => all.into_iter().filter_map(|(path, info)| Some((Some(path), info?))).collect(),
    };
    let valid = named.into_iter().filter(|(_, info)| info.valid != Some(false) && info.nar_hash.is_some());
    valid
        .map(|(path, info)| {
            let info = narinfo(dir, &path.unwrap_or_default(), info)?;
            Ok((info.path.clone(), info))
        })
        .collect()
}

fn narinfo(dir: &StoreDir, path: &str, info: PathInfo) -> Result<NarInfo, QueryError> {
    let strange = |error: &dyn std::error::Error| QueryError::Strange(format!("{path}: {error}"));
    // The newest versions leave the folder out.
    let store_path = |text: &str| {
        let path = if text.starts_with('/') { dir.path(text) } else { text.parse() };
        path.map_err(|error| strange(&error))
    };
    let nar_hash = info.nar_hash.unwrap_or_default().parse().map_err(|error| strange(&error))?;
    let nar_size = info.nar_size.ok_or_else(|| QueryError::Strange(format!("{path} has no size")))?;
    let mut references = info.references.iter().map(|text| store_path(text)).collect::<Result<Vec<_>, _>>()?;
    references.sort();
    Ok(NarInfo {
        store_dir: dir.clone(),
        path: store_path(path)?,
        url: String::new(),
        compression: Compression::None,
        file_hash: Some(nar_hash),
        file_size: Some(nar_size),
        nar_hash,
        nar_size,
        references,
        deriver: info.deriver.as_deref().filter(|text| !text.is_empty()).and_then(|text| store_path(text).ok()),
        system: None,
        signatures: info.signatures.iter().filter_map(|text| text.parse().ok()).collect(),
        ca: info.ca.and_then(|ca| Some(ca.as_str()?.to_owned())).filter(|ca| !ca.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Waits until something is so.
    async fn until(is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    }

    /// A program that knows every path, and answers the question with the number N once `answer-N` is there.
    fn stand_in(folder: &Path) -> Arc<Nix> {
        const SCRIPT: &str = r#"#!/bin/sh
cd "${0%/*}"
number=1
while ! mkdir "asked-$number" 2> /dev/null; do number=$((number + 1)); done
while [ ! -e "answer-$number" ]; do sleep 0.01; done
printf '{'
for word; do
  case $word in
    /nix/store/*)
      printf '%s"%s":{"narHash":"sha256-hSQYbXK1Hzy/QIXj81O6r6cIA3JiVjKnts/5r/vLIo0=","narSize":1}' "$comma" "$word"
      comma=, ;;
  esac
done
printf '}'
"#;
        let program = folder.join("nix");
        std::fs::write(&program, SCRIPT).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Arc::new(Nix::new(program, None))
    }

    #[tokio::test]
    async fn one_that_leaves_takes_nobody_s_answer_along() {
        let folder = tempfile::tempdir().unwrap();
        let nix = stand_in(folder.path());
        let ask = |number: u32| {
            let (nix, path) = (Arc::clone(&nix), format!("{number:0>32}-x").parse().unwrap());
            tokio::spawn(async move { nix.info(&StoreDir::default(), path).await })
        };
        let first = ask(1);
        until(|| folder.path().join("asked-1").exists()).await;
        // Both wait for the next question, which the one that came first puts for both.
        let leaving = ask(2);
        until(|| nix.waiting().len() == 1).await;
        let staying = ask(3);
        until(|| nix.waiting().len() == 2).await;
        std::fs::write(folder.path().join("answer-1"), "").unwrap();
        assert!(first.await.unwrap().unwrap().is_some());
        until(|| folder.path().join("asked-2").exists()).await;
        leaving.abort();
        leaving.await.unwrap_err();
        std::fs::write(folder.path().join("answer-2"), "").unwrap();
        assert!(staying.await.unwrap().unwrap().is_some());
    }

    #[test]
    fn each_version_of_nix_is_understood() {
        let old = r#"[{"path":"/nix/store/a14dyi2ck3gzgnlk5718pn8bcrwavq2k-top","narHash":"sha256-hSQYbXK1Hzy/QIXj81O6r6cIA3JiVjKnts/5r/vLIo0=","narSize":208,"references":["/nix/store/kmmkrxlfw7rbwdnaj9js21xg9m42q8kw-a"],"ca":"text:sha256:x","registrationTime":1795676925},{"path":"/nix/store/bcj0ncsqq22kw5dj62nr970mn3fsvrjz-hello","valid":false}]"#;
        let new = r#"{"/nix/store/a14dyi2ck3gzgnlk5718pn8bcrwavq2k-top":{"narHash":"sha256-hSQYbXK1Hzy/QIXj81O6r6cIA3JiVjKnts/5r/vLIo0=","narSize":208,"references":["kmmkrxlfw7rbwdnaj9js21xg9m42q8kw-a"],"ca":"text:sha256:x","deriver":null},"/nix/store/bcj0ncsqq22kw5dj62nr970mn3fsvrjz-hello":null}"#;
        let dir = StoreDir::default();
        let [old, new] = [old, new].map(|json| read(&dir, json.as_bytes()).unwrap());
        assert_eq!(old, new);
        let [info] = old.values().collect::<Vec<_>>()[..] else { panic!("{old:?}") };
        assert_eq!((info.nar_size, info.references.len(), info.ca.as_deref()), (208, 1, Some("text:sha256:x")));
        assert!(read(&dir, b"[{}]").unwrap().is_empty());
        read(&dir, b"nonsense").unwrap_err();
    }
}
