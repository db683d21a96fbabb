//! Changing one number in a pickle that may hold objects.

use super::opcode::{Atom, Instructions, Op};
use super::write::write_int;
use super::{Unreadable, read};

/// The pickle of the same dict with the integer under `key` replaced; everything else, objects too, stays as its maker wrote it.
///
/// rq-scheduler counts its `repeat` down in a dict that users keep things of their own in. Reading and writing it anew would need their
/// classes.
///
/// Finds the key's text followed at once by an integer, tries the change, and takes it if the result reads back so.
///
/// # Errors
/// If the bytes are no pickle, or no dict with an integer under `key`.
pub fn replace_int(bytes: &[u8], key: &str, number: i64) -> Result<Vec<u8>, Unreadable> {
    let wanted = serde_json::Value::from(number);
    if has(bytes, key, &wanted)? {
        return Ok(bytes.to_vec());
    }
    let mut instructions = Instructions::of(bytes)?;
    let mut frames = Vec::new();
    let mut places = Vec::new();
    let mut after_key = false;
    while let Some(instruction) = instructions.next()? {
        match instruction.op {
            Op::Push(Atom::Utf8(text)) => after_key = text == key.as_bytes(),
            Op::Push(Atom::Escaped(text)) => after_key = text == key.as_bytes(),
            Op::Push(Atom::Int(_)) if after_key => {
                places.push(instruction.at..instruction.end);
                after_key = false;
            }
            // The key is given its memo before the value follows.
            Op::Put(_) | Op::Memoize => {}
            Op::Nothing if instruction.name == "FRAME" => {
                frames.push(instruction.at..instruction.end);
            }
            _ => after_key = false,
        }
    }
    for place in places.into_iter().rev().take(MOST_TRIES) {
        let mut changed = Vec::with_capacity(bytes.len() + 8);
        let mut copied = 0;
        // Frames say how many bytes follow; they may be left out, and then nothing has to be counted anew.
        for frame in &frames {
            if frame.end <= place.start {
                changed.extend(&bytes[copied..frame.start]);
                copied = frame.end;
            }
        }
        changed.extend(&bytes[copied..place.start]);
        write_int(&mut changed, number.into());
        copied = place.end;
        for frame in frames.iter().filter(|frame| frame.start >= place.end) {
            changed.extend(&bytes[copied..frame.start]);
            copied = frame.end;
        }
        changed.extend(&bytes[copied..]);
        if has(&changed, key, &wanted)? {
            return Ok(changed);
        }
    }
    Err(Unreadable::new(
        0,
        format!("expected a dict with a whole number under {key:?}"),
    ))
}

/// A user's own dicts may have the same key; more of them than this is no dict of rq-scheduler's.
const MOST_TRIES: usize = 16;

fn has(bytes: &[u8], key: &str, wanted: &serde_json::Value) -> Result<bool, Unreadable> {
    let document = read(bytes)?;
    let entry = document.entry(document.root(), key);
    Ok(entry.is_some_and(|entry| document.to_json(entry).as_ref() == Ok(wanted)))
}
