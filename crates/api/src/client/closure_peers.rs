use icefield_spec::Name;

use super::{Client, ClientError};
use crate::ClosurePeers;

/// Closures.
impl Client {
    /// Whom `node` may get the closure from whose path in the store begins with `hash`; for its agent alone.
    pub async fn closure_peers(&self, node: &Name, hash: &str) -> Result<ClosurePeers, ClientError> {
        self.get(&format!("/v1/nodes/{node}/peers?hash={hash}")).await
    }
}
