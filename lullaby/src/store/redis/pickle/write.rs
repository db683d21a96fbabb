//! The protocol-2 subset that every `pickle.loads` reads.

use serde_json::{Map, Number, Value};

/// The pickle of a JSON value: objects are dicts, arrays lists.
#[must_use]
pub fn write(value: &Value) -> Vec<u8> {
    pickle(vec![Step::Value(value)])
}

/// The pickle of RQ's call: the tuple of the function's name, no instance, the tuple of positional arguments, the dict of named ones.
#[must_use]
pub fn write_call(func: &str, args: &[Value], kwargs: &Map<String, Value>) -> Vec<u8> {
    let mut steps = vec![Step::Byte(b't'), Step::Dict(kwargs), Step::Byte(b't')];
    steps.extend(args.iter().rev().map(Step::Value));
    steps.extend([
        Step::Byte(b'('),
        Step::Byte(b'N'),
        Step::Text(func),
        Step::Byte(b'('),
    ]);
    pickle(steps)
}

/// What is still to be written.
enum Step<'a> {
    Value(&'a Value),
    Dict(&'a Map<String, Value>),
    Text(&'a str),
    Byte(u8),
}

/// Writes the steps, the last one first.
fn pickle(mut steps: Vec<Step<'_>>) -> Vec<u8> {
    let mut out = vec![0x80, 2];
    while let Some(step) = steps.pop() {
        match step {
            Step::Value(Value::Null) => out.push(b'N'),
            Step::Value(Value::Bool(truth)) => out.push(if *truth { 0x88 } else { 0x89 }),
            Step::Value(Value::Number(number)) => write_number(&mut out, number),
            Step::Value(Value::String(text)) => write_text(&mut out, text),
            Step::Value(Value::Array(items)) => {
                out.extend([b']', b'(']);
                steps.push(Step::Byte(b'e'));
                steps.extend(items.iter().rev().map(Step::Value));
            }
            Step::Value(Value::Object(map)) => steps.push(Step::Dict(map)),
            Step::Dict(map) => {
                out.extend([b'}', b'(']);
                steps.push(Step::Byte(b'u'));
                for (key, value) in map.iter().rev() {
                    steps.extend([Step::Value(value), Step::Text(key)]);
                }
            }
            Step::Text(text) => write_text(&mut out, text),
            Step::Byte(byte) => out.push(byte),
        }
    }
    out.push(b'.');
    out
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    // No text of ours is over 4 GiB: payloads end at 16 MiB.
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn write_number(out: &mut Vec<u8>, number: &Number) {
    if let Some(whole) = number.as_i128() {
        write_int(out, whole);
    } else {
        out.push(b'G');
        out.extend(number.as_f64().unwrap_or(f64::NAN).to_be_bytes());
    }
}

/// As Python does: four bytes if they hold it, else as many as it takes.
pub(super) fn write_int(out: &mut Vec<u8>, number: i128) {
    if let Ok(small) = i32::try_from(number) {
        out.push(b'J');
        out.extend(small.to_le_bytes());
        return;
    }
    let bytes = number.to_le_bytes();
    let sign = if number < 0 { 0xff } else { 0 };
    // The top bit must still be the sign.
    let length = (1..16)
        .find(|length| {
            bytes[*length..].iter().all(|byte| *byte == sign)
                && (bytes[length - 1] & 0x80 == 0) == (number >= 0)
        })
        .unwrap_or(16);
    out.extend([0x8a, length as u8]);
    out.extend(&bytes[..length]);
}
