//! Python's pickle as far as it is data: `None`, booleans, numbers, text, lists, tuples, dicts.
//!
//! RQ keeps calls, results and notes as pickles. A real pickle is a program, and running it runs whatever code its maker named. This
//! module never runs anything: [`read`] walks the stack machine of protocols 0 to 5 and keeps every object (a `datetime`, a class of
//! the user's) as a name without substance; [`write()`] writes the protocol-2 subset that every `pickle.loads` reads.
//!
//! Nothing here recurses over its input, and all of it is bounded: [`MAX_BYTES`], [`MAX_NODES`], [`MAX_DEPTH`]. The limits are about
//! damage, not about taste: a pickle of 100 bytes can stand for 2^30 lists by naming the same list twice, again and again.

mod disassemble;
mod opcode;
mod patch;
mod read;
mod value;
mod write;

pub use self::disassemble::disassemble;
pub use self::patch::replace_int;
pub use self::read::read;
pub use self::value::{Document, Node, NodeId};
pub use self::write::{write, write_call};

use std::fmt;

/// The largest pickle that is read, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The most values in one pickle, and the most that it may stand for once shared ones are written out.
pub const MAX_NODES: usize = 1_000_000;

/// How deep values may nest. JSON readers stop at 128, and a call adds levels of its own.
pub const MAX_DEPTH: usize = 100;

/// Why bytes are no pickle that can be read as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// At which byte.
    pub at: usize,
    /// What was expected, and what came.
    pub reason: String,
}

impl Unreadable {
    fn new(at: usize, reason: impl Into<String>) -> Self {
        Self {
            at,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a readable pickle, at byte {}: {}",
            self.at, self.reason
        )
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests;
