//! Real servers, talked to as agents and people do.

mod api;
mod group;
mod harness;
mod membership;
mod start;
