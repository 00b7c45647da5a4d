//! Health checks: questions to a replica.

mod exec;
mod http;
mod tcp;

use std::net::SocketAddr;
use std::sync::Arc;

use icefield_spec::{Health, Name, Probe};
use tokio::net::lookup_host;

use crate::core::{Answer, Incarnation};
use crate::shim::RunOrder;

/// Whom a question is put to.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) order: Arc<RunOrder>,
    /// The variables that its order does not tell.
    pub(crate) secrets: Vec<(String, String)>,
}

/// Puts the question and waits for the answer, as long as it may take.
pub(crate) async fn ask(health: &Health, asked: &Asked) -> Answer {
    let timeout = health.timeout.duration();
    let said = match &health.probe {
        Probe::Http { path, port } => match target(asked, port).await {
            Ok(target) => tokio::time::timeout(timeout, http::get(target, path)).await,
            Err(reason) => Ok(Err(reason)),
        },
        Probe::Tcp { port } => match target(asked, port).await {
            Ok(target) => tokio::time::timeout(timeout, tcp::connect(target)).await,
            Err(reason) => Ok(Err(reason)),
        },
        Probe::Exec { command } => {
            let mut program = asked.order.program.clone();
            program.environment.extend(asked.secrets.iter().cloned());
            Ok(exec::run(command, &program, timeout).await)
        }
    };
    match said {
        Ok(Ok(())) => Answer::Good,
        Ok(Err(reason)) => Answer::Bad(reason),
        Err(_) => Answer::Bad(format!("no answer within {}", health.timeout)),
    }
}

/// Where the replica is asked: at its node's address, or on this machine if that is a name nobody knows.
async fn target(asked: &Asked, port: &Name) -> Result<SocketAddr, String> {
    let Incarnation { ports, address, .. } = &asked.order.incarnation;
    let number = *ports.get(port).ok_or_else(|| format!("the replica has no port {port}"))?;
    if let Ok(address) = address.parse() {
        return Ok(SocketAddr::new(address, number));
    }
    let found = lookup_host((address.as_str(), number)).await.ok().and_then(|mut found| found.next());
    Ok(found.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], number))))
}
