//! Cutting a pickle into instructions. Numbers and names are those of Python's `pickletools`.

use super::{MAX_BYTES, Unreadable};

/// One instruction, and the bytes that it takes.
#[derive(Debug)]
pub(super) struct Instruction<'a> {
    /// Where it begins.
    pub(super) at: usize,
    /// Where the next one begins.
    pub(super) end: usize,
    /// Its name in `pickletools`.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) op: Op<'a>,
}

/// What an instruction does to the stack.
#[derive(Debug)]
pub(super) enum Op<'a> {
    /// `PROTO`, `FRAME`: says something about the bytes, does nothing.
    Nothing,
    Mark,
    Stop,
    Pop,
    PopMark,
    Dup,
    Push(Atom<'a>),
    EmptyList,
    EmptyTuple,
    EmptyDict,
    EmptySet,
    /// The items above the mark become one value.
    List,
    Tuple,
    Dict,
    FrozenSet,
    /// The topmost 1 to 3 items become a tuple.
    TupleOf(usize),
    Append,
    Appends,
    SetItem,
    SetItems,
    AddItems,
    Put(u32),
    /// Puts under the next free number.
    Memoize,
    Get(u32),
    /// A class or function, by module and name.
    Global(&'a [u8], &'a [u8]),
    /// The same, by two texts on the stack.
    StackGlobal,
    /// So many items, the lowest of which names a class or function, become an object.
    Make(usize),
    /// The items above the mark become an object; its class is the lowest of them.
    MakeMarked,
    /// The items above the mark become an object of this class.
    Inst(&'a [u8], &'a [u8]),
    /// The state of an object.
    Build,
    /// An object that only its maker can find: a persistent id, an extension, an out-of-band buffer.
    Foreign,
    /// The same, where the topmost item names it.
    ForeignTop,
}

/// A value that an instruction bears in itself.
#[derive(Debug)]
pub(super) enum Atom<'a> {
    None,
    Bool(bool),
    Int(i128),
    /// An integer of more than 16 bytes.
    HugeInt(usize),
    Float(f64),
    Utf8(&'a [u8]),
    /// Text with Python's `raw-unicode-escape`.
    Escaped(&'a [u8]),
    /// Python 2's `str`, quoted.
    Quoted(&'a [u8]),
    Bytes(&'a [u8]),
}

/// The instructions of `bytes`, up to and with `STOP`.
#[derive(Debug)]
pub(super) struct Instructions<'a> {
    bytes: &'a [u8],
    at: usize,
    stopped: bool,
}

impl<'a> Instructions<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_BYTES {
            let reason = format!("expected at most {MAX_BYTES} bytes, got {}", bytes.len());
            return Err(Unreadable::new(0, reason));
        }
        Ok(Self {
            bytes,
            at: 0,
            stopped: false,
        })
    }

    /// The next one; `None` after `STOP`.
    pub(super) fn next(&mut self) -> Result<Option<Instruction<'a>>, Unreadable> {
        if self.stopped {
            return Ok(None);
        }
        let at = self.at;
        let (name, op) = self
            .decode()
            .map_err(|reason| Unreadable::new(at, reason))?;
        self.stopped = matches!(op, Op::Stop);
        Ok(Some(Instruction {
            at,
            end: self.at,
            name,
            op,
        }))
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], String> {
        let left = self.bytes.len() - self.at;
        match usize::try_from(count) {
            Ok(count) if count <= left => {
                let taken = &self.bytes[self.at..self.at + count];
                self.at += count;
                Ok(taken)
            }
            _ => Err(format!("expected {count} more bytes, and {left} are left")),
        }
    }

    /// A little-endian number of `width` bytes, at most 8.
    fn number(&mut self, width: u64) -> Result<u64, String> {
        let bytes = self.take(width)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn index(&mut self) -> Result<u32, String> {
        // Four bytes always fit.
        self.number(4).map(|number| number as u32)
    }

    /// Bytes after their length, which has `width` bytes.
    fn counted(&mut self, width: u64) -> Result<&'a [u8], String> {
        let count = self.number(width)?;
        self.take(count)
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or("expected a line, and no line end follows")?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn ascii_line(&mut self) -> Result<&'a str, String> {
        let line = self.line()?;
        std::str::from_utf8(line).map_err(|_| "expected a number in ASCII".to_owned())
    }

    fn decode(&mut self) -> Result<(&'static str, Op<'a>), String> {
        use Op::{Get, Make, Nothing, Push, Put, TupleOf};
        let code = self.take(1)?[0];
        Ok(match code {
            0x80 => match self.number(1)? {
                0..=5 => ("PROTO", Nothing),
                other => return Err(format!("expected protocol 0 to 5, got {other}")),
            },
            0x95 => {
                self.number(8)?;
                ("FRAME", Nothing)
            }
            b'(' => ("MARK", Op::Mark),
            b'.' => ("STOP", Op::Stop),
            b'0' => ("POP", Op::Pop),
            b'1' => ("POP_MARK", Op::PopMark),
            b'2' => ("DUP", Op::Dup),

            b'N' => ("NONE", Push(Atom::None)),
            0x88 => ("NEWTRUE", Push(Atom::Bool(true))),
            0x89 => ("NEWFALSE", Push(Atom::Bool(false))),
            b'I' => ("INT", Push(text_int(self.ascii_line()?)?)),
            b'L' => ("LONG", Push(text_long(self.ascii_line()?)?)),
            b'J' => {
                let number = self.index()? as i32;
                ("BININT", Push(Atom::Int(number.into())))
            }
            b'K' => ("BININT1", Push(Atom::Int(self.number(1)?.into()))),
            b'M' => ("BININT2", Push(Atom::Int(self.number(2)?.into()))),
            0x8a => ("LONG1", Push(two_complement(self.counted(1)?))),
            0x8b => ("LONG4", Push(two_complement(self.counted(4)?))),
            b'F' => ("FLOAT", Push(text_float(self.ascii_line()?)?)),
            b'G' => {
                let bytes = self.take(8)?;
                let bits = bytes
                    .iter()
                    .fold(0, |bits, byte| bits << 8 | u64::from(*byte));
                ("BINFLOAT", Push(Atom::Float(f64::from_bits(bits))))
            }

            b'V' => ("UNICODE", Push(Atom::Escaped(self.line()?))),
            b'X' => ("BINUNICODE", Push(Atom::Utf8(self.counted(4)?))),
            0x8c => ("SHORT_BINUNICODE", Push(Atom::Utf8(self.counted(1)?))),
            0x8d => ("BINUNICODE8", Push(Atom::Utf8(self.counted(8)?))),
            b'S' => ("STRING", Push(Atom::Quoted(self.line()?))),
            b'T' => ("BINSTRING", Push(Atom::Utf8(self.counted(4)?))),
            b'U' => ("SHORT_BINSTRING", Push(Atom::Utf8(self.counted(1)?))),
            b'B' => ("BINBYTES", Push(Atom::Bytes(self.counted(4)?))),
            b'C' => ("SHORT_BINBYTES", Push(Atom::Bytes(self.counted(1)?))),
            0x8e => ("BINBYTES8", Push(Atom::Bytes(self.counted(8)?))),
            0x96 => ("BYTEARRAY8", Push(Atom::Bytes(self.counted(8)?))),

            b']' => ("EMPTY_LIST", Op::EmptyList),
            b')' => ("EMPTY_TUPLE", Op::EmptyTuple),
            b'}' => ("EMPTY_DICT", Op::EmptyDict),
            0x8f => ("EMPTY_SET", Op::EmptySet),
            b'l' => ("LIST", Op::List),
            b't' => ("TUPLE", Op::Tuple),
            b'd' => ("DICT", Op::Dict),
            0x91 => ("FROZENSET", Op::FrozenSet),
            0x85 => ("TUPLE1", TupleOf(1)),
            0x86 => ("TUPLE2", TupleOf(2)),
            0x87 => ("TUPLE3", TupleOf(3)),
            b'a' => ("APPEND", Op::Append),
            b'e' => ("APPENDS", Op::Appends),
            b's' => ("SETITEM", Op::SetItem),
            b'u' => ("SETITEMS", Op::SetItems),
            0x90 => ("ADDITEMS", Op::AddItems),

            b'p' => ("PUT", Put(text_index(self.ascii_line()?)?)),
            b'q' => ("BINPUT", Put(self.number(1)? as u32)),
            b'r' => ("LONG_BINPUT", Put(self.index()?)),
            0x94 => ("MEMOIZE", Op::Memoize),
            b'g' => ("GET", Get(text_index(self.ascii_line()?)?)),
            b'h' => ("BINGET", Get(self.number(1)? as u32)),
            b'j' => ("LONG_BINGET", Get(self.index()?)),

            b'c' => ("GLOBAL", Op::Global(self.line()?, self.line()?)),
            0x93 => ("STACK_GLOBAL", Op::StackGlobal),
            b'R' => ("REDUCE", Make(2)),
            0x81 => ("NEWOBJ", Make(2)),
            0x92 => ("NEWOBJ_EX", Make(3)),
            b'o' => ("OBJ", Op::MakeMarked),
            b'i' => ("INST", Op::Inst(self.line()?, self.line()?)),
            b'b' => ("BUILD", Op::Build),
            b'P' => {
                self.line()?;
                ("PERSID", Op::Foreign)
            }
            b'Q' => ("BINPERSID", Op::ForeignTop),
            0x82 => {
                self.number(1)?;
                ("EXT1", Op::Foreign)
            }
            0x83 => {
                self.number(2)?;
                ("EXT2", Op::Foreign)
            }
            0x84 => {
                self.number(4)?;
                ("EXT4", Op::Foreign)
            }
            0x97 => ("NEXT_BUFFER", Op::Foreign),
            0x98 => ("READONLY_BUFFER", Nothing),
            _ => return Err(format!("expected an instruction, got byte 0x{code:02x}")),
        })
    }
}

fn text_int(text: &str) -> Result<Atom<'static>, String> {
    match text {
        "00" => Ok(Atom::Bool(false)),
        "01" => Ok(Atom::Bool(true)),
        _ => text_long(text),
    }
}

fn text_long(text: &str) -> Result<Atom<'static>, String> {
    let digits = text.strip_suffix('L').unwrap_or(text);
    let magnitude = digits.strip_prefix('-').unwrap_or(digits);
    if magnitude.is_empty() || !magnitude.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("expected a whole number".to_owned());
    }
    Ok(digits
        .parse()
        .map_or(Atom::HugeInt(digits.len() / 2), Atom::Int))
}

fn text_float(text: &str) -> Result<Atom<'static>, String> {
    text.parse()
        .map(Atom::Float)
        .map_err(|_| "expected a number".to_owned())
}

fn text_index(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "expected a memo's number".to_owned())
}

/// A little-endian number whose top bit is its sign.
fn two_complement(bytes: &[u8]) -> Atom<'static> {
    if bytes.len() > 16 {
        return Atom::HugeInt(bytes.len());
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = [if negative { 0xff } else { 0 }; 16];
    whole[..bytes.len()].copy_from_slice(bytes);
    Atom::Int(i128::from_le_bytes(whole))
}
