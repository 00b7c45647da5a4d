//! What a process proves itself with and whom it trusts, while it runs and on its disk.

mod due;
mod folder;
mod join;
mod keeper;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use icefield_pki::rustls::{ClientConfig, ServerConfig};
use icefield_pki::{Bundle, Credential, Expect, client_config, server_config};

pub use self::folder::{IdentityError, IdentityFolder, write_secret};
pub use self::join::{JoinError, join};
pub use self::keeper::Keeper;
use crate::{Http, HttpOptions};

/// Whom this process trusts, and what it proves itself with; both may be replaced while it runs. Clones share them.
#[derive(Clone)]
pub struct Keyring {
    inner: Arc<Inner>,
}

type Listener = Box<dyn Fn(&Held) + Send + Sync>;

struct Inner {
    held: RwLock<Held>,
    /// The clients whose connections are made with it.
    clients: Mutex<Vec<(Http, Expect)>>,
    /// Is told of every change.
    listener: Option<Listener>,
}

/// What a [`Keyring`] holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// Whom this process trusts.
    pub bundle: Bundle,
    /// What it proves itself with, if it has that.
    pub credential: Option<Credential>,
}

impl Keyring {
    /// A keyring that holds this.
    pub fn new(held: Held) -> Self {
        Self { inner: Arc::new(Inner { held: RwLock::new(held), clients: Mutex::default(), listener: None }) }
    }

    /// The same, and `listener` is told of every change.
    pub fn told(held: Held, listener: impl Fn(&Held) + Send + Sync + 'static) -> Self {
        let listener: Option<Listener> = Some(Box::new(listener));
        Self { inner: Arc::new(Inner { held: RwLock::new(held), clients: Mutex::default(), listener }) }
    }

    /// What it holds now.
    pub fn held(&self) -> Held {
        self.inner.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what it holds; connections that are made from now on go by that.
    pub fn replace(&self, held: Held) {
        *self.inner.held.write().unwrap_or_else(PoisonError::into_inner) = held.clone();
        for (client, expect) in &*self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner) {
            client.replace(config(&held, expect.clone()));
        }
        if let Some(listener) = &self.inner.listener {
            listener(&held);
        }
    }

    /// A client whose connections follow the keyring; keep it rather than make many.
    pub fn http(&self, options: HttpOptions, expect: Expect) -> Http {
        let http = Http::new(options, Some(self.client_config(expect.clone())));
        self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner).push((http.clone(), expect));
        http
    }

    /// To reach `expect` as things are now.
    pub fn client_config(&self, expect: Expect) -> ClientConfig {
        config(&self.held(), expect)
    }

    /// To listen as things are now; `None` if there is nothing to prove oneself with.
    pub fn server_config(&self) -> Option<Arc<ServerConfig>> {
        let Held { bundle, credential } = self.held();
        credential.map(|credential| server_config(&bundle, &credential))
    }
}

fn config(held: &Held, expect: Expect) -> ClientConfig {
    client_config(&held.bundle, held.credential.as_ref(), expect)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.held()).finish()
    }
}
