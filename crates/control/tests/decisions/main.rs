//! The servers' decisions, held against a small model of a cluster: agents and processes as plain values, in virtual
//! time.

mod agent;
mod bases;
mod blue_green;
mod churn;
mod commands;
mod daemons;
mod declare;
mod drains;
mod health;
mod jobs;
mod leases;
mod process;
mod rebalance;
mod rollouts;
mod singletons;
mod strategies;
mod system;
mod volumes;
mod world;
