//! Strangers harm nobody: a smaller run of the figure that BENCHMARKS.md quotes.

use std::process::Command;

#[test]
fn strangers_harm_nobody() {
    let bench = env!("CARGO_BIN_EXE_icefield-bench");
    let output = Command::new(bench).args(["abuse", "--requests", "1000", "--seed", "7", "--json"]).output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{error}\n{out}");
    let figure: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((figure["met"].as_bool(), figure["server_errors"].as_u64()), (Some(true), Some(0)), "{out}");
    for kind in ["status", "notes", "heartbeats"] {
        let fared = &figure["clients"][kind];
        assert!(fared["requests"].as_u64().unwrap() > 0 && fared["failed"] == 0, "{kind}: {out}");
    }
}
