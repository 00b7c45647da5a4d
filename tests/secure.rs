//! A cluster with certificates and tokens, as its operator and its users meet it.

#[test]
fn placeholder() {}
