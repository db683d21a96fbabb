//! The game as its players meet it: the real program over HTTP, and a whole town in one process where a clock must be turned.

mod api;
mod article;
mod healing;
mod http;
mod input;
mod process;
mod server;
mod stream;
mod town;
mod week;
