//! Values as RQ keeps them: results and notes, in pickle or in JSON.

use std::io;

use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter};

use super::pickle;

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

/// JSON as Python's `json.dumps` writes it: a space after commas and colons, and ASCII alone.
pub(super) fn python_json(value: &impl serde::Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, PythonFormatter);
    // Values of `serde_json` always have text keys, and a Vec takes all bytes.
    let written = value.serialize(&mut serializer);
    debug_assert!(written.is_ok());
    out
}

struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for letter in fragment.chars() {
            if letter.is_ascii() && letter != '\u{7f}' {
                writer.write_all(&[letter as u8])?;
            } else if letter == '\u{7f}' {
                writer.write_all(b"\x7f")?;
            } else {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let text: &[u8] = match escape {
            CharEscape::Quote => b"\\\"",
            CharEscape::ReverseSolidus => b"\\\\",
            CharEscape::Solidus => b"/",
            CharEscape::Backspace => b"\\b",
            CharEscape::FormFeed => b"\\f",
            CharEscape::LineFeed => b"\\n",
            CharEscape::CarriageReturn => b"\\r",
            CharEscape::Tab => b"\\t",
            CharEscape::AsciiControl(byte) => return write!(writer, "\\u{byte:04x}"),
        };
        writer.write_all(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn json_is_written_as_python_writes_it() {
        let value = json!({"user": "ann", "n": 3, "z": null, "l": [1.5, "é😀\n\u{1}\"\\"]});
        let expected =
            r#"{"l": [1.5, "\u00e9\ud83d\ude00\n\u0001\"\\"], "n": 3, "user": "ann", "z": null}"#;
        assert_eq!(
            String::from_utf8(Serializer::Json.encode(&value)).expect("ASCII"),
            expected
        );
    }

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
