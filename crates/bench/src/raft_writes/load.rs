use std::future::Future;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;

use crate::Failure;

/// What carries one client's writes.
pub(super) trait Writer: Send + 'static {
    /// Writes once, and returns when that is committed.
    fn write(&mut self) -> impl Future<Output = Result<(), String>> + Send;
}

/// So many clients that write one after the other, for so long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) clients: usize,
    pub(super) length: Duration,
}

/// How long each write took, and how long all of it.
pub(super) struct Run {
    times: Vec<Duration>,
    length: Duration,
}

impl Run {
    /// Writes a second.
    pub(super) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.length.as_secs_f64()
    }
}

impl Load {
    pub(super) async fn run<W: Writer, F>(self, open: impl Fn(usize) -> F) -> Result<Run, Failure>
    where
        F: Future<Output = Result<W, String>>,
    {
        let mut writers = Vec::new();
        for client in 0..self.clients {
            writers.push(open(client).await?);
        }
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for mut writer in writers {
            clients.spawn(async move {
                let mut times = Vec::new();
                while began.elapsed() < self.length {
                    let sent = Instant::now();
                    writer.write().await?;
                    times.push(sent.elapsed());
                }
                Ok::<_, String>(times)
            });
        }
        let mut times = Vec::new();
        while let Some(ended) = clients.join_next().await {
            times.extend(ended??);
        }
        Ok(Run { times, length: began.elapsed() })
    }
}

/// What one side came to over all rounds.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// Of each round.
    writes_per_second: Vec<f64>,
    /// Over all rounds, in milliseconds.
    p50_ms: f64,
    p99_ms: f64,
}

impl Outcome {
    pub(super) fn of(runs: Vec<Run>) -> Self {
        let writes_per_second = runs.iter().map(|run| run.rate().round()).collect();
        let mut times: Vec<Duration> = runs.into_iter().flat_map(|run| run.times).collect();
        times.sort();
        let percentile = |share: f64| {
            let rank = (share * times.len() as f64).ceil() as usize;
            times.get(rank.max(1) - 1).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        Self { writes_per_second, p50_ms: percentile(0.5), p99_ms: percentile(0.99) }
    }
}
