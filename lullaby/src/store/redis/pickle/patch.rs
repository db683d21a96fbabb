//! Changing one number in a pickle that may hold objects.

use super::opcode::{Instructions, Op};
use super::value::Node;
use super::write::write_int;
use super::{Unreadable, read};

/// The pickle of the same dict with the integer under `key` replaced; everything else, objects too, stays as its maker wrote it.
///
/// rq-scheduler counts its `repeat` down in a dict that users keep things of their own in. Reading and writing it anew would need their
/// classes.
///
/// # Errors
/// If the bytes are no pickle, or no dict with an integer under `key`.
pub fn replace_int(bytes: &[u8], key: &str, number: i64) -> Result<Vec<u8>, Unreadable> {
    let refusal = || {
        Unreadable::new(
            0,
            format!("expected a dict with a whole number under {key:?}"),
        )
    };
    let document = read(bytes)?;
    let entry = document
        .entry(document.root(), key)
        .filter(|entry| matches!(document.node(*entry), Node::Int(_)))
        .ok_or_else(refusal)?;
    let place = &document.places[entry.0];
    let place = place.start as usize..place.end as usize;

    let mut new = Vec::new();
    write_int(&mut new, number.into());
    let mut changed = Vec::with_capacity(bytes.len() + new.len());
    let mut instructions = Instructions::of(bytes)?;
    while let Some(instruction) = instructions.next()? {
        if instruction.at == place.start {
            changed.extend(&new);
        } else if !matches!(instruction.op, Op::Nothing if instruction.name == "FRAME") {
            // Frames say how many bytes follow. They may be left out, and then nothing has to be counted anew.
            changed.extend(&bytes[instruction.at..instruction.end]);
        }
    }
    Ok(changed)
}
