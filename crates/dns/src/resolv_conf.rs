use std::net::{IpAddr, SocketAddr};

/// The resolvers that a text like `/etc/resolv.conf` names: three at most, as the C library has it.
pub fn nameservers(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let word = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        // A link-local address names its interface after a `%`, which sockets are not given here.
        word.parse::<IpAddr>().ok()
    };
    text.lines().filter_map(address).take(3).map(|ip| SocketAddr::new(ip, 53)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_there_is() {
        let text = "# by hand\nsearch lan\nnameserver 10.0.0.1\n nameserver\tfd00::1 \nnameserver x\noptions edns0\n\
                    nameserver 127.0.0.53\nnameserver 10.0.0.9\n";
        let found: Vec<String> = nameservers(text).iter().map(SocketAddr::to_string).collect();
        assert_eq!(found, ["10.0.0.1:53", "[fd00::1]:53", "127.0.0.53:53"]);
        assert!(nameservers("").is_empty());
    }
}
