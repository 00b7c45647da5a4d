use std::convert::Infallible;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use icefield_pki::rustls::{ClientConfig, ServerConfig};
use icefield_pki::{
    Authority, Bundle, Credential, Expect, Identity, KeyPair, client_config, explain, joining_config, server_config,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::cluster::{DAY, name, node, server};

/// Serves on a free port of this machine, and answers with the version of HTTP and the client's identity.
async fn serve(config: Arc<ServerConfig>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = TlsAcceptor::from(config.clone());
            tokio::spawn(async move {
                // A refused handshake is the client's to report.
                let Ok(tls) = acceptor.accept(tcp).await else { return };
                let peer = tls.get_ref().1.peer_certificates().map(|chain| Identity::of(&chain[0]).unwrap());
                let peer = peer.map_or("nobody".to_owned(), |identity| identity.to_string());
                let answer = service_fn(move |request: Request<Incoming>| {
                    let text = format!("{:?} {peer}", request.version());
                    async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text)))) }
                });
                // A client that goes away ends its connection.
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tls), answer).await;
            });
        }
    });
    url
}

async fn get(config: ClientConfig, url: &str) -> Result<String, reqwest::Error> {
    let client = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build()?;
    client.get(url).send().await?.text().await
}

struct Shop {
    bundle: Bundle,
    authority: Authority,
    now: u64,
}

impl Shop {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let authority = Authority::create(&name("shop"), now).unwrap();
        Self { bundle: Bundle::from(&authority), authority, now }
    }

    fn credential(&self, identity: Identity) -> Credential {
        let key = KeyPair::generate().unwrap();
        let chain = self.authority.issue(&key.request().unwrap(), &identity, DAY, self.now).unwrap();
        Credential::new(chain, key).unwrap()
    }
}

#[tokio::test]
async fn reqwest_speaks_both_versions_of_http() {
    let shop = Shop::new();
    let config = server_config(&shop.bundle, &shop.credential(server("s1")));
    let mut old = (*config).clone();
    old.alpn_protocols = vec![b"http/1.1".to_vec()];
    let (url, old_url) = (serve(config).await, serve(Arc::new(old)).await);
    let n1 = shop.credential(node("n1"));
    let client = || client_config(&shop.bundle, Some(&n1), Expect::Server);
    assert_eq!(get(client(), &url).await.unwrap(), "HTTP/2.0 node/n1");
    assert_eq!(get(client(), &old_url).await.unwrap(), "HTTP/1.1 node/n1");
    let joining = joining_config(shop.authority.fingerprint());
    assert_eq!(get(joining, &url).await.unwrap(), "HTTP/2.0 nobody");
}

#[tokio::test]
async fn reqwest_says_why_it_refuses() {
    let (shop, other) = (Shop::new(), Shop::new());
    let url = serve(server_config(&shop.bundle, &shop.credential(server("s1")))).await;
    let error = get(joining_config(other.authority.fingerprint()), &url).await.unwrap_err();
    let text = explain(&error).unwrap();
    assert!(text.contains("does not belong to the authority that the token names"), "{text}");

    let n1 = shop.credential(node("n1"));
    let text = async |config| explain(&get(config, &url).await.unwrap_err()).unwrap();
    let foreign = text(client_config(&other.bundle, None, Expect::Server)).await;
    assert!(foreign.contains("not trusted here"), "{foreign}");
    let wrong = text(client_config(&shop.bundle, Some(&n1), Expect::Node(name("n2")))).await;
    assert!(wrong.contains("not the one that was expected"), "{wrong}");
    assert_eq!(explain(&std::io::Error::other("no TLS")), None);
}
