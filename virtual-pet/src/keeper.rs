//! The key that makes somebody a pet's keeper.

use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};

/// A secret of 128 random bits, in 32 hexadecimal digits. Only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A new key.
    ///
    /// # Panics
    /// If the operating system gives no random bytes: nothing can be kept secret then.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        Self(hex(&bytes))
    }

    /// What a client sent.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// To be handed to its keeper, once.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// What is kept of it. The key has 128 bits, so a plain hash is enough.
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The letters of a code: none that is taken for another one.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// A one-time code, as `KX7P-2MQA`: 40 random bits, for ten minutes and thirty tries a minute. Only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// A new code.
    ///
    /// # Panics
    /// If the operating system gives no random bytes.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        let letters = bytes.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
        Self(letters.iter().collect())
    }

    /// What somebody typed: whatever its case, with or without dashes and spaces.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let letters = text.chars().filter(char::is_ascii_alphanumeric).take(64);
        Self(letters.map(|letter| letter.to_ascii_uppercase()).collect())
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at(self.0.len() / 2);
        write!(f, "{first}-{second}")
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_however_it_is_typed() {
        let code = Code::random();
        let shown = code.to_string();
        assert_eq!(shown.len(), 9);
        for typed in [shown.to_lowercase(), shown.replace('-', " "), shown] {
            assert_eq!(Code::from_text(&typed).hash(), code.hash());
        }
        assert_ne!(Code::from_text("").hash(), code.hash());
        assert_eq!(format!("{code:?}"), "Code(…)");
    }

    #[test]
    fn a_key_is_known_by_its_hash_alone() {
        let key = Key::random();
        assert_eq!(key.secret().len(), 32);
        assert_ne!(key.hash(), Key::random().hash());
        assert_eq!(Key::from_text(key.secret()).hash(), key.hash());
        assert!(!format!("{key:?}").contains(key.secret()));
    }
}
