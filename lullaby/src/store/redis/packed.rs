//! Long answers, which a script packs into one text of MessagePack: value by value they cost the server ten times as much, and a copy of each
//! here.

use std::borrow::Cow;

use redis::Value;
use rmpv::ValueRef;
use rmpv::decode::read_value_ref_with_max_depth;

use super::answer::unexpected;
use crate::error::{Error, Result};

/// Deeper than any answer of ours.
const DEPTH: usize = 16;

/// What `answer` holds.
pub(super) fn read(answer: &Value) -> Result<ValueRef<'_>> {
    let Value::BulkString(bytes) = answer else {
        return Err(unexpected("a packed answer", answer));
    };
    read_value_ref_with_max_depth(&mut bytes.as_slice(), DEPTH)
        .map_err(|error| Error::store_because("reading a packed answer of Redis", error))
}

pub(super) fn list<'v, 'a>(value: &'v ValueRef<'a>) -> Result<&'v [ValueRef<'a>]> {
    match value {
        ValueRef::Array(items) => Ok(items),
        other => Err(unexpected("a list", other)),
    }
}

pub(super) fn text<'v>(value: &'v ValueRef<'_>) -> Result<Cow<'v, str>> {
    let bytes = bytes(value).ok_or_else(|| unexpected("a text", value))?;
    Ok(String::from_utf8_lossy(bytes))
}

/// `None` for what is no text: Lua's `false` stands for a field that a hash does not have.
pub(super) fn bytes<'v>(value: &'v ValueRef<'_>) -> Option<&'v [u8]> {
    match value {
        ValueRef::String(text) => Some(text.as_bytes()),
        ValueRef::Binary(bytes) => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_bytes_are_read_and_what_is_no_text_is_none() {
        // As Redis packs `{'a', false, '\255', {}}`.
        let answer = Value::BulkString(b"\x94\xa1a\xc2\xa1\xff\x90".to_vec());
        let read = read(&answer).expect("a packed answer");
        let items = list(&read).expect("a list");
        let bytes: Vec<_> = items.iter().map(bytes).collect();
        assert_eq!(bytes, [Some(&b"a"[..]), None, Some(b"\xff"), None]);
        assert_eq!(text(&items[0]).expect("a text"), "a");
        assert!(text(&items[1]).is_err());
        assert!(list(&items[3]).expect("a list").is_empty());
    }

    #[test]
    fn an_answer_that_is_cut_or_too_deep_is_an_error() {
        for bytes in [
            &b""[..],
            b"\x92\xa1a",
            &[0x91; 100],
            b"\xdd\xff\xff\xff\xff",
        ] {
            assert!(read(&Value::BulkString(bytes.to_vec())).is_err());
        }
        assert!(read(&Value::Int(1)).is_err());
    }
}
