//! The engine from outside: its properties over many small cases, checked by code that knows nothing of it, and its
//! answers to bad input.

mod bad_input;
mod bad_rules;
mod cases;
mod checker;
mod costs;
mod feeding;
mod fleet;
mod greedy;
mod priorities;
mod properties;
mod remedy;

use proptest::prelude::ProptestConfig;

/// A thousand cases of each property, unless `PROPTEST_CASES` says how many.
fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(1000),
    }
}
