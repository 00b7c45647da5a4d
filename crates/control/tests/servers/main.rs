//! Real servers, talked to as agents and people do.

mod api;
mod damage;
mod full_disk;
mod group;
mod harness;
mod load;
mod membership;
mod migration;
mod start;
mod truth;
