//! Jobs as a user runs them, with real processes.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{DevCluster, TestEnvironment, all_healthy, kill};
use serde_json::Value;

/// Two nodes, a job and a service that waits for it; `work` is what the job does.
fn declared(work: &str, more: &str) -> String {
    format!(
        r#"
cluster("test")
for name in ["a", "b"]:
    node(name, cpu = 2, memory = "1GiB")
move = job("move", run = exec(["sh", "-c", {work:?}]), cpu = "10m", memory = "16MiB", pause = "100ms"{more})
service("web", run = exec(["sh", "-c", "exec sleep 1000"]), cpu = "10m", memory = "16MiB", after = [move])
"#
    )
}

/// A command that notes each start in `file`.
fn noting(file: &Path, then: &str) -> String {
    format!("echo started >> {}; {then}", file.display())
}

fn starts(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

/// Starts `dev`, without waiting for anything to be healthy.
fn start<'a>(environment: &'a TestEnvironment, file: &Path) -> (Child, DevCluster<'a>) {
    let child = environment.command().arg("dev").arg(file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    (child, DevCluster::running_already(environment))
}

fn job(status: &Value) -> &Value {
    &status["jobs"][0]
}

#[test]
fn a_job_runs_once_and_a_service_waits_for_it() {
    let environment = TestEnvironment::new();
    let (starts_file, go) = (environment.path("starts"), environment.path("go"));
    let work = noting(&starts_file, &format!("while [ ! -e {} ]; do sleep 0.05; done; echo moved", go.display()));
    let file = environment.write("icefield.star", &declared(&work, ""));
    let (mut child, cluster) = start(&environment, &file);
    let status = cluster.until("the job runs", |status| job(status)["run"]["attempts"][0]["node"].is_string());
    assert_eq!(status["services"][0]["rollout"]["message"], "waits for the job move");
    assert_eq!(status["services"][0]["healthy"], 0);
    fs::write(&go, "").unwrap();
    let status = cluster.until("all is done", |status| all_healthy(status) && job(status)["succeeded"] == true);
    let last = &job(&status)["last"];
    assert_eq!((&last["outcome"], &last["attempts"][0]["exit_code"]), (&"succeeded".into(), &0.into()));
    assert!(last["attempts"][0]["took"].is_string(), "{last}");
    assert_eq!(environment.ok(["logs", "move"]), "moved\n");

    // Applied again, it is done already; asked for, it runs again.
    environment.ok(["apply".as_ref(), file.as_os_str(), "--yes".as_ref()]);
    assert_eq!(starts(&starts_file), 1);
    let said = environment.ok(["job", "run", "move"]);
    assert!(said.ends_with("run 2 succeeded\n"), "{said}");
    assert_eq!(starts(&starts_file), 2);
    let history = environment.ok(["job", "history", "move"]);
    assert!(history.contains("asked") && history.contains("declared"), "{history}");
    assert!(environment.ok(["job", "list"]).contains("succeeded"));
    let unknown = environment.run(["job", "run", "mov"]);
    assert!(unknown.code == Some(1) && unknown.stderr.contains("did you mean move?"), "{unknown:?}");

    // Another revision runs anew, without anyone asking.
    fs::write(&file, declared(&format!("{work} twice"), "")).unwrap();
    environment.ok(["apply".as_ref(), file.as_os_str(), "--yes".as_ref()]);
    cluster.until("the other revision has succeeded", |status| {
        job(status)["succeeded"] == true && job(status)["last"]["number"] == 3
    });
    assert_eq!(starts(&starts_file), 3);
    cluster.stop();
    child.wait().unwrap();
}

#[test]
fn a_job_that_fails_is_tried_again_and_then_fails_what_waits_for_it() {
    let environment = TestEnvironment::new();
    let starts_file = environment.path("starts");
    let file = environment.write("icefield.star", &declared(&noting(&starts_file, "exit 3"), ", retries = 2"));
    let (mut child, cluster) = start(&environment, &file);
    let failed = |status: &Value| status["services"][0]["rollout"]["state"] == "failed";
    let status = cluster.until("the rollout has failed", failed);
    let message = status["services"][0]["rollout"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("the job move failed: move/"), "{message}");
    assert!(message.ends_with("exited with status 3, after 3 attempts"), "{message}");
    assert_eq!(starts(&starts_file), 3);
    let outcome = environment.run(["job", "run", "move"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(starts(&starts_file), 6);
    cluster.stop();
    child.wait().unwrap();
}

#[test]
fn a_killed_agent_does_not_run_it_again() {
    let environment = TestEnvironment::new();
    let (starts_file, go) = (environment.path("starts"), environment.path("go"));
    let work = noting(&starts_file, &format!("while [ ! -e {} ]; do sleep 0.05; done", go.display()));
    let file = environment.write("icefield.star", &declared(&work, ""));
    let (mut child, cluster) = start(&environment, &file);
    let status = cluster.until("the job runs", |status| job(status)["run"]["attempts"][0]["node"].is_string());
    let node = job(&status)["run"]["attempts"][0]["node"].clone();
    while starts(&starts_file) == 0 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let running = cluster.running();
    let agent = running["nodes"].as_array().unwrap().iter().find(|agent| agent["name"] == node);
    kill(&agent.unwrap_or_else(|| panic!("{running}"))["pid"]);
    // It ends while no agent is there; the next one tells so.
    fs::write(&go, "").unwrap();
    cluster.until("it has succeeded", |status| job(status)["succeeded"] == true && all_healthy(status));
    assert_eq!(starts(&starts_file), 1);
    cluster.stop();
    child.wait().unwrap();
}

#[test]
fn a_node_that_is_cut_off_never_runs_it_beside_another() {
    let environment = TestEnvironment::new();
    let (beats, go) = (environment.path("beats"), environment.path("go"));
    fs::create_dir(&beats).unwrap();
    // Each attempt notes the time over and over in a file of its own.
    let work = format!(
        "while [ ! -e {} ]; do date +%s%N >> {}/$ICEFIELD_INDEX; sleep 0.02; done",
        go.display(),
        beats.display()
    );
    let file = environment.write("icefield.star", &declared(&work, ""));
    let (mut child, cluster) = start(&environment, &file);
    let times = |index: &str| -> Vec<u64> {
        let text = fs::read_to_string(beats.join(index)).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    };
    let status = cluster.until("the job runs", |status| {
        job(status)["run"]["attempts"][0]["node"].is_string() && !times("0").is_empty()
    });
    let node = job(&status)["run"]["attempts"][0]["node"].clone();
    let running = cluster.running();
    let agent = running["nodes"].as_array().unwrap().iter().find(|agent| agent["name"] == node).unwrap();
    let signal = |signal: &str| {
        let pid = agent["pid"].to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    };
    signal("-STOP");
    let status = cluster.until("another node runs it", |_| times("1").len() > 3);
    let run = &job(&status)["run"];
    assert_eq!((&run["attempts"][0]["outcome"], &run["failures"]), (&"lost".into(), &1.into()));
    assert_ne!(run["attempts"][1]["node"], node);
    signal("-CONT");
    fs::write(&go, "").unwrap();
    cluster.until("it has succeeded", |status| job(status)["succeeded"] == true && all_healthy(status));
    let (last, first) = (times("0").into_iter().max().unwrap(), times("1")[0]);
    assert!(last < first, "both ran for {} ns", last - first);
    cluster.stop();
    child.wait().unwrap();
}

#[test]
fn a_job_has_files_secrets_and_volumes_as_a_service_has() {
    let environment = TestEnvironment::new();
    let spec = r#"
cluster("test")
for name in ["a", "b"]:
    node(name, cpu = 2, memory = "1GiB")
namespace("team", cpu = 1)
service("db", run = exec(["sleep", "1000"]), cpu = "10m", memory = "16MiB", ports = {"sql": 5432})
job("count", namespace = "team", uses = ["db"], cpu = "10m", memory = "16MiB",
    env = {"KEY": secret("key")},
    ports = {"debug": dynamic()},
    volumes = {"data": volume()},
    files = [file("greeting", content = template("{{ env.DB_HOST }} {{ secrets.key }} {{ index }}\n"))],
    run = exec(["sh", "-c", "echo x >> $VOLUME_DATA/runs; wc -l < $VOLUME_DATA/runs; cat $FILE_GREETING; echo $$KEY $DB_PORT_SQL"]))
"#;
    let file = environment.write("icefield.star", spec);
    let given = ["--detach", "--secret", "team/key=winter"];
    environment.ok(["dev", file.to_str().unwrap()].iter().chain(&given));
    let cluster = DevCluster::running_already(&environment);
    cluster.until("it is done", |status| job(status)["succeeded"] == true);
    assert_eq!(environment.ok(["logs", "count"]), "1\ndb.test.icefield winter 0\nwinter 5432\n");
    // What a run left in the volume, the next one finds, on the same node.
    for run in 2..5 {
        environment.ok(["job", "run", "count"]);
        let index = run - 1;
        let said = format!("{run}\ndb.test.icefield winter {index}\nwinter 5432\n");
        assert_eq!(environment.ok(["logs", "count"]), said);
    }
    // Another namespace's secret of this name is another one.
    let value = environment.write("value", "summer");
    let set =
        |more: &[&str]| environment.ok(["secret", "set", "key", "--file", value.to_str().unwrap()].iter().chain(more));
    assert!(!set(&[]).contains("taken up"), "nothing of no namespace has it");
    let said = set(&["--namespace", "team"]);
    assert!(said.ends_with("; not before the next apply by count\n"), "{said}");
    let list = environment.json(["secret", "list", "--json"]);
    let names: Vec<&Value> = list["secrets"].as_array().unwrap().iter().map(|secret| &secret["namespace"]).collect();
    assert_eq!(names, [&Value::Null, &"team".into()], "{list}");
    cluster.stop();
}
