//! The real command on a real file, as a person types it.

mod enqueue;
mod refusals;
mod schedule;
mod shell;
