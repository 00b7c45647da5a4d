use clap::ValueEnum;

use super::super::shape_figure::ShapeFigure;
use super::*;

const SIZES: Sizes = Sizes { nodes: 40, replicas: 1_200, services: Some(12), seed: 1 };

#[test]
fn every_shape_accounts_for_every_replica_and_says_what_it_must() {
    for shape in Shape::value_variants() {
        let run = shape.run(&SIZES);
        assert!(run.unplaced <= run.replicas, "{run:?}");
        assert_eq!(run.nodes, 40, "{run:?}");
        let figure = ShapeFigure::new(*shape, &SIZES, vec![run], None).unwrap();
        let value = serde_json::to_value(&figure).unwrap();
        assert_eq!(value["shape"], shape.to_possible_value().unwrap().get_name());
        for field in ["replicas_per_second", "placed", "seconds", "peak_memory_bytes", "violations"] {
            assert!(value[field].is_number(), "{field} of {value}");
        }
    }
}

#[test]
fn the_figure_is_the_median_and_every_run_counts_for_soundness() {
    let run = |millis, violations| {
        let mut run = Shape::Basic.run(&SIZES);
        run.took = std::time::Duration::from_millis(millis);
        run.placed = 1_000_000_000;
        run.found.count = violations;
        run
    };
    let figure = |violations| {
        let runs = vec![run(3, 0), run(1, violations), run(2, 0)];
        serde_json::to_value(ShapeFigure::new(Shape::Basic, &SIZES, runs, None).unwrap()).unwrap()
    };
    assert_eq!((&figure(0)["seconds"], &figure(0)["met"]), (&0.002.into(), &true.into()));
    assert_eq!((&figure(7)["violations"], &figure(7)["met"]), (&7.into(), &false.into()));
    let mut other = run(1, 0);
    other.fingerprint += 1;
    let differing = ShapeFigure::new(Shape::Basic, &SIZES, vec![run(1, 0)], Some(&other)).unwrap();
    assert_eq!(serde_json::to_value(&differing).unwrap()["met"], false);
    let broken = ShapeFigure::new(Shape::Basic, &SIZES, vec![run(1, 0)], Some(&run(1, 1))).unwrap();
    assert_eq!(serde_json::to_value(&broken).unwrap()["met"], false);
    assert!(ShapeFigure::new(Shape::Basic, &SIZES, Vec::new(), None).is_none());
}

#[test]
fn every_shape_is_placed_whole_and_rightly_as_far_as_it_can_be() {
    for shape in Shape::value_variants() {
        let run = shape.run(&SIZES);
        assert!(run.sound(), "{run:?}");
    }
    let run = Shape::Unschedulable.run(&SIZES);
    assert_eq!((run.placed, run.unplaced, run.impossible, run.found.count), (1_080, 120, 120, 0), "{run:?}");
}

#[test]
fn the_smallest_and_the_oddest_sizes() {
    for (nodes, replicas, services) in [(1, 1, None), (1, 1, Some(9)), (7, 3, Some(1)), (2, 95, None)] {
        for shape in Shape::value_variants() {
            let run = shape.run(&Sizes { nodes, replicas, services, seed: 0 });
            assert!(run.services > 0, "{run:?}");
        }
    }
}
