//! The game as its players meet it: the real program over HTTP, and a whole town in one process where a clock must be turned.

mod api;
mod article;
mod away;
mod healing;
mod http;
mod input;
mod keeping;
mod kills;
mod lab;
mod process;
mod server;
mod stream;
mod survivors;
mod town;
mod week;

/// The seed of what happens at random, printed: the same at each run, a new one in a soak, or `LULLABY_SEED`.
fn seed() -> u64 {
    let given = std::env::var("LULLABY_SEED").ok();
    let seed = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        if soak() {
            uuid::Uuid::new_v4().as_u64_pair().0
        } else {
            2026
        }
    });
    println!("LULLABY_SEED={seed}");
    seed
}

/// True if the tests are to run at their full sizes (`make soak`).
fn soak() -> bool {
    std::env::var_os("LULLABY_SOAK").is_some()
}
