//! The conformance suite: what a store does, operation by operation. One text, run against every driver.
//!
//! A file holds the contract of one group of operations; the table at its head is the contract in short. Each line of a table is a
//! test of each driver: `work::memory::the_front_is_claimed_first`. A new driver is registered in one place, `drivers.rs`.
//!
//! Time stands still in these tests until one turns it, so "not one millisecond early" is tested to the millisecond.

mod beside_python;
mod child;
mod drivers;
mod history;
#[cfg(feature = "webhooks")]
mod receiver;
mod redis_server;
mod snapshot;
mod soak;
mod specs;
mod world;

mod attempts;
mod callbacks;
mod concurrency;
mod dependencies;
mod event_lists;
mod events;
mod inspect;
mod kills;
mod maintain;
mod model;
mod overlap;
mod processes;
mod produce;
mod rate_limits;
mod rate_limits_beside_python;
mod recur;
mod repeat;
mod slots;
mod wake;
#[cfg(feature = "webhooks")]
mod webhooks;
mod work;
