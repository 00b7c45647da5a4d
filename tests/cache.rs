//! The Nix binary cache as a user runs it.

mod common;
