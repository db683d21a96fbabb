//! RQ's `data`: a call, serialized and deflated.

use std::fmt;

use serde_json::{Map, Value};

use super::pickle::{self, Document, Node, NodeId};
use super::serializer::Serializer;
use super::zlib::{Inflated, MAX_INFLATED, deflate, inflate};
use crate::python_json::python_json;

/// A job's call, as far as it can be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The dotted path of the function, or the task's name.
    pub func: String,
    /// What it is called with.
    pub arguments: Arguments,
    /// What wrote it; what is added to this job is written the same way.
    pub serializer: Serializer,
}

/// What a call is called with.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// Plain values, in JSON.
    Plain {
        /// The positional ones.
        args: Vec<Value>,
        /// The named ones.
        kwargs: Map<String, Value>,
    },
    /// Something that only Python can make sense of.
    Opaque {
        /// What it is: "an object (pets.Pet)".
        reason: String,
    },
}

/// Why bytes are no call at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable(String);

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the job's data is no call: {}", self.0)
    }
}

impl std::error::Error for Undecodable {}

/// The `data` of a call: zlib of the 4-tuple (function, no instance, positional arguments, named arguments).
#[must_use]
pub fn encode_call(
    func: &str,
    args: &[Value],
    kwargs: &Map<String, Value>,
    serializer: Serializer,
) -> Vec<u8> {
    deflate(&match serializer {
        Serializer::Pickle => pickle::write_call(func, args, kwargs),
        Serializer::Json => python_json(&(func, (), args, kwargs)),
    })
}

/// Reads the `data` of a call, whichever serializer wrote it.
///
/// # Errors
/// If it inflates to more than [`MAX_BYTES`](super::pickle::MAX_BYTES), or is no 4-tuple that begins with a name.
pub fn decode_call(data: &[u8]) -> Result<Call, Undecodable> {
    let bytes = inflate_call(data)?;
    match Serializer::sniff(&bytes) {
        Serializer::Pickle => from_pickle(&bytes),
        Serializer::Json => from_json(&bytes),
    }
}

/// The serialized call inside `data`, for those who look at it. As RQ does, bytes that are no zlib stream are taken as they are.
///
/// # Errors
/// If it is over [`MAX_BYTES`](super::pickle::MAX_BYTES).
pub fn inflate_call(data: &[u8]) -> Result<Vec<u8>, Undecodable> {
    let too_large = || {
        Undecodable(format!(
            "expected at most {MAX_INFLATED} bytes, and it is larger"
        ))
    };
    match inflate(data) {
        Inflated::Whole(bytes) => Ok(bytes),
        Inflated::TooLarge => Err(too_large()),
        Inflated::NoZlib if data.len() > MAX_INFLATED => Err(too_large()),
        Inflated::NoZlib => Ok(data.to_vec()),
    }
}

fn from_pickle(bytes: &[u8]) -> Result<Call, Undecodable> {
    let document = pickle::read(bytes).map_err(|error| Undecodable(error.to_string()))?;
    let (Node::Tuple(parts) | Node::List(parts)) = document.node(document.root()) else {
        return Err(no_tuple());
    };
    let [func, instance, args, kwargs] = parts[..] else {
        return Err(no_tuple());
    };
    let Node::Text(func) = document.node(func) else {
        return Err(no_tuple());
    };
    let arguments = match document.node(instance) {
        Node::None => plain_arguments(&document, args, kwargs),
        _ => Err("an object that the function is a method of".to_owned()),
    };
    Ok(Call {
        func: func.clone(),
        arguments: arguments.unwrap_or_else(|reason| Arguments::Opaque { reason }),
        serializer: Serializer::Pickle,
    })
}

fn plain_arguments(document: &Document, args: NodeId, kwargs: NodeId) -> Result<Arguments, String> {
    match (document.to_json(args)?, document.to_json(kwargs)?) {
        (Value::Array(args), Value::Object(kwargs)) => Ok(Arguments::Plain { args, kwargs }),
        _ => Err("arguments that are no list and no dict".to_owned()),
    }
}

fn from_json(bytes: &[u8]) -> Result<Call, Undecodable> {
    let (value, python_only) = match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => (value, false),
        Err(error) => {
            // Python's JSON has NaN and Infinity. Such a job is Python's to run, but we can still say whose it is.
            let value = serde_json::from_slice(&without_python_numbers(bytes))
                .map_err(|_| Undecodable(format!("it is no JSON: {error}")))?;
            (value, true)
        }
    };
    let Value::Array(parts) = value else {
        return Err(no_tuple());
    };
    let Ok([Value::String(func), instance, args, kwargs]) = <[Value; 4]>::try_from(parts) else {
        return Err(no_tuple());
    };
    let opaque = |reason: &str| Arguments::Opaque {
        reason: reason.to_owned(),
    };
    let arguments = match (instance, args, kwargs) {
        _ if python_only => opaque("a number that is not finite"),
        (Value::Null, Value::Array(args), Value::Object(kwargs)) => {
            Arguments::Plain { args, kwargs }
        }
        (Value::Null, ..) => opaque("arguments that are no list and no dict"),
        _ => opaque("an object that the function is a method of"),
    };
    Ok(Call {
        func,
        arguments,
        serializer: Serializer::Json,
    })
}

fn no_tuple() -> Undecodable {
    Undecodable("expected (function, instance, args, kwargs)".to_owned())
}

/// The same text with `NaN`, `Infinity` and `-Infinity` outside of strings as `null`.
fn without_python_numbers(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut rest = json;
    let mut in_text = false;
    while let Some((byte, after)) = rest.split_first() {
        if in_text && *byte == b'\\' {
            let pair = rest.len().min(2);
            out.extend(&rest[..pair]);
            rest = &rest[pair..];
            continue;
        }
        in_text ^= *byte == b'"';
        let word = [&b"NaN"[..], b"-Infinity", b"Infinity"]
            .into_iter()
            .find(|word| !in_text && rest.starts_with(word));
        if let Some(word) = word {
            out.extend(b"null");
            rest = &rest[word.len()..];
        } else {
            out.push(*byte);
            rest = after;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("expected an object, got {other}"),
        }
    }

    #[test]
    fn a_call_reads_back_from_both_serializers() {
        let (args, kwargs) = (vec![json!(1), json!([null, "é"])], map(json!({"b": 2.5})));
        for serializer in [Serializer::Pickle, Serializer::Json] {
            let data = encode_call("demo.add", &args, &kwargs, serializer);
            let call = decode_call(&data).expect("a call");
            assert_eq!(call.func, "demo.add");
            assert_eq!(call.serializer, serializer);
            let (args, kwargs) = (args.clone(), kwargs.clone());
            assert_eq!(call.arguments, Arguments::Plain { args, kwargs });
        }
    }

    #[test]
    fn what_python_wrote_is_read() {
        // RQ 2.12.0: `enqueue(add, 1, b=2)`, the default serializer (pickle protocol 5).
        let data = b"\x78\x9c\x6b\x60\x9d\xaa\xc8\x00\x01\x1a\x3d\x3c\x39\x89\x49\x25\x89\xc5\xd9\xc5\x7a\x89\x29\x29\x53\xfc\xbc\x19\x5b\xa7\xd4\x4e\xe9\x61\x4c\x9a\xe2\xcd\x54\x5c\x32\x45\x0f\x00\x02\x57\x0d\x79";
        let call = decode_call(data).expect("a call");
        assert_eq!(call.func, "labtasks.add");
        let expected = Arguments::Plain {
            args: vec![json!(1)],
            kwargs: map(json!({"b": 2})),
        };
        assert_eq!(call.arguments, expected);
        // The same by its JSON serializer, byte for byte.
        let json = encode_call(
            "labtasks.add",
            &[json!(1)],
            &map(json!({"b": 2})),
            Serializer::Json,
        );
        let python = b"[\"labtasks.add\", null, [1], {\"b\": 2}]";
        assert_eq!(inflate(&json), Inflated::Whole(python.to_vec()));
        // Not deflated: RQ takes it as it is.
        assert_eq!(decode_call(python).expect("a call").func, "labtasks.add");
    }

    #[test]
    fn a_call_that_only_python_understands_keeps_its_name() {
        let date =
            b"\x80\x02(X\x05\x00\x00\x00a.runNcdatetime\ndate\nU\x04\x07\xe8\x01\x01\x85R\x85}t.";
        let call = decode_call(&deflate(date)).expect("a call");
        assert_eq!(call.func, "a.run");
        let reason = "an object (datetime.date)".to_owned();
        assert_eq!(call.arguments, Arguments::Opaque { reason });

        let call =
            decode_call(br#"["a.run", null, [NaN, "NaN \" -Infinity"], {}]"#).expect("a call");
        let reason = "a number that is not finite".to_owned();
        assert_eq!(call.arguments, Arguments::Opaque { reason });
    }

    #[test]
    fn a_bomb_is_refused_without_being_inflated() {
        let bomb = deflate(&vec![0; MAX_INFLATED + 1]);
        assert!(bomb.len() < 20_000);
        let error = decode_call(&bomb).expect_err("too large");
        assert!(
            error.to_string().contains("at most 16777216 bytes"),
            "{error}"
        );
    }

    #[test]
    fn no_call_is_said_so() {
        for data in [
            &b""[..],
            b"{}",
            b"[1, null, [], {}]",
            b"[\"f\", null, []]",
            b"N.",
            b"\x80\x05.",
        ] {
            assert!(decode_call(data).is_err(), "{data:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = decode_call(&bytes);
            let _ = decode_call(&deflate(&bytes));
        }
    }
}
