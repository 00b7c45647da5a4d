//! Files that would take the machine down, evaluated in a process of their own: this very program, when it is told to be
//! the worker.
#![expect(clippy::print_stderr, reason = "it is its own test harness")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use icefield_lang::{Evaluation, FolderLoader, Limits, Request, evaluate, evaluate_isolated, worker_main};
use tempfile::TempDir;

const WORKER: &str = "be-the-worker";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == WORKER) {
        let status = worker_main(&mut std::io::stdin().lock(), &mut std::io::stdout().lock());
        return ExitCode::from(u8::try_from(status).unwrap_or(1));
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let mut failed = 0;
    for (name, test) in TESTS {
        if wanted.is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let start = Instant::now();
        let good = catch_unwind(test).is_ok();
        failed += usize::from(!good);
        eprintln!("test {name} ... {} ({:?})", if good { "ok" } else { "FAILED" }, start.elapsed());
    }
    ExitCode::from(u8::from(failed > 0))
}

type Test = (&'static str, fn());

const TESTS: [Test; 18] = [
    ("a_good_file_gives_the_same_as_in_process", a_good_file_gives_the_same_as_in_process),
    ("endless_recursion", || hits("def f(n):\n    return f(n + 1)\nf(0)\n", "calls nest deeper than 200")),
    ("a_loop_of_a_billion", || hits("for i in range(1000000000):\n    pass\n", "more than 20000000 steps")),
    ("a_text_of_a_gigabyte", || hits("x = \"x\" * (1 << 30)\n", "more than 512 MiB of memory")),
    ("a_list_that_doubles", || hits("x = [1]\nfor i in range(100):\n    x = x + x\n", "MiB of memory")),
    ("a_list_of_two_billion", || hits("x = list(range(2147483647))\n", "MiB of memory")),
    ("a_loop_inside_the_interpreter", a_loop_inside_the_interpreter),
    ("nested_brackets", || {
        hits(&format!("x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000)), "nest deeper than 200")
    }),
    ("nested_operators", || hits(&format!("x = {}1\n", "not ".repeat(500_000)), "nests too deeply")),
    ("a_long_chain_of_operators", || hits(&format!("x = 1{}\n", " + 1".repeat(900_000)), "nests too deeply")),
    ("files_that_load_each_other", files_that_load_each_other),
    ("a_hundred_megabytes", a_hundred_megabytes),
    ("a_folder", a_folder),
    ("junk", junk),
    ("nothing_there", nothing_there),
    ("a_pipe", a_pipe),
    ("links", links),
    ("no_worker", no_worker),
];

fn worker() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(WORKER);
    command
}

fn request(folder: &Path, limits: Limits) -> Request {
    Request { folder: folder.to_owned(), root: "icefield.star".into(), vars: BTreeMap::new(), limits }
}

fn in_folder(folder: &Path) -> Evaluation {
    evaluate_isolated(worker(), &request(folder, Limits::default()))
}

fn folder_with(text: impl AsRef<[u8]>) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("icefield.star"), text).unwrap();
    folder
}

fn rendered(evaluation: &Evaluation) -> String {
    evaluation.diagnostics.iter().map(|diagnostic| diagnostic.render(false) + "\n").collect()
}

/// Evaluating `text` ends soon, with one error that says `expected` and what to do.
fn hits(text: &str, expected: &str) {
    says(&in_folder(folder_with(text).path()), expected);
}

fn says(evaluation: &Evaluation, expected: &str) {
    let text = rendered(evaluation);
    assert!(evaluation.spec.is_none());
    assert!(text.contains(expected), "{text}");
    assert!(evaluation.diagnostics.iter().all(|diagnostic| diagnostic.help.is_some()), "{text}");
}

fn a_good_file_gives_the_same_as_in_process() {
    let text = "cluster(\"shop\")\nprint(\"hello\")\nbase(\"a\", modules = [nix_file(\"nix/a.nix\")])\n\
                service(\"web\", run = exec([\"true\"]), replicas = var(\"n\", default = 2))\n";
    let folder = folder_with(text);
    fs::create_dir(folder.path().join("nix")).unwrap();
    fs::write(folder.path().join("nix/a.nix"), "{ }").unwrap();
    let mut request = request(folder.path(), Limits::default());
    request.vars.insert("n".into(), "7".into());
    let start = Instant::now();
    let isolated = evaluate_isolated(worker(), &request);
    eprintln!("a small file, isolated: {:?}", start.elapsed());
    let loader = FolderLoader::new(folder.path(), request.limits.source);
    let direct = evaluate("icefield.star", &loader, &request.vars, &request.limits);
    assert_eq!(isolated, direct);
    assert_eq!(isolated.files, ["icefield.star", "nix/a.nix"]);
    assert_eq!(isolated.notes, ["hello"]);
    assert_eq!(isolated.spec.unwrap().replica_count(), 7);
}

fn a_loop_inside_the_interpreter() {
    let folder = folder_with("x = [max(range(2147483647)) for i in range(1000)]\n");
    let limits = Limits { time: Duration::from_secs(2), ..Limits::default() };
    let start = Instant::now();
    says(&evaluate_isolated(worker(), &request(folder.path(), limits)), "takes longer than 2 s");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

fn files_that_load_each_other() {
    let folder = folder_with("load(\"b.star\", \"b\")\n");
    fs::write(folder.path().join("b.star"), "load(\"icefield.star\", \"a\")\nb = 1\n").unwrap();
    says(&in_folder(folder.path()), "in a circle: icefield.star → b.star → icefield.star");
}

fn a_hundred_megabytes() {
    let folder = folder_with("");
    let file = fs::File::create(folder.path().join("icefield.star")).unwrap();
    file.set_len(100_000_000).unwrap();
    says(&in_folder(folder.path()), "larger than 4 MiB");
}

fn a_folder() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("icefield.star")).unwrap();
    says(&in_folder(folder.path()), "it is a folder");
}

fn junk() {
    says(&in_folder(folder_with([b'a', b'\n', 0xff, 0xfe]).path()), "it is not UTF-8 text (byte 2)");
    says(&in_folder(folder_with("x = 1\0").path()), "it is not UTF-8 text (byte 5)");
}

fn nothing_there() {
    let folder = TempDir::new().unwrap();
    let evaluation = in_folder(folder.path());
    says(&evaluation, "cannot read \"icefield.star\": there is no such file");
    assert_eq!(evaluation.files, ["icefield.star"]);
    says(&in_folder(&folder.path().join("gone")), "there is no such file");
}

fn a_pipe() {
    let folder = TempDir::new().unwrap();
    let status = Command::new("mkfifo").arg(folder.path().join("icefield.star")).status().unwrap();
    assert!(status.success());
    assert!(rendered(&in_folder(folder.path())).contains("it is not a regular file"));
}

fn links() {
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret.star"), "secret = 1\n").unwrap();
    let folder = folder_with("load(\"out.star\", \"secret\")\nload(\"in.star\", \"x\")\ncluster(\"shop\")\n");
    fs::write(folder.path().join("real.star"), "x = 1\n").unwrap();
    symlink("real.star", folder.path().join("in.star")).unwrap();
    symlink(outside.path().join("secret.star"), folder.path().join("out.star")).unwrap();
    let evaluation = in_folder(folder.path());
    says(&evaluation, "cannot read \"out.star\": a symbolic link leads out of the folder");
    assert_eq!(evaluation.diagnostics.len(), 1, "{}", rendered(&evaluation));
}

fn no_worker() {
    let folder = folder_with("cluster(\"shop\")\n");
    let request = request(folder.path(), Limits { time: Duration::from_millis(200), ..Limits::default() });
    let with = |program: &str, argument: &str| {
        let mut command = Command::new(program);
        command.arg(argument);
        rendered(&evaluate_isolated(command, &request))
    };
    assert!(with("/nonexistent/worker", "").contains("cannot start the evaluation's process"));
    assert!(with("true", "").contains("without an answer"));
    assert!(with("echo", "{}").contains("without an answer"));
    assert!(with("sleep", "60").contains("takes longer than 0.2 s"));
}
