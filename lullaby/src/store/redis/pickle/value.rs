//! What a pickle says, as data.

use std::ops::Range;

use serde_json::{Map, Number, Value};

use super::{MAX_BYTES, MAX_DEPTH, MAX_NODES};

/// Where a value stands in its [`Document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub(super) usize);

/// One value. Values name each other by [`NodeId`], since a pickle may name one value twice, or a list as its own item.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `None`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// An integer that 128 bits hold.
    Int(i128),
    /// A float.
    Float(f64),
    /// Text.
    Text(String),
    /// `bytes` and `bytearray`.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<NodeId>),
    /// A tuple.
    Tuple(Vec<NodeId>),
    /// A `set` or `frozenset`.
    Set(Vec<NodeId>),
    /// A dict, in its order.
    Dict(Vec<(NodeId, NodeId)>),
    /// Anything else, by the name of what makes it: `datetime.datetime`. It was not made, and cannot be.
    Object(String),
}

/// The values of one pickle.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub(super) nodes: Vec<Node>,
    /// Which bytes each of them was made by.
    pub(super) places: Vec<Range<u32>>,
    pub(super) root: NodeId,
}

impl Document {
    /// The value that the pickle stands for.
    #[must_use]
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// The value at `id`, which must be of this document.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The value under a text key, if `id` is a dict that has it. The last one wins, as in Python.
    #[must_use]
    pub fn entry(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let Node::Dict(entries) = self.node(id) else {
            return None;
        };
        entries
            .iter()
            .rev()
            .find(|(name, _)| matches!(self.node(*name), Node::Text(text) if text == key))
            .map(|(_, value)| *value)
    }

    fn text_length(&self, id: NodeId) -> usize {
        match self.node(id) {
            Node::Text(text) => text.len(),
            _ => 0,
        }
    }

    /// The value at `id` in JSON: tuples and sets are arrays; keys that are numbers, booleans or `None` are texts, as Python's own
    /// `json.dumps` makes them.
    ///
    /// # Errors
    /// If there is something in it that JSON has no word for: an object, bytes, an integer beyond 64 bits, a number that is not finite.
    /// The text says what it is, as the end of the sentence "it contains …". Also if it nests deeper than [`MAX_DEPTH`] or stands for
    /// more than [`MAX_NODES`] values or [`MAX_BYTES`] of text.
    pub fn to_json(&self, id: NodeId) -> Result<Value, String> {
        let mut open: Vec<Open<'_>> = Vec::new();
        let mut next = id;
        let (mut count, mut bytes) = (0, 0);
        loop {
            count += 1;
            bytes += self.text_length(next);
            if count > MAX_NODES || bytes > MAX_BYTES {
                return Err(format!(
                    "more than {MAX_NODES} values or {MAX_BYTES} bytes of text"
                ));
            }
            let mut done = match self.node(next) {
                Node::List(items) | Node::Tuple(items) | Node::Set(items) => {
                    open.push(Open::Array(items, Vec::new()));
                    None
                }
                Node::Dict(entries) => {
                    open.push(Open::Object(entries, 0, Map::new()));
                    None
                }
                atom => Some(json_atom(atom)?),
            };
            if open.len() > MAX_DEPTH {
                return Err(format!("values that nest deeper than {MAX_DEPTH}"));
            }
            // Hand the finished value to what is open, and close what is full.
            next = loop {
                let Some(innermost) = open.last_mut() else {
                    return done.ok_or_else(|| "nothing".to_owned());
                };
                if let Some(value) = done.take() {
                    innermost.take(self, value)?;
                }
                if let Some(missing) = innermost.missing() {
                    bytes += innermost.key().map_or(0, |key| self.text_length(key));
                    break missing;
                }
                done = open.pop().map(Open::close);
            };
        }
    }
}

/// A container that still misses items.
enum Open<'a> {
    Array(&'a [NodeId], Vec<Value>),
    Object(&'a [(NodeId, NodeId)], usize, Map<String, Value>),
}

impl Open<'_> {
    fn missing(&self) -> Option<NodeId> {
        match self {
            Self::Array(items, done) => items.get(done.len()).copied(),
            Self::Object(entries, done, _) => entries.get(*done).map(|(_, value)| *value),
        }
    }

    /// The key of the value that is missing.
    fn key(&self) -> Option<NodeId> {
        match self {
            Self::Array(..) => None,
            Self::Object(entries, done, _) => entries.get(*done).map(|(key, _)| *key),
        }
    }

    fn take(&mut self, document: &Document, value: Value) -> Result<(), String> {
        match self {
            Self::Array(_, done) => done.push(value),
            Self::Object(entries, done, map) => {
                let key = json_key(document.node(entries[*done].0))?;
                map.insert(key, value);
                *done += 1;
            }
        }
        Ok(())
    }

    fn close(self) -> Value {
        match self {
            Self::Array(_, done) => Value::Array(done),
            Self::Object(_, _, map) => Value::Object(map),
        }
    }
}

fn json_atom(node: &Node) -> Result<Value, String> {
    match node {
        Node::None => Ok(Value::Null),
        Node::Bool(truth) => Ok(Value::Bool(*truth)),
        Node::Int(number) => i64::try_from(*number)
            .map(Value::from)
            .or_else(|_| u64::try_from(*number).map(Value::from))
            .map_err(|_| "an integer beyond 64 bits".to_owned()),
        Node::Float(number) => Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(|| "a number that is not finite".to_owned()),
        Node::Text(text) => Ok(Value::String(text.clone())),
        Node::Bytes(_) => Err("bytes".to_owned()),
        Node::Object(name) => Err(format!("an object ({name})")),
        Node::List(_) | Node::Tuple(_) | Node::Set(_) | Node::Dict(_) => {
            Err("a container where a plain value was expected".to_owned())
        }
    }
}

fn json_key(node: &Node) -> Result<String, String> {
    match json_atom(node) {
        Ok(Value::String(text)) => Ok(text),
        Ok(plain) => Ok(plain.to_string()),
        Err(what) => Err(format!("a key that is {what}")),
    }
}
