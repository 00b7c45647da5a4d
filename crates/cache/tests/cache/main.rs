//! The cache as its clients see it: the real Nix where it is there, and clients that do what Nix never would.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod damage;
mod exchanging;
mod fetching;
mod folder;
mod http2;
mod nix;
mod serving;
mod slow;
mod upload;
mod with_nix;
