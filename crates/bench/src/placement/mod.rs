//! The placement engine alone: how fast it is, and whether what it decides is right.

mod checker;
mod fleet;
mod large;
mod live;
mod memory;
mod mix;
mod run;
mod shape;
mod shape_figure;
mod sizes;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::Failure;
use large::Large;
use shape::Shape;
use shape_figure::ShapeFigure;
use sizes::Sizes;

/// What is to be placed.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Which shape; without one, a realistic mix and small changes to it
    #[arg(long, value_enum)]
    pub(crate) shape: Option<Shape>,
    /// How many nodes; by default 5,000, of daemons 15,000, of the mix 10,000
    #[arg(long, value_parser = up_to(1_000_000))]
    nodes: Option<u32>,
    /// How many replicas; by default 50,000, of daemons one a node, of the mix 1,000,000
    #[arg(long, value_parser = up_to(10_000_000))]
    replicas: Option<u32>,
    /// How many services they are of; by default one for each 1,000 replicas. More than that where they must be small
    /// enough to be on different nodes
    #[arg(long, value_parser = up_to(1_000_000))]
    services: Option<u32>,
    /// Another seed is another fleet, or another order of events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many times; the median is the figure. By default 5 of a shape, 1 of the mix
    #[arg(long, value_parser = up_to(1_000))]
    runs: Option<u32>,
    /// Of the mix: how many nodes are lost one after the other, and how often a service is scaled
    #[arg(long, default_value_t = 100, value_parser = up_to(10_000))]
    changes: u32,
}

fn up_to(most: u64) -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..=most)
}

/// One of the shapes.
pub(crate) fn measure_shape(arguments: &Arguments, shape: Shape) -> Result<ShapeFigure, Failure> {
    let nodes = arguments.nodes.unwrap_or_else(|| shape.nodes());
    let replicas = arguments.replicas.unwrap_or_else(|| shape.replicas(nodes));
    let sizes = Sizes { nodes, replicas, services: arguments.services, seed: arguments.seed };
    let runs = (0..arguments.runs.unwrap_or(5)).map(|_| shape.run(&sizes)).collect();
    // Last, for what the checker does to caches and memory is not to be part of the figure.
    let inspection = shape.inspect(&sizes);
    ShapeFigure::new(shape, &sizes, runs, inspection.as_ref()).ok_or_else(|| "nothing was run".into())
}

/// The realistic mix.
pub(crate) fn measure_large(arguments: &Arguments) -> Result<Large, Failure> {
    let (nodes, replicas) = (arguments.nodes.unwrap_or(10_000), arguments.replicas.unwrap_or(1_000_000));
    let sizes = Sizes { nodes, replicas, services: arguments.services, seed: arguments.seed };
    Large::measure(&sizes, arguments.runs.unwrap_or(1), arguments.changes).ok_or_else(|| "nothing was run".into())
}
