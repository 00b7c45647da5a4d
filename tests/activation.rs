//! Agents that are killed and machines that lose power while their nodes go from one system to another; see
//! `icefield-bench activation-kill`.
#![allow(clippy::print_stderr, reason = "a skipped test tells that it was")]

use std::process::Command;

use serde_json::Value;

#[test]
fn whatever_is_killed_the_old_or_the_new_system_is_there_as_a_whole_with_nix() {
    if Command::new("nix-store").arg("--version").output().is_err() {
        assert!(std::env::var_os("ICEFIELD_REQUIRE_NIX").is_none_or(|value| value != "1"), "nix-store not found");
        eprintln!("SKIPPED: nix-store not found");
        return;
    }
    let bench = env!("CARGO_BIN_EXE_icefield-bench");
    let output =
        Command::new(bench).args(["activation-kill", "--kills", "12", "--seed", "7", "--json"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let figure: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(figure["broken"], Value::Array(Vec::new()), "{figure:#}");
    assert!(
        figure["kills"].as_u64() >= Some(12) && figure["by_step"].as_object().is_some_and(|steps| steps.len() >= 5),
        "{figure:#}"
    );
}
