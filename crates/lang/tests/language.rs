//! Files that are right: what they give.

mod common;

use common::{rendered, run};
use icefield_spec::Spec;

fn good(text: &str) -> Spec {
    given(text, &[])
}

fn given(text: &str, vars: &[(&str, &str)]) -> Spec {
    let evaluation = run(text, vars);
    assert!(evaluation.diagnostics.is_empty(), "{}", rendered(&evaluation));
    evaluation.spec.unwrap()
}

#[test]
fn the_example_of_the_design() {
    let spec = good(include_str!("design.star"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&spec).unwrap());
}
