//! The arguments of a call, as they travel: positional ones and named ones, in JSON.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The largest payload that is accepted, in bytes of JSON.
pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// The arguments of one call: `[positional, named]` in JSON, RQ's `args` and `kwargs`.
///
/// A struct is its named arguments, a tuple its positional ones, anything else one positional argument. Reading binds
/// as Python does: positional arguments fill a struct's fields in their order, named ones by name.
///
/// ```
/// use lullaby::payload::Payload;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// struct Add { a: i64, b: i64 }
///
/// let named = Payload::of(&Add { a: 1, b: 2 })?;
/// assert_eq!(named.as_json(), r#"[[],{"a":1,"b":2}]"#);
///
/// // As Python's q.enqueue("demo.add", 1, b=2) makes it.
/// let mixed = Payload::from_json(r#"[[1],{"b":2}]"#)?;
/// assert_eq!(mixed.decode::<Add>()?, Add { a: 1, b: 2 });
/// # Ok::<(), lullaby::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload(String);

impl Payload {
    /// The call that `task` stands for.
    ///
    /// # Errors
    /// If the value cannot be written as JSON (a map with keys that are not text), or is over [`MAX_PAYLOAD`].
    pub fn of<T: Serialize>(task: &T) -> Result<Self> {
        let json = serde_json::to_string(task).map_err(|error| {
            Error::invalid(format!("this task cannot be written as JSON: {error}"))
        })?;
        let call = match json.as_bytes().first() {
            Some(b'{') => format!("[[],{json}]"),
            Some(b'[') => format!("[{json},{{}}]"),
            _ if json == "null" => "[[],{}]".to_owned(),
            _ => format!("[[{json}],{{}}]"),
        };
        Self::bounded(call)
    }

    /// A call with these arguments.
    ///
    /// # Errors
    /// If it is over [`MAX_PAYLOAD`].
    pub fn call(args: &[Value], kwargs: &Map<String, Value>) -> Result<Self> {
        let json = serde_json::to_string(&(args, kwargs))
            .map_err(|error| Error::invalid(format!("the arguments are not JSON: {error}")))?;
        Self::bounded(json)
    }

    /// Reads `[positional, named]`.
    ///
    /// # Errors
    /// If the text is anything else, or over [`MAX_PAYLOAD`].
    pub fn from_json(json: impl Into<String>) -> Result<Self> {
        let payload = Self::bounded(json.into())?;
        payload.parts()?;
        Ok(payload)
    }

    /// What a store of ours kept: checked when it was written.
    pub(crate) fn from_store(json: String) -> Self {
        Self(json)
    }

    fn bounded(json: String) -> Result<Self> {
        if json.len() > MAX_PAYLOAD {
            return Err(Error::invalid(format!(
                "expected a payload of at most {MAX_PAYLOAD} bytes, got {}: keep large data elsewhere and pass its key",
                json.len()
            )));
        }
        Ok(Self(json))
    }

    /// The text `[positional, named]`.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The positional and the named arguments.
    ///
    /// # Errors
    /// If the stored text is not a call.
    pub fn parts(&self) -> Result<(Vec<Value>, Map<String, Value>)> {
        serde_json::from_str(&self.0).map_err(|error| {
            Error::invalid(format!(
                "expected a call as [[positional], {{named}}] in JSON: {error}"
            ))
        })
    }

    /// Reads the call as `T`.
    ///
    /// # Errors
    /// If arguments are missing, too many, or of another type; the message names them.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        let (args, kwargs) = self.parts()?;
        T::deserialize(Call { args, kwargs })
            .map_err(|error| Error::invalid(format!("the arguments {self} do not fit: {error}")))
    }
}

impl fmt::Display for Payload {
    /// As a call is written: `(1, b=2)`, cut after 160 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok((args, kwargs)) = self.parts() else {
            return f.write_str("(unreadable)");
        };
        let named = kwargs.iter().map(|(name, value)| format!("{name}={value}"));
        let call: Vec<String> = args.iter().map(ToString::to_string).chain(named).collect();
        let call = call.join(", ");
        match call.char_indices().nth(160) {
            Some((end, _)) => write!(f, "({}…)", &call[..end]),
            None => write!(f, "({call})"),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A call as serde reads it.
struct Call {
    args: Vec<Value>,
    kwargs: Map<String, Value>,
}

type DeError = serde_json::Error;

impl Call {
    /// The one value that a call with a single positional argument, or with named ones alone, stands for.
    fn into_value(mut self) -> Value {
        match (self.args.len(), self.kwargs.is_empty()) {
            (0, false) => Value::Object(self.kwargs),
            (0, true) => Value::Null,
            (1, true) => self.args.remove(0),
            _ => Value::Array(self.args),
        }
    }

    fn refuse_named(&self) -> Result<(), DeError> {
        match self.kwargs.keys().next() {
            Some(name) => Err(de::Error::custom(format!("unexpected argument {name:?}"))),
            None => Ok(()),
        }
    }

    /// Gives each positional argument the name of the field it falls on, as Python does.
    fn bind(self, fields: &'static [&'static str]) -> Result<Map<String, Value>, DeError> {
        let mut named = self.kwargs;
        if self.args.len() > fields.len() {
            return Err(de::Error::custom(format!(
                "expected at most {} positional arguments ({}), got {}",
                fields.len(),
                fields.join(", "),
                self.args.len()
            )));
        }
        for (field, value) in fields.iter().zip(self.args) {
            if named.insert((*field).to_owned(), value).is_some() {
                return Err(de::Error::custom(format!("{field:?} is given twice")));
            }
        }
        Ok(named)
    }
}

impl<'de> serde::Deserializer<'de> for Call {
    type Error = DeError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_map(MapDeserializer::new(self.bind(fields)?.into_iter()))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.refuse_named()?;
        visitor.visit_seq(SeqDeserializer::new(self.args.into_iter()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        if self.args.len() != len {
            return Err(de::Error::custom(format!(
                "expected {len} positional arguments, got {}",
                self.args.len()
            )));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.refuse_named()?;
        if !self.args.is_empty() {
            return Err(de::Error::custom(format!(
                "expected no arguments, got {}",
                self.args.len()
            )));
        }
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.into_value().deserialize_enum(name, variants, visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.into_value()
            .into_deserializer()
            .deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.into_value().deserialize_option(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
    struct Mail {
        to: String,
        #[serde(default)]
        copies: u8,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Pair(i64, String);
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Url(String);
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Nothing;
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    enum Shape {
        Dot,
        Box { side: u8 },
    }

    fn round<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: &T) {
        let payload = Payload::of(value).expect("JSON");
        assert_eq!(&payload.decode::<T>().expect("reads back"), value);
    }

    #[test]
    fn every_shape_of_task_reads_back() {
        round(&Pair(1, "x".into()));
        round(&Url("http://localhost".into()));
        round(&Nothing);
        round(&());
        round(&Shape::Dot);
        round(&Shape::Box { side: 3 });
        round(&(1, 2));
    }

    #[test]
    fn positional_arguments_fill_fields_in_order() {
        let call = Payload::from_json(r#"[["me"],{"copies":2}]"#).expect("a call");
        assert_eq!(
            call.decode::<Mail>().expect("fits"),
            Mail {
                to: "me".into(),
                copies: 2
            }
        );
        assert_eq!(call.to_string(), r#"("me", copies=2)"#);
    }

    #[test]
    fn a_call_that_does_not_fit_is_refused_by_name() {
        for (call, part) in [
            ("[[],{}]", "missing field `to`"),
            (r#"[["a",1,2],{}]"#, "at most 2 positional"),
            (r#"[["a"],{"to":"b"}]"#, "given twice"),
        ] {
            let error = Payload::from_json(call)
                .and_then(|call| call.decode::<Mail>())
                .expect_err("does not fit");
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(Payload::from_json("{}").expect_err("no call").is_invalid());
    }

    proptest! {
        #[test]
        fn structs_read_back(to: String, copies: u8) {
            round(&Mail { to, copies });
        }

        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            let _ = Payload::from_json(text).map(|call| call.decode::<Mail>());
        }
    }
}
