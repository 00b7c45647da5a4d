use super::random::Random;

/// One request that no client of good will sends.
#[derive(Debug)]
pub(super) struct Attack {
    /// What is wrong with it.
    pub(super) family: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) manner: Manner,
}

/// How it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// All at once, and the answer is read.
    AtOnce,
    /// A few bytes at a time.
    Slowly,
    /// All of it, or a part; then nothing more, and nothing is read.
    Silently,
}

/// Makes the bytes of one family of attacks.
type Make = fn(&mut Random) -> Vec<u8>;

/// Every family. Those of the connection itself, such as wrong certificates once there are any, are manners.
const FAMILIES: &[(&str, Make, Manner)] = &[
    ("not HTTP", not_http, Manner::AtOnce),
    ("malformed head", malformed_head, Manner::AtOnce),
    ("large head", large_head, Manner::AtOnce),
    ("malformed JSON", malformed_json, Manner::AtOnce),
    ("deep JSON", deep_json, Manner::AtOnce),
    ("odd JSON", odd_json, Manner::AtOnce),
    ("bad UTF-8", bad_utf8, Manner::AtOnce),
    ("large body", large_body, Manner::AtOnce),
    ("wrong length", wrong_length, Manner::AtOnce),
    ("wrong method", wrong_method, Manner::AtOnce),
    ("wrong path", wrong_path, Manner::AtOnce),
    ("wrong query", wrong_query, Manner::AtOnce),
    ("wrong key", wrong_key, Manner::AtOnce),
    ("between servers", between_servers, Manner::AtOnce),
    ("pipelined junk", pipelined, Manner::AtOnce),
    ("slow sender", slow, Manner::Slowly),
    ("half-open", half, Manner::Silently),
    ("no reader", many_reads, Manner::Silently),
];

/// The next attack.
pub(super) fn attack(random: &mut Random) -> Attack {
    let (family, make, manner) = FAMILIES[random.below(FAMILIES.len())];
    Attack { family, bytes: make(random), manner }
}

const WRITES: &[&str] =
    &["/v1/apply", "/v1/plan", "/v1/events", "/v1/nodes/n1", "/v1/nodes/n1/heartbeat", "/v1/rebalance/start"];
const READS: &[&str] = &["/v1/status", "/v1/spec", "/v1/history", "/v1/events", "/v1/services/web/explain"];

fn head(method: &str, path: &str, more: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n").into_bytes()
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        head("POST", path, &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    bytes.extend_from_slice(body);
    bytes
}

fn not_http(random: &mut Random) -> Vec<u8> {
    let mut bytes = random.bytes(16);
    // Sometimes a TLS greeting.
    if random.below(2) == 0 {
        bytes.splice(0..3, [0x16, 0x03, 0x01]);
    }
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}

fn malformed_head(random: &mut Random) -> Vec<u8> {
    let head = random.one_of(&[
        "GET\r\n\r\n",
        "GET /v1/status\r\n\r\n",
        "GET /v1/status HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET  /v1/status  HTTP/1.1\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\n: no name\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        "POST /v1/apply HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /v1/apply HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /v1/apply HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /v1/apply HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
        "POST /v1/apply HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /v1/apply HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    ]);
    head.as_bytes().to_vec()
}

fn large_head(random: &mut Random) -> Vec<u8> {
    match random.below(3) {
        0 => head("GET", &format!("/v1/{}", "x".repeat(100_000)), ""),
        1 => head("GET", "/v1/status", &format!("X-Large: {}\r\n", "x".repeat(200_000))),
        _ => head("GET", "/v1/status", &"X-Many: 1\r\n".repeat(1_000)),
    }
}

fn malformed_json(random: &mut Random) -> Vec<u8> {
    let body = random.one_of(&[
        "",
        "{",
        "}",
        "[]",
        "null",
        "\"",
        "{\"spec\":",
        "{\"spec\": {}}",
        "{'spec': 1}",
        "tru",
        "{\"text\": 1}",
    ]);
    post(random.one_of(WRITES), body.as_bytes())
}

fn deep_json(random: &mut Random) -> Vec<u8> {
    let (open, close) = if random.below(2) == 0 { ("[", "]") } else { ("{\"a\":", "}") };
    let depth = 30_000;
    post(random.one_of(WRITES), format!("{}1{}", open.repeat(depth), close.repeat(depth)).as_bytes())
}

fn odd_json(random: &mut Random) -> Vec<u8> {
    let body = random.one_of(&[
        "{\"text\": \"a\", \"text\": \"b\"}",
        "{\"spec\": {\"schema\": 1, \"schema\": 1}}",
        "{\"version\": 1e999, \"changes\": []}",
        "{\"version\": 99999999999999999999999999, \"changes\": []}",
        "{\"version\": -1, \"changes\": []}",
        "{\"text\": \"\\u0000\"}",
        "{\"text\": \"\\ud800\"}",
        "{\"seconds\": 18446744073709551615}",
        "{\"spec\": {\"schema\": 1, \"cluster\": \"x\", \"services\": {\"a\": {\"replicas\": 4294967296}}}}",
    ]);
    post(random.one_of(WRITES), body.as_bytes())
}

fn bad_utf8(random: &mut Random) -> Vec<u8> {
    let mut body = b"{\"text\": \"".to_vec();
    body.extend(random.bytes(64).into_iter().map(|byte| byte | 0x80));
    body.extend_from_slice(b"\"}");
    post(random.one_of(WRITES), &body)
}

fn large_body(random: &mut Random) -> Vec<u8> {
    // Most only say how large they are; some are.
    if random.below(4) > 0 {
        return head(
            "POST",
            random.one_of(WRITES),
            &format!("Content-Length: {}\r\n", 1_u64 << (28 + random.below(30))),
        );
    }
    post("/v1/events", format!("{{\"text\": \"{}\"}}", "x".repeat(1 << 20)).as_bytes())
}

fn wrong_length(random: &mut Random) -> Vec<u8> {
    let said = random.below(40);
    let mut bytes = head("POST", random.one_of(WRITES), &format!("Content-Length: {said}\r\n"));
    bytes.extend_from_slice("{\"text\": 7777777777}".as_bytes());
    bytes
}

fn wrong_method(random: &mut Random) -> Vec<u8> {
    let method = random.one_of(&["DELETE", "PUT", "PATCH", "TRACE", "CONNECT", "OPTIONS", "get", "X"]);
    let path = if random.below(2) == 0 { random.one_of(READS) } else { random.one_of(WRITES) };
    head(method, path, "Content-Length: 0\r\n")
}

fn wrong_path(random: &mut Random) -> Vec<u8> {
    let path = random.one_of(&[
        "/",
        "//",
        "/v1",
        "/v2/status",
        "/v1/nodes//plan",
        "/v1/nodes/%00/plan",
        "/v1/nodes/%ff%fe/plan",
        "/v1/nodes/../../etc/passwd",
        "/v1/services/web/replicas/-1/logs",
        "/v1/services/web/replicas/99999999999999999999/logs",
        "/v1/services/%2e%2e/explain",
        "*",
        "http://elsewhere/v1/status",
    ]);
    head("GET", path, "")
}

fn wrong_query(random: &mut Random) -> Vec<u8> {
    let query = random.one_of(&[
        "after=x",
        "after=-1",
        "after=99999999999999999999",
        "wait=1e9&after=1",
        "stale=maybe",
        "x=y",
        "after=%zz",
        "&&&",
        "stale=true&stale=true",
    ]);
    let path = random.one_of(&["/v1/status", "/v1/events", "/v1/nodes/n1/plan", "/v1/spec"]);
    head("GET", &format!("{path}?{query}"), "")
}

fn wrong_key(random: &mut Random) -> Vec<u8> {
    let key = random.one_of(&["", " ", "a b", "\u{e4}", &"k".repeat(1_000)]).to_owned();
    let body = "{\"text\": \"never written\"}";
    let mut bytes =
        head("POST", "/v1/events", &format!("Idempotency-Key: {key}\r\nContent-Length: {}\r\n", body.len() + 1));
    // One byte too many, so that nothing is written even if the key is taken for none.
    bytes.extend_from_slice(body.as_bytes());
    bytes.push(b'}');
    bytes
}

fn between_servers(random: &mut Random) -> Vec<u8> {
    let path = random.one_of(&["/raft/append", "/raft/vote", "/raft/snapshot"]);
    let body = random.bytes(200);
    let mut bytes =
        head("POST", path, &format!("Icefield-Group: junk\r\nIcefield-To: s0\r\nContent-Length: {}\r\n", body.len()));
    bytes.extend_from_slice(&body);
    bytes
}

fn pipelined(random: &mut Random) -> Vec<u8> {
    let mut bytes = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1 + random.below(20));
    bytes.extend_from_slice(&random.bytes(100));
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}

fn slow(random: &mut Random) -> Vec<u8> {
    post(random.one_of(WRITES), b"{\"text\": 1}")
}

fn half(random: &mut Random) -> Vec<u8> {
    let mut bytes = post(random.one_of(WRITES), b"{\"spec\": {\"schema\": 1}}");
    bytes.truncate(random.below(bytes.len()));
    bytes
}

fn many_reads(random: &mut Random) -> Vec<u8> {
    let read = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", random.one_of(READS));
    read.repeat(1 + random.below(20)).into_bytes()
}
