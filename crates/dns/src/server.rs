use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::answer::{Verdict, Way};
use crate::forward::Forward;
use crate::resolver::Resolver;
use crate::tcp;
use crate::zone::Zone;

/// Why a server cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// It would answer everyone who reaches the machine by any of its addresses.
    #[error("{0} is every address of the machine, and answers are for this node alone; name its own or 127.0.0.1")]
    Unspecified(SocketAddr),
    /// It cannot listen.
    #[error("cannot answer DNS on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A running server. Dropping it ends it.
///
/// It has a thread of its own: many questions must not keep the agent from its other work.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl DnsServer {
    /// Answers on `address` (port 0 takes a free one) from `zone`, as it is at the time; `seed` says where the turn of
    /// equal records begins.
    ///
    /// # Errors
    /// If it cannot listen there over both UDP and TCP, or `address` is every address of the machine.
    pub fn start(address: SocketAddr, zone: Arc<RwLock<Zone>>, forward: &Forward, seed: u64) -> Result<Self, DnsError> {
        if address.ip().is_unspecified() {
            return Err(DnsError::Unspecified(address));
        }
        let listen = |source| DnsError::Listen { address, source };
        let (udp, tcp) = bind(address).map_err(listen)?;
        let address = tcp.local_addr().map_err(listen)?;
        let resolver = Resolver::new(zone, forward, address, seed);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(listen)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                let resolver = Arc::new(resolver);
                let (Ok(udp), Ok(tcp)) = (UdpSocket::from_std(udp), TcpListener::from_std(tcp)) else {
                    tracing::error!("DNS cannot be answered: the sockets are of no use");
                    return;
                };
                tokio::select! {
                    _ = stopped => {}
                    () = serve_udp(Arc::new(udp), Arc::clone(&resolver)) => {}
                    () = tcp::serve(tcp, resolver) => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("dns".into()).spawn(serve).map_err(listen)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it answers.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // One that cannot be told has ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The sockets for both ways, on one port.
fn bind(address: SocketAddr) -> io::Result<(std::net::UdpSocket, std::net::TcpListener)> {
    /// How often a port that is free for one way only is given back, and another one tried.
    const TRIES: u32 = 16;
    let mut tries = if address.port() == 0 { TRIES } else { 1 };
    loop {
        let tcp = std::net::TcpListener::bind(address)?;
        match std::net::UdpSocket::bind(tcp.local_addr()?) {
            Ok(udp) => {
                udp.set_nonblocking(true)?;
                tcp.set_nonblocking(true)?;
                return Ok((udp, tcp));
            }
            Err(error) if tries <= 1 => return Err(error),
            Err(_) => tries -= 1,
        }
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, resolver: Arc<Resolver>) {
    /// The most packets in a row, so that connections and answers of others have their turn.
    const BATCH: usize = 64;
    /// The longest question that is read; what is longer is cut, and then not understood.
    const LONGEST: usize = 4_096;
    let (mut query, mut out) = (vec![0; LONGEST], Vec::with_capacity(LONGEST));
    loop {
        if let Err(error) = socket.readable().await {
            tracing::error!(%error, "DNS is not answered any more");
            return;
        }
        for _ in 0..BATCH {
            let (length, from) = match socket.try_recv_from(&mut query) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Of an answer before, whose receiver was gone.
                Err(_) => continue,
            };
            let query = query.get(..length).unwrap_or_default();
            match resolver.own_answer(query, Way::Udp, &mut out) {
                Verdict::Silent => {}
                // A client that is not there to take it asks again.
                Verdict::Answered => drop(socket.try_send_to(&out, from)),
                Verdict::Outside => {
                    let (socket, resolver, query) = (Arc::clone(&socket), Arc::clone(&resolver), query.to_vec());
                    tokio::spawn(async move {
                        let mut out = Vec::new();
                        resolver.others_answer(&query, Way::Udp, &mut out).await;
                        let _ = socket.send_to(&out, from).await;
                    });
                }
            }
        }
        tokio::task::yield_now().await;
    }
}
