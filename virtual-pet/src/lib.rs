//! The virtual pet: a web game that is looked after by a job queue.
//!
//! | room | holds |
//! |---|---|
//! | [`pet`] | the rules: pure functions, no I/O, no clock |
//! | [`home`] | where pets are kept: one trait, an implementation for each store |
//! | [`game`] | rules, home and queue put together, in the order that survives a crash |
//! | [`tasks`] | the jobs |
//! | [`lab`] | worlds of their own for visitors, to break things in |
//! | `page` | the pages, drawn from plain values: no I/O, no clock |
//! | [`web`] | the game over HTTP |
//! | [`cli`] | the command line |

pub mod cli;
pub mod game;
pub mod home;
pub mod keeper;
pub mod lab;
mod page;
pub mod pet;
pub mod tasks;
pub mod web;
