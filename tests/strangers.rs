//! Who harms a server that has certificates: those who cannot prove who they are, and those who take no answers.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::secure::{SecureCluster, fetch};
use icefield_api::{Http, HttpOptions, IdentityFolder};
use icefield_pki::{Authority, Credential, Expect, Identity, KeyPair, client_config};

/// How many answers that are computed a server has under way at most.
const COMPUTED: usize = 8;

const FILE: &str = r#"
cluster("shop")
node("n1", cpu = 2, memory = "1GiB")
service("web", run = exec(["sleep", "1000"]), cpu = "10m", memory = "16MiB")
"#;

/// Handshakes that are none, or with certificates that count for nothing here, by the hundred.
#[test]
fn bad_handshakes_harm_nobody() {
    let mut cluster = SecureCluster::start();
    let url = cluster.url("s1");
    let address = url.strip_prefix("https://").unwrap().to_owned();
    let bundle = IdentityFolder::new(cluster.data("s1")).load().unwrap().unwrap().bundle;
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let name = |text| icefield_spec::Name::new(text).unwrap();
    // Someone else's authority, that calls itself the same; and one that was good once.
    let issue = |authority: &Authority, identity, at| {
        let key = KeyPair::generate().unwrap();
        let chain = authority.issue(&key.request().unwrap(), &identity, Duration::from_secs(60), at).unwrap();
        Credential::new(chain, key).unwrap()
    };
    let foreign = Authority::create(&name("s1"), now).unwrap();
    let old = Authority::create(&name("s1"), now - 10_000_000).unwrap();
    let credentials = [
        issue(&foreign, Identity::Server(name("s1")), now),
        issue(&foreign, Identity::Node(name("n1")), now),
        issue(&old, Identity::Server(name("s1")), now - 5_000_000),
    ];
    let healthz = || cluster.environment.run(["member", "list"]).code == Some(0);
    let mut half_open = Vec::new();
    for turn in 0..300 {
        let Ok(mut stream) = TcpStream::connect(&address) else { panic!("not connected at {turn}") };
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        match turn % 6 {
            0 => drop(stream.write_all(&[0; 64])),
            // A record of TLS that promises more than comes.
            1 => {
                drop(stream.write_all(&[22, 3, 1, 255, 255, 1, 0, 0]));
                half_open.push(stream);
            }
            2 => half_open.push(stream),
            3 => {
                drop(stream.write_all(b"GET / HTTP/1.1\r\n\r\n"));
                let mut answer = String::new();
                drop(stream.read_to_string(&mut answer));
                assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
            }
            _ => {
                let config = client_config(&bundle, Some(&credentials[turn % 3]), Expect::Server);
                let (status, body) =
                    fetch(&Http::new(HttpOptions::default(), Some(config)), &format!("{url}/v1/status"), None);
                assert_eq!(status, 0, "{body}");
            }
        }
        if turn % 50 == 0 {
            let asked = Instant::now();
            assert!(healthz(), "{turn}");
            assert!(asked.elapsed() < Duration::from_secs(5), "{turn}: {:?}", asked.elapsed());
        }
    }
    assert!(healthz());
    assert!(cluster.is_running("s1"));
    assert!(!cluster.read_log("s1").contains("panicked"));
}

/// Over HTTP/2 a client says how much of an answer it takes. Here that is nothing.
#[test]
fn answers_that_nobody_takes_keep_nobody_waiting() {
    let mut cluster = SecureCluster::start();
    let file = cluster.environment.write("icefield.star", FILE);
    cluster.environment.ok(["apply", file.to_str().unwrap(), "--yes", "--no-wait"]);
    let url = format!("{}/v1/services/web/explain", cluster.url("s1"));
    let viewer = cluster.token(&["token", "create", "vera", "--role", "viewer"]);
    let bundle = IdentityFolder::new(cluster.data("s1")).load().unwrap().unwrap().bundle;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(&bundle, None, Expect::Server))
            .http2_initial_stream_window_size(0)
            .no_proxy()
            .build()
            .unwrap();
        let mut held = Vec::new();
        for _ in 0..COMPUTED + 2 {
            let answer = client.get(&url).bearer_auth(&viewer).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
            held.push(answer);
        }
        let first = tokio::time::timeout(Duration::from_millis(200), held[0].chunk()).await;
        assert!(first.is_err(), "some of it was taken: {first:?}");
        let began = Instant::now();
        assert_eq!(cluster.run_as(&viewer, &["explain", "web"]).code, Some(0));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    });
    assert!(cluster.is_running("s1"));
}
