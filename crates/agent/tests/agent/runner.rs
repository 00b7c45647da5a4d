//! Runs tests as `cargo test` expects it: filters, `--exact`, `--list`, and the closing line.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// A test by its name.
pub(crate) type Test = (&'static str, fn());

/// Names each function of a module and makes a list of them.
macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        pub(crate) const TESTS: &[crate::runner::Test] =
            &[$((concat!(module_path!(), "::", stringify!($name)), || crate::fixture::block_on($name()))),+];
    };
}
pub(crate) use tests;

/// Most of a test is waiting, so more of them run at once than there are processors.
const AT_ONCE: usize = 4;

pub(crate) fn run(tests: &[Test], args: impl Iterator<Item = String>) -> ExitCode {
    let (mut filters, mut skips) = (Vec::new(), Vec::new());
    let (mut exact, mut list, mut at_once) = (false, false, AT_ONCE);
    let mut args = args;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--exact" => exact = true,
            "--list" => list = true,
            "--skip" => skips.extend(args.next()),
            "--test-threads" => at_once = args.next().and_then(|text| text.parse().ok()).unwrap_or(AT_ONCE),
            _ if arg.starts_with("--") => {}
            _ => filters.push(arg),
        }
    }
    let matches = |name: &str, filter: &String| if exact { name == filter } else { name.contains(filter.as_str()) };
    let selected: Vec<&Test> = tests
        .iter()
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| matches(name, filter)))
        .filter(|(name, _)| !skips.iter().any(|skip| matches(name, skip)))
        .collect();
    if list {
        selected.iter().for_each(|(name, _)| say(&format!("{name}: test")));
        return ExitCode::SUCCESS;
    }
    say(&format!("\nrunning {} tests", selected.len()));
    let started = Instant::now();
    let failed = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(|| {
                while let Some((name, test)) = selected.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
                    say(&format!("test {name} ... {}", if passed { "ok" } else { "FAILED" }));
                    if !passed {
                        failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !failed.is_empty() {
        say(&format!("\nfailures:\n    {}", failed.join("\n    ")));
    }
    say(&format!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        selected.len() - failed.len(),
        failed.len(),
        tests.len() - selected.len(),
        started.elapsed().as_secs_f64()
    ));
    ExitCode::from(u8::from(!failed.is_empty()))
}

/// A test that cannot be run here says so, where a reader of the results sees it.
pub(crate) fn skip(why: &str) {
    say(&format!("SKIPPED: {why}"));
}

fn say(line: &str) {
    use std::io::Write as _;
    // Nobody reads the results any more: then nobody misses this line.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
