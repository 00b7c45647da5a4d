//! Seeds that are run each time.

use icefield_sim::{Outcome, Setup, run};

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..40 {
        let outcomes: [Outcome; 2] = std::array::from_fn(|_| run(seed, Setup::default()));
        println!("{} {:?} {} ms", outcomes[0], outcomes[0].faults, outcomes[0].virtual_ms);
        assert_eq!(outcomes[0].trace, outcomes[1].trace, "seed {seed}");
    }
}
