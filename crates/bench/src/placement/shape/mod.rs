//! The shapes of Kubernetes' scheduler_perf, one a file: what there is, what is wanted, and which part of it is timed.

mod affinity;
mod basic;
mod batches;
mod churn;
mod daemon;
mod preemption;
mod spread;
mod unschedulable;

use clap::ValueEnum;

use super::live::Live;
use super::run::Run;
use super::sizes::Sizes;

/// What there is to place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// Services that need CPU and memory and nothing else
    Basic,
    /// Services that are spread over zones, with a limit to the skew
    Spread,
    /// Services that must be near others, or must not
    Affinity,
    /// Services for which others of lower priority must give way
    Preemption,
    /// Batches of replicas, while nodes come and go and services are scaled and removed
    Churn,
    /// Batches of replicas, while others fit nowhere
    Unschedulable,
    /// Services with one replica on each node
    Daemon,
}

impl Shape {
    /// As it is given on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Spread => "spread",
            Self::Affinity => "affinity",
            Self::Preemption => "preemption",
            Self::Churn => "churn",
            Self::Unschedulable => "unschedulable",
            Self::Daemon => "daemon",
        }
    }

    /// What is timed.
    pub(crate) fn measures(self) -> &'static str {
        match self {
            Self::Basic | Self::Spread | Self::Affinity => "placing all replicas at once; feeding is extra",
            Self::Preemption => {
                "placing replicas of high priority on nodes that are full of low priority: feeding, deciding, accepting"
            }
            Self::Churn => {
                "placing batches of 500 while nodes come and go and services are scaled and removed: feeding, deciding, \
                 accepting"
            }
            Self::Unschedulable => {
                "placing batches of 500 while a tenth of all replicas fits nowhere: feeding, deciding, accepting"
            }
            Self::Daemon => "placing one replica of each daemon on each node: finding the nodes, feeding, deciding",
        }
    }

    /// The replicas a second that it is to reach.
    pub(crate) fn goal(self) -> f64 {
        match self {
            Self::Basic | Self::Spread => 200_000.0,
            Self::Affinity | Self::Preemption | Self::Churn | Self::Unschedulable | Self::Daemon => 50_000.0,
        }
    }

    /// How many nodes there are where nothing was said: as many as in the largest case of scheduler_perf.
    pub(crate) fn nodes(self) -> u32 {
        if self == Self::Daemon { 15_000 } else { 5_000 }
    }

    /// How many replicas there are where nothing was said.
    pub(crate) fn replicas(self, nodes: u32) -> u32 {
        if self == Self::Daemon { nodes } else { 50_000 }
    }

    /// Does it once.
    pub(crate) fn run(self, sizes: &Sizes) -> Run {
        match self {
            Self::Basic => cold(basic::fleet(sizes)),
            Self::Spread => cold(spread::fleet(sizes)),
            Self::Affinity => cold(affinity::fleet(sizes)),
            Self::Preemption => preemption::run(sizes),
            Self::Churn => churn::run(sizes, false),
            Self::Unschedulable => unschedulable::run(sizes, false),
            Self::Daemon => daemon::run(sizes),
        }
    }

    /// Does a shape with batches once more, and checks after every batch.
    pub(crate) fn inspect(self, sizes: &Sizes) -> Option<Run> {
        match self {
            Self::Churn => Some(churn::run(sizes, true)),
            Self::Unschedulable => Some(unschedulable::run(sizes, true)),
            Self::Basic | Self::Spread | Self::Affinity | Self::Preemption | Self::Daemon => None,
        }
    }
}

/// Places all at once: deciding alone is timed.
fn cold(fleet: super::fleet::Fleet) -> Run {
    let mut live = Live::new(fleet);
    live.solve();
    let lap = live.lap();
    Run::new(&mut live, lap, lap.solve, lap.placed, true)
}

#[cfg(test)]
mod tests;
