//! A large fleet, made by loops.
#![expect(clippy::print_stderr, reason = "the figure is what one runs it for")]

mod common;

use std::time::{Duration, Instant};

use common::{rendered, run};

const FLEET: &str = r#"
cluster("fleet")
base("std", packages = ["htop"])
for i in range(10000):
    node("n%d" % i,
        address = "10.%d.%d.%d" % (i // 65536, i // 256 % 256, i % 256),
        cpu = 32, memory = "128GiB", base = "std",
        labels = {"zone": "z%d" % (i % 8), "rack": "r%d" % (i // 40), "disk": "ssd" if i % 4 else "hdd"},
    )
def web(i):
    service("web-%d" % i,
        run = exec(["python3", "-m", "http.server", "$PORT_HTTP"]),
        replicas = 300, cpu = "500m", memory = "256MiB",
        ports = {"http": dynamic()},
        require = {"disk": ["ssd", "hdd"]},
        prefer = [prefer("zone", "z%d" % (i % 8), weight = 10)],
        spread = [spread("zone"), spread("node", max = 2)],
        health = http("/", port = "http", every = "2s"),
        update = rolling(max_unavailable = 5, healthy_for = "5s"),
        env = {"INDEX": str(i)},
    )
for i in range(200):
    web(i)
"#;

#[test]
fn a_large_fleet_is_evaluated_in_no_time() {
    let start = Instant::now();
    let evaluation = run(FLEET, &[]);
    let took = start.elapsed();
    assert!(evaluation.diagnostics.is_empty(), "{}", rendered(&evaluation));
    let spec = evaluation.spec.unwrap();
    assert_eq!((spec.node_count(), spec.replica_count()), (10_000, 60_000));
    eprintln!("10,000 nodes and 200 services: {took:?}");
    // A debug build on a busy machine is ten times slower.
    let most = if cfg!(debug_assertions) { Duration::from_secs(20) } else { Duration::from_secs(2) };
    assert!(took < most, "{took:?}");
}
