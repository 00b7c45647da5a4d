use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use icefield_spec::Name;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

/// The first of `ports` that someone listens on at `address`, so that nobody else could.
///
/// Only that counts: an address that is not this machine's, or a port that takes a privilege, is for the program itself
/// to meet.
pub(crate) fn taken(address: &str, ports: &BTreeMap<Name, u16>) -> Option<u16> {
    let address = address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    ports.values().copied().find(|port| try_bind(SocketAddr::new(address, *port)) == Err(Errno::ADDRINUSE))
}

/// Binds without listening, so that no client can mistake this for the program.
fn try_bind(address: SocketAddr) -> Result<(), Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Connections of the program's last run that linger in TIME_WAIT are no obstacle.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_noticed_and_its_end_too() {
        for (listen, ask) in [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "no-such-host")] {
            let listener = TcpListener::bind((listen, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let ports = BTreeMap::from([(Name::new("http").unwrap(), port)]);
            assert_eq!(taken(ask, &ports), Some(port), "{listen} {ask}");
            drop(listener);
            assert_eq!(taken(ask, &ports), None, "{listen} {ask}");
        }
    }
}
