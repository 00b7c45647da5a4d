use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use icefield_api::{Capacity, Client, ClientError, Heartbeat};
use icefield_spec::{Bytes, Cpu, Name};
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::Failure;

/// How real clients fared of one kind.
#[derive(Debug, Default, Serialize)]
pub(super) struct Fared {
    requests: usize,
    pub(super) failed: usize,
    /// Why the first that failed did.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// 99 of 100 took no longer, in milliseconds.
    p99_ms: f64,
    max_ms: f64,
}

/// A client at work: how long each of its requests took, and why those failed that did.
pub(super) type Asking = JoinHandle<Vec<(Duration, Option<String>)>>;

/// Real clients: one of each kind for each server.
pub(super) struct Customers {
    over: Arc<AtomicBool>,
    kinds: Vec<(&'static str, Vec<Asking>)>,
}

/// The pause after each request of one client.
const PAUSE: Duration = Duration::from_millis(25);

impl Customers {
    pub(super) fn start(addresses: &[String]) -> Result<Self, Failure> {
        let over = Arc::new(AtomicBool::new(false));
        let clients = || addresses.iter().map(|address| Client::new([format!("http://{address}")])).enumerate();
        let status = clients().map(|(_, client)| {
            repeat(&over, move |_| {
                let client = client.clone();
                async move { client.status(None, Duration::ZERO).await.map(drop) }
            })
        });
        let notes = clients().map(|(at, client)| {
            repeat(&over, move |number| {
                let client = client.clone();
                async move { client.note(&format!("note {number} of client {at}")).await.map(drop) }
            })
        });
        let heartbeats = clients().map(|(at, client)| {
            repeat(&over, move |_| {
                let client = client.clone();
                async move {
                    let node = Name::new(&format!("n{at}")).expect("it is a name");
                    client.heartbeat(&node, &heartbeat()).await.map(drop)
                }
            })
        });
        let kinds =
            vec![("status", status.collect()), ("notes", notes.collect()), ("heartbeats", heartbeats.collect())];
        Ok(Self { over, kinds })
    }

    /// Lets them finish and tells how they fared, by kind.
    pub(super) async fn end(self) -> Result<Vec<(&'static str, Fared)>, Failure> {
        self.over.store(true, Ordering::Relaxed);
        let mut fared = Vec::new();
        for (kind, clients) in self.kinds {
            let mut requests = Vec::new();
            for client in clients {
                requests.extend(client.await?);
            }
            fared.push((kind, Fared::of(requests)));
        }
        Ok(fared)
    }
}

impl Fared {
    pub(super) fn of(requests: Vec<(Duration, Option<String>)>) -> Self {
        let mut times: Vec<f64> = requests.iter().map(|(took, _)| took.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times.get(((times.len() as f64 * share).ceil() as usize).max(1) - 1).copied();
        Self {
            requests: requests.len(),
            failed: requests.iter().filter(|(_, failure)| failure.is_some()).count(),
            failure: requests.into_iter().find_map(|(_, failure)| failure),
            p99_ms: at(0.99).unwrap_or_default(),
            max_ms: at(1.0).unwrap_or_default(),
        }
    }
}

/// Asks again and again until it is over.
pub(super) fn repeat<F>(over: &Arc<AtomicBool>, ask: impl Fn(usize) -> F + Send + 'static) -> Asking
where
    F: Future<Output = Result<(), ClientError>> + Send,
{
    let over = Arc::clone(over);
    tokio::spawn(async move {
        let mut requests = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let answer = ask(requests.len()).await;
            requests.push((began.elapsed(), answer.err().map(|error| error.to_string())));
            tokio::time::sleep(PAUSE).await;
        }
        requests
    })
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        address: "127.0.0.1".into(),
        api: "http://127.0.0.1:1".into(),
        cache: None,
        capacity: Capacity { cpu: Cpu::from_millis(4_000), memory: Bytes::new(4 << 30), ports: None },
        drivers: vec!["exec".into()],
        generation: 0,
        replicas: Vec::new(),
        endpoints: Default::default(),
        message: None,
        drift: Vec::new(),
        system: None,
        leaving: false,
        number: 1,
        started: 1,
    }
}
