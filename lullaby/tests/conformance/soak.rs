//! How long the random tests run: a few seconds, or in a soak (`LULLABY_SOAK=1`, `make soak`) their full sizes.

use std::hash::{BuildHasher, Hasher, RandomState};

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How many rounds a random test makes: `few`, or `many` in a soak; any other number in `LULLABY_SOAK` than 1 is that many.
pub(crate) fn rounds(few: u32, many: u32) -> u32 {
    match number("LULLABY_SOAK") {
        None | Some(0) => few,
        Some(1) => many,
        Some(rounds) => rounds,
    }
}

/// The same cases at each run. A soak draws new ones, and prints the `LULLABY_SEED` that brings them back.
pub(crate) fn seed() -> u64 {
    let seed = number("LULLABY_SEED").unwrap_or_else(|| {
        if std::env::var_os("LULLABY_SOAK").is_some() {
            RandomState::new().build_hasher().finish()
        } else {
            7
        }
    });
    println!("LULLABY_SEED={seed}");
    seed
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("expected a number in {name}, got {text:?}"),
    }
}

/// Draws `rounds` cases from `seed` and shrinks the first that fails.
pub(crate) fn runner(rounds: u32, seed: u64) -> TestRunner {
    let config = Config {
        cases: rounds,
        max_shrink_iters: 5000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}
