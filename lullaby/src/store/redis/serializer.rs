//! Values as RQ keeps them: results and notes, in pickle or in JSON.

use serde_json::Value;

use super::pickle;
use crate::python_json::python_json;

/// How a value travels. Nothing in Redis says which one it is: a reader looks at the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Serializer {
    /// Python's pickle, RQ's default. We write a subset that is data alone.
    #[default]
    Pickle,
    /// JSON, as for `rq worker -S json`.
    Json,
}

impl Serializer {
    /// What wrote these bytes. Pickles begin with an instruction; none that a pickle can begin with begins a JSON text.
    #[must_use]
    pub fn sniff(bytes: &[u8]) -> Self {
        match bytes.trim_ascii_start().first() {
            Some(b'[' | b'{' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Self::Json,
            // `Infinity` and `INT`, `NaN` and `NONE` begin alike; pickles end with a dot.
            Some(b'I' | b'N') if !bytes.ends_with(b".") => Self::Json,
            _ => Self::Pickle,
        }
    }

    /// The bytes of a value.
    #[must_use]
    pub fn encode(self, value: &Value) -> Vec<u8> {
        match self {
            Self::Pickle => pickle::write(value),
            Self::Json => python_json(value),
        }
    }

    /// Reads a value, whichever serializer wrote it.
    ///
    /// # Errors
    /// If the bytes are neither, or hold what JSON cannot say; the text says what.
    pub fn decode(bytes: &[u8]) -> Result<Value, String> {
        match Self::sniff(bytes) {
            Self::Pickle => {
                let document = pickle::read(bytes).map_err(|error| error.to_string())?;
                document
                    .to_json(document.root())
                    .map_err(|what| format!("it contains {what}"))
            }
            Self::Json => {
                if bytes.len() > pickle::MAX_BYTES {
                    return Err(format!("it has over {} bytes", pickle::MAX_BYTES));
                }
                serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn bytes_tell_which_serializer_wrote_them() {
        for value in [
            json!(null),
            json!(true),
            json!(-1),
            json!("x"),
            json!([]),
            json!({}),
            json!(0.5),
        ] {
            for serializer in [Serializer::Pickle, Serializer::Json] {
                let bytes = serializer.encode(&value);
                assert_eq!(Serializer::sniff(&bytes), serializer, "{value}");
                assert_eq!(Serializer::decode(&bytes).as_ref(), Ok(&value));
            }
        }
        // Protocol 0.
        assert_eq!(Serializer::decode(b"I5\n."), Ok(json!(5)));
    }

    #[test]
    fn what_json_cannot_say_is_named() {
        let error = Serializer::decode(b"\x80\x05C\x03abc.").expect_err("bytes");
        assert_eq!(error, "it contains bytes");
        assert!(Serializer::decode(b"NaN").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = Serializer::decode(&bytes);
        }

        #[test]
        fn texts_read_back(text: String) {
            for serializer in [Serializer::Pickle, Serializer::Json] {
                prop_assert_eq!(Serializer::decode(&serializer.encode(&json!(text))), Ok(json!(text)));
            }
        }
    }
}
