use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use domain::base::Message;
use rand::Rng as _;
use rand::rngs::OsRng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::answer::Way;

/// Who is asked what is not of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forward {
    /// The resolvers, in the order in which they are asked; without any, such questions are refused.
    pub resolvers: Vec<SocketAddr>,
}

/// Passes questions on.
#[derive(Debug)]
pub(crate) struct Forwarder {
    resolvers: Vec<SocketAddr>,
    places: Semaphore,
}

impl Forwarder {
    /// How many questions may be under way. A loop through other resolvers ends here as well.
    const MOST: usize = 256;
    /// How long one resolver may take.
    const PATIENCE: Duration = Duration::from_millis(1_500);
    /// The longest answer over UDP that is passed on.
    const LONGEST: usize = 4_096;

    /// Asks the resolvers of `forward`, but never the server at `own`.
    pub(crate) fn new(forward: &Forward, own: SocketAddr) -> Self {
        let resolvers = forward.resolvers.iter().copied().filter(|resolver| *resolver != own).collect();
        Self { resolvers, places: Semaphore::new(Self::MOST) }
    }

    /// Whether there is anybody to ask.
    pub(crate) fn is_there(&self) -> bool {
        !self.resolvers.is_empty()
    }

    /// What a resolver answers to `query`, with the number of the question; `None` if too much is under way, or none
    /// answers.
    pub(crate) async fn ask(&self, query: &[u8], way: Way) -> Option<Vec<u8>> {
        let _place = self.places.try_acquire().ok()?;
        for resolver in &self.resolvers {
            let asked = async {
                match way {
                    Way::Udp => by_packet(query, *resolver).await,
                    Way::Tcp => by_connection(query, *resolver).await,
                }
            };
            match timeout(Self::PATIENCE, asked).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(error)) => tracing::debug!(%resolver, %error, "the resolver cannot be asked"),
                Err(_) => tracing::debug!(%resolver, "the resolver does not answer"),
            }
        }
        None
    }
}

/// From a port and with a number of chance, so that nobody who does not see the question can answer it.
async fn by_packet(query: &[u8], resolver: SocketAddr) -> io::Result<Vec<u8>> {
    let any = match resolver {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    // Packets of others do not arrive then.
    socket.connect(resolver).await?;
    let asked = Question::new(query);
    socket.send(&asked.sent).await?;
    let mut answer = vec![0; Forwarder::LONGEST];
    loop {
        let length = socket.recv(&mut answer).await?;
        if let Some(answer) = asked.answer(answer.get(..length).unwrap_or_default()) {
            return Ok(answer);
        }
    }
}

async fn by_connection(query: &[u8], resolver: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    let asked = Question::new(query);
    let length = u16::try_from(asked.sent.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], &asked.sent].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    asked.answer(&answer).ok_or_else(|| io::Error::other("the answer is to another question"))
}

/// A question as it is passed on.
struct Question<'a> {
    query: &'a [u8],
    sent: Vec<u8>,
}

impl<'a> Question<'a> {
    fn new(query: &'a [u8]) -> Self {
        let mut sent = query.to_vec();
        renumber(&mut sent, &OsRng.r#gen::<[u8; 2]>());
        Self { query, sent }
    }

    /// The answer as it is passed back, if it is one to this question.
    fn answer(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let sent = Message::from_slice(&self.sent).ok()?;
        if !Message::from_slice(answer).ok()?.is_answer(sent) {
            return None;
        }
        let mut answer = answer.to_vec();
        renumber(&mut answer, self.query);
        Some(answer)
    }
}

/// Gives a message the number that `like` begins with.
fn renumber(message: &mut [u8], like: &[u8]) {
    if let (Some(number), Some(like)) = (message.get_mut(..2), like.get(..2)) {
        number.copy_from_slice(like);
    }
}
