//! A pickle as people can look at it.

use super::opcode::{Atom, Instruction, Instructions, Op};
use super::{MAX_NODES, Unreadable};

/// The most lines that are shown.
const MAX_LINES: usize = 200;

/// One line for each instruction that says something, as `python -m pickletools` would: byte, name, operand. Never runs anything. What
/// cannot be read ends the listing with its reason.
#[must_use]
pub fn disassemble(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut lines = 0;
    let told = Instructions::of(bytes).and_then(|mut instructions| {
        while let Some(instruction) = instructions.next()? {
            lines += 1;
            if lines > MAX_LINES.min(MAX_NODES) {
                text.push_str("      … and more\n");
                return Ok(());
            }
            text.push_str(&line(&instruction));
        }
        Ok::<(), Unreadable>(())
    });
    if let Err(unreadable) = told {
        text.push_str(&format!("{:5}: ? {}\n", unreadable.at, unreadable.reason));
    }
    text
}

fn line(instruction: &Instruction<'_>) -> String {
    let line = format!(
        "{:5}: {:16} {}",
        instruction.at,
        instruction.name,
        operand(&instruction.op)
    );
    format!("{}\n", line.trim_end())
}

fn operand(op: &Op<'_>) -> String {
    match op {
        Op::Push(atom) => match atom {
            Atom::None | Atom::Bool(_) => String::new(),
            Atom::Int(number) => number.to_string(),
            Atom::HugeInt(bytes) => format!("({bytes} bytes)"),
            Atom::Float(number) => number.to_string(),
            Atom::Utf8(bytes) | Atom::Escaped(bytes) | Atom::Quoted(bytes) => shown(bytes),
            Atom::Bytes(bytes) => format!("({} bytes)", bytes.len()),
        },
        Op::Put(index) | Op::Get(index) => index.to_string(),
        Op::Global(module, name) | Op::Inst(module, name) => {
            format!("{} {}", shown(module), shown(name))
        }
        _ => String::new(),
    }
}

/// Quoted and escaped, cut after 80 characters.
fn shown(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(320)];
    let text: String = String::from_utf8_lossy(head).chars().take(80).collect();
    format!("{text:?}")
}
