//! Discovery by DNS: the names of a cluster's services, answered on each node.
//!
//! A [`Zone`] holds what is known of the services. What a question is answered with is decided by `answer` from the zone
//! and the question alone; [`DnsServer`] receives and sends, and passes on what is not of the cluster.

mod answer;
mod forward;
mod look_up;
mod resolv_conf;
mod resolver;
mod server;
mod tcp;
mod zone;

pub use forward::Forward;
pub use resolv_conf::nameservers;
pub use server::{DnsError, DnsServer};
pub use zone::{TTL, Zone};
