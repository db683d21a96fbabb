//! The stack machine, for data alone.

use std::collections::HashMap;
use std::ops::Range;

use super::opcode::{Atom, Instruction, Instructions, Op};
use super::value::{Document, Node, NodeId};
use super::{MAX_NODES, Unreadable};

/// Reads a pickle of protocol 0 to 5. Bytes after its end are left alone, as Python does.
///
/// # Errors
/// If the bytes are no pickle, are cut off, or are over a limit.
pub fn read(bytes: &[u8]) -> Result<Document, Unreadable> {
    let mut instructions = Instructions::of(bytes)?;
    let mut machine = Machine::default();
    while let Some(instruction) = instructions.next()? {
        let at = instruction.at;
        if let Some(root) = machine
            .step(&instruction)
            .map_err(|reason| Unreadable::new(at, format!("{}: {reason}", instruction.name)))?
        {
            return Ok(Document {
                nodes: machine.nodes,
                places: machine.places,
                root,
            });
        }
    }
    Err(Unreadable::new(bytes.len(), "expected STOP"))
}

#[derive(Default)]
struct Machine {
    nodes: Vec<Node>,
    places: Vec<Range<u32>>,
    /// The bytes of the instruction that is done.
    here: Range<u32>,
    stack: Vec<NodeId>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, NodeId>,
    /// How many items containers hold in all: a dict may be given the same value again and again.
    items: usize,
}

impl Machine {
    /// Does one instruction. Answers the root at `STOP`.
    fn step(&mut self, instruction: &Instruction<'_>) -> Result<Option<NodeId>, String> {
        // A pickle has at most 2^24 bytes.
        self.here = instruction.at as u32..instruction.end as u32;
        match &instruction.op {
            Op::Nothing => {}
            Op::Mark => {
                self.marks.push(self.stack.len());
                bounded(self.marks.len(), "marks")?;
            }
            Op::Stop => return self.pop().map(Some),
            Op::Pop => match self.marks.last() {
                Some(height) if *height == self.stack.len() => {
                    self.marks.pop();
                }
                _ => {
                    self.pop()?;
                }
            },
            Op::PopMark => {
                self.above_mark()?;
            }
            Op::Dup => {
                let top = self.top()?;
                self.put(top)?;
            }
            Op::Push(atom) => self.push(node_of(atom)?)?,
            Op::EmptyList => self.push(Node::List(Vec::new()))?,
            Op::EmptyTuple => self.push(Node::Tuple(Vec::new()))?,
            Op::EmptyDict => self.push(Node::Dict(Vec::new()))?,
            Op::EmptySet => self.push(Node::Set(Vec::new()))?,
            Op::List => {
                let items = self.above_mark()?;
                self.push(Node::List(items))?;
            }
            Op::Tuple => {
                let items = self.above_mark()?;
                self.push(Node::Tuple(items))?;
            }
            Op::FrozenSet => {
                let items = self.above_mark()?;
                self.push(Node::Set(items))?;
            }
            Op::Dict => {
                let items = self.above_mark()?;
                self.push(Node::Dict(pairs(&items)?))?;
            }
            Op::TupleOf(count) => {
                let items = self.pop_many(*count)?;
                self.push(Node::Tuple(items))?;
            }
            Op::Append => {
                let items = self.pop_many(1)?;
                self.extend(&items)?;
            }
            Op::Appends | Op::AddItems => {
                let items = self.above_mark()?;
                self.extend(&items)?;
            }
            Op::SetItem => {
                let items = self.pop_many(2)?;
                self.set_items(&items)?;
            }
            Op::SetItems => {
                let items = self.above_mark()?;
                self.set_items(&items)?;
            }
            Op::Put(index) => {
                let top = self.top()?;
                self.memo.insert(*index, top);
                bounded(self.memo.len(), "memos")?;
            }
            Op::Memoize => {
                let top = self.top()?;
                let index = u32::try_from(self.memo.len()).map_err(|_| "too many memos")?;
                self.memo.insert(index, top);
                bounded(self.memo.len(), "memos")?;
            }
            Op::Get(index) => {
                let value = *self
                    .memo
                    .get(index)
                    .ok_or_else(|| format!("nothing was put under {index}"))?;
                self.put(value)?;
            }
            Op::Global(module, name) => self.push(Node::Object(dotted(module, name)))?,
            Op::StackGlobal => {
                let names = self.pop_many(2)?;
                let name = format!("{}.{}", self.name_at(names[0]), self.name_at(names[1]));
                self.push(Node::Object(name))?;
            }
            Op::Make(count) => {
                let parts = self.pop_many(*count)?;
                let name = self.name_at(parts[0]);
                self.push(Node::Object(name))?;
            }
            Op::MakeMarked => {
                let parts = self.above_mark()?;
                let class = parts.first().ok_or("expected a class after the mark")?;
                let name = self.name_at(*class);
                self.push(Node::Object(name))?;
            }
            Op::Inst(module, name) => {
                self.above_mark()?;
                self.push(Node::Object(dotted(module, name)))?;
            }
            Op::Build => {
                self.pop()?;
                self.top()?;
            }
            Op::Foreign => self.push(Node::Object("kept elsewhere".to_owned()))?,
            Op::ForeignTop => {
                self.pop()?;
                self.push(Node::Object("kept elsewhere".to_owned()))?;
            }
        }
        Ok(None)
    }

    fn push(&mut self, node: Node) -> Result<(), String> {
        self.nodes.push(node);
        self.places.push(self.here.clone());
        bounded(self.nodes.len(), "values")?;
        self.put(NodeId(self.nodes.len() - 1))
    }

    fn put(&mut self, id: NodeId) -> Result<(), String> {
        self.stack.push(id);
        bounded(self.stack.len(), "values at once")
    }

    /// How low the stack may be taken: not below the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<NodeId, String> {
        match self.stack.last() {
            Some(top) if self.stack.len() > self.floor() => Ok(*top),
            _ => Err("the stack is empty".to_owned()),
        }
    }

    fn pop(&mut self) -> Result<NodeId, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<NodeId>, String> {
        if self.stack.len() - self.floor() < count {
            return Err(format!("expected {count} values on the stack"));
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn above_mark(&mut self) -> Result<Vec<NodeId>, String> {
        let height = self.marks.pop().ok_or("there is no mark")?;
        Ok(self.stack.split_off(height))
    }

    fn hold(&mut self, count: usize) -> Result<(), String> {
        self.items += count;
        // A dict's entry counts as two.
        bounded(self.items / 2, "items")
    }

    /// Adds to the list, set or object on top.
    fn extend(&mut self, items: &[NodeId]) -> Result<(), String> {
        let top = self.top()?;
        self.hold(items.len())?;
        match &mut self.nodes[top.0] {
            Node::List(list) | Node::Set(list) => list.extend_from_slice(items),
            // A list of a class of its own.
            Node::Object(_) => {}
            _ => return Err("expected a list or a set to add to".to_owned()),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[NodeId]) -> Result<(), String> {
        let top = self.top()?;
        self.hold(items.len())?;
        let entries = pairs(items)?;
        match &mut self.nodes[top.0] {
            Node::Dict(dict) => dict.extend(entries),
            Node::Object(_) => {}
            _ => return Err("expected a dict to add to".to_owned()),
        }
        Ok(())
    }

    /// The name that a value lends to the object made of it.
    fn name_at(&self, id: NodeId) -> String {
        match &self.nodes[id.0] {
            Node::Object(name) | Node::Text(name) => shortened(name),
            _ => "unknown".to_owned(),
        }
    }
}

fn bounded(count: usize, what: &str) -> Result<(), String> {
    if count > MAX_NODES {
        return Err(format!("expected at most {MAX_NODES} {what}"));
    }
    Ok(())
}

fn pairs(items: &[NodeId]) -> Result<Vec<(NodeId, NodeId)>, String> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("expected as many values as keys".to_owned());
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

/// Names are for people, and are repeated for each object: so not longer than people read.
fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}

fn dotted(module: &[u8], name: &[u8]) -> String {
    let (module, name) = (
        String::from_utf8_lossy(module),
        String::from_utf8_lossy(name),
    );
    shortened(&format!("{module}.{name}"))
}

fn node_of(atom: &Atom<'_>) -> Result<Node, String> {
    Ok(match atom {
        Atom::None => Node::None,
        Atom::Bool(truth) => Node::Bool(*truth),
        Atom::Int(number) => Node::Int(*number),
        Atom::HugeInt(bytes) => Node::Object(format!("int of {bytes} bytes")),
        Atom::Float(number) => Node::Float(*number),
        // Python's texts may hold halves of surrogate pairs, which no text of ours can.
        Atom::Utf8(bytes) => String::from_utf8(bytes.to_vec()).map_or_else(
            |_| Node::Object("text that is not Unicode".to_owned()),
            Node::Text,
        ),
        Atom::Escaped(line) => unescaped(line)?,
        Atom::Quoted(line) => unquoted(line)?,
        Atom::Bytes(bytes) => Node::Bytes(bytes.to_vec()),
    })
}

/// `raw-unicode-escape`: Latin-1, with `\uXXXX` and `\UXXXXXXXX` for the rest.
fn unescaped(line: &[u8]) -> Result<Node, String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((byte, after)) = rest.split_first() {
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(*byte));
                rest = after;
                continue;
            }
        };
        let code = after
            .get(1..=digits)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .ok_or_else(|| format!("expected {digits} hexadecimal digits after a backslash"))?;
        let Some(letter) = char::from_u32(code) else {
            return Ok(Node::Object("text that is not Unicode".to_owned()));
        };
        text.push(letter);
        rest = &after[digits + 1..];
    }
    Ok(Node::Text(text))
}

/// Python 2's quoted text, without escapes: nothing that RQ runs on writes more.
fn unquoted(line: &[u8]) -> Result<Node, String> {
    let inner = match line {
        [first @ (b'\'' | b'"'), inner @ .., last] if first == last => inner,
        _ => return Err("expected text in quotes".to_owned()),
    };
    match std::str::from_utf8(inner) {
        Ok(text) if !text.contains('\\') => Ok(Node::Text(text.to_owned())),
        _ => Ok(Node::Object("text of Python 2".to_owned())),
    }
}
