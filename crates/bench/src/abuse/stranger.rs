use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::attack::{Attack, Manner};

/// What came of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// An answer with this status.
    Answered(u16),
    /// The connection was ended without an answer.
    Ended,
    /// No answer came for as long as the stranger waited, or none was waited for.
    NotAnswered,
    /// No connection came about.
    NotConnected,
}

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(3);

/// Attacks one server.
pub(super) async fn attack(address: &str, attack: &Attack, linger: Duration) -> Outcome {
    let Ok(Ok(mut stream)) = tokio::time::timeout(ANSWER, TcpStream::connect(address)).await else {
        return Outcome::NotConnected;
    };
    match attack.manner {
        Manner::AtOnce => {
            // The server may well have closed before all is written; its answer may be there all the same.
            let _ = tokio::time::timeout(ANSWER, stream.write_all(&attack.bytes)).await;
            status(&mut stream).await
        }
        Manner::Slowly => {
            for bytes in attack.bytes.chunks(8) {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if stream.write_all(bytes).await.is_err() {
                    break;
                }
            }
            status(&mut stream).await
        }
        Manner::Silently => {
            let _ = tokio::time::timeout(ANSWER, stream.write_all(&attack.bytes)).await;
            tokio::time::sleep(linger).await;
            Outcome::NotAnswered
        }
    }
}

/// The status of the first answer.
async fn status(stream: &mut TcpStream) -> Outcome {
    let mut start = [0; 12];
    match tokio::time::timeout(ANSWER, stream.read_exact(&mut start)).await {
        Ok(Ok(_)) => {
            let text = String::from_utf8_lossy(&start);
            text.split(' ').nth(1).and_then(|status| status.parse().ok()).map_or(Outcome::Ended, Outcome::Answered)
        }
        Ok(Err(_)) => Outcome::Ended,
        Err(_) => Outcome::NotAnswered,
    }
}
