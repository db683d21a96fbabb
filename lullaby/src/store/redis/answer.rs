//! What scripts and commands answer, read with suspicion.

use redis::Value;

use crate::clock::Timestamp;
use crate::error::{Error, Result};

pub(super) fn unexpected(what: &str, value: &impl std::fmt::Debug) -> Error {
    let shown: String = format!("{value:?}").chars().take(200).collect();
    Error::store(format!(
        "expected {what} from Redis, got {shown}: is another version of the scripts or keys in use?"
    ))
}

pub(super) fn array(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        other => Err(unexpected("a list", &other)),
    }
}

pub(super) fn text(value: Value) -> Result<String> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Value::SimpleString(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        other => Err(unexpected("a text", &other)),
    }
}

pub(super) fn texts(value: Value) -> Result<Vec<String>> {
    array(value)?.into_iter().map(text).collect()
}

pub(super) fn optional_text(value: Value) -> Result<Option<String>> {
    match value {
        Value::Nil => Ok(None),
        other => text(other).map(Some),
    }
}

pub(super) fn number(value: Value) -> Result<i64> {
    match value {
        Value::Int(number) => Ok(number),
        Value::Nil => Ok(0),
        other => {
            let told = text(other)?;
            told.parse()
                .map_err(|_| Error::store(format!("expected a number from Redis, got {told:?}")))
        }
    }
}

pub(super) fn numbers(value: Value) -> Result<Vec<i64>> {
    array(value)?.into_iter().map(number).collect()
}

pub(super) fn count(value: Value) -> Result<u64> {
    number(value).map(|count| u64::try_from(count).unwrap_or(0))
}

/// Milliseconds; an empty text is none.
pub(super) fn instant(value: Value) -> Result<Option<Timestamp>> {
    let told = text(value)?;
    if told.is_empty() {
        return Ok(None);
    }
    let ms: f64 = told
        .parse()
        .map_err(|_| Error::store(format!("expected milliseconds from Redis, got {told:?}")))?;
    Ok(Some(Timestamp::from_millis(ms as i64)))
}

/// Exactly so many items.
pub(super) fn tuple<const N: usize>(value: Value) -> Result<[Value; N]> {
    let items = array(value)?;
    let count = items.len();
    items
        .try_into()
        .map_err(|_| Error::store(format!("expected {N} items from Redis, got {count}")))
}
