//! A pet's name.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest name, in characters.
pub const LONGEST_NAME: usize = 24;

/// Marks that may follow one letter. Written languages need one or two; more only pile up over the lines around them.
const MARKS_IN_A_ROW: usize = 2;

/// A name as its pet's page shows it: 1 to 24 letters and digits of any script, spaces, `-` and `_`, in Unicode's composed form.
///
/// Two names that differ in case only, or in the number of spaces in a row, are the same name: see [`PetName::key`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PetName(String);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName(String);

impl PetName {
    /// Reads a name; spaces around it are cut off.
    ///
    /// # Errors
    /// If it is empty or longer than 24 characters, or has others than letters, digits, space, `-` and `_`.
    pub fn new(text: &str) -> Result<Self, BadName> {
        // Composing a text of any length would be a cheap way to keep the server busy: 24 characters never take 1 KiB.
        if text.len() > 1024 {
            return Err(too_long(text.chars().count()));
        }
        let name: String = text.trim().nfc().collect();
        let length = name.chars().count();
        if length == 0 {
            return Err(BadName("a pet needs a name: 1 to 24 characters".into()));
        }
        if length > LONGEST_NAME {
            return Err(too_long(length));
        }
        // A mark needs a letter to stand on.
        let mut marks_left = 0;
        for character in name.chars() {
            if is_combining_mark(character) && marks_left > 0 {
                marks_left -= 1;
            } else if character.is_alphanumeric() && !is_combining_mark(character) {
                marks_left = MARKS_IN_A_ROW;
            } else if matches!(character, ' ' | '-' | '_') {
                marks_left = 0;
            } else {
                return Err(BadName(format!(
                    "a name has letters, digits, spaces, - and _ only; {character:?} is none of them"
                )));
            }
        }
        Ok(Self(name))
    }

    /// As shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes it unique: the name without regard to case and to the number of spaces in a row.
    #[must_use]
    pub fn key(&self) -> String {
        // Up, then down: letters with two small forms (s and ſ, σ and ς) and ß meet in the capital one.
        let folded = self.0.to_uppercase().to_lowercase();
        let words: Vec<_> = folded.split(' ').filter(|word| !word.is_empty()).collect();
        words.join(" ").nfc().collect()
    }

    /// Another name for those who find this one taken: `Mochi-2`, `Mochi-3` and so on.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let suffix = format!("-{number}");
        let room = LONGEST_NAME - suffix.len();
        let stem: String = self.0.chars().take(room).collect();
        Self(format!("{}{suffix}", stem.trim_end()))
    }
}

fn too_long(length: usize) -> BadName {
    BadName(format!(
        "a name has at most {LONGEST_NAME} characters; this one has {length}"
    ))
}

impl TryFrom<String> for PetName {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(&text)
    }
}

impl From<PetName> for String {
    fn from(name: PetName) -> Self {
        name.0
    }
}

impl fmt::Display for PetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadName {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> PetName {
        PetName::new(text).expect("a name")
    }

    #[test]
    fn letters_of_every_script_are_welcome() {
        for text in [
            "Mochi",
            "A B-é_1",
            "Žofie",
            "麻糬",
            "Мурка",
            "أرنب",
            "हिन्दी",
            "ไทย",
            "7",
            "ß",
        ] {
            assert_eq!(name(text).as_str(), text);
        }
    }

    #[test]
    fn markup_controls_and_empty_names_are_refused() {
        for text in [
            "",
            " \t ",
            "<img src=x onerror=alert(1)>",
            "A & B",
            "a/b",
            "..",
            "a\nb",
            "a\0b",
            "a\u{202e}b",
            "a\u{200b}b",
            "😀",
            "\u{301}a",
            "a\u{301}\u{302}\u{303}\u{304}",
            "- \u{301}",
        ] {
            assert!(PetName::new(text).is_err(), "{text:?} is no name");
        }
    }

    #[test]
    fn a_name_has_at_most_24_characters_whatever_their_bytes() {
        assert!(PetName::new(&"麻".repeat(24)).is_ok());
        assert!(PetName::new(&"a".repeat(25)).is_err());
        assert!(PetName::new(&"a".repeat(1_000_000)).is_err());
        // Decomposed it is 48 characters, composed 24.
        assert!(PetName::new(&"e\u{301}".repeat(24)).is_ok());
    }

    #[test]
    fn names_are_unique_without_case_composition_and_doubled_spaces() {
        for (one, other) in [
            ("Mochi", "mOCHI"),
            ("Žofie", "Z\u{30c}ofie"),
            ("STRASSE", "straße"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("A  B", " a b "),
        ] {
            assert_eq!(name(one).key(), name(other).key());
        }
        assert_ne!(name("Mochi").key(), name("Mochi-2").key());
    }

    #[test]
    fn a_numbered_name_is_a_name() {
        assert_eq!(name("Mochi").numbered(2).as_str(), "Mochi-2");
        let long = name(&"a".repeat(24)).numbered(13);
        assert_eq!(long.as_str(), format!("{}-13", "a".repeat(21)));
    }

    proptest! {
        #[test]
        fn a_name_reads_back_as_itself(text in "\\PC{0,30}") {
            if let Ok(name) = PetName::new(&text) {
                prop_assert_eq!(PetName::new(name.as_str()), Ok(name.clone()));
                prop_assert!((1..=LONGEST_NAME).contains(&name.as_str().chars().count()));
                if let Ok(shouted) = PetName::new(&name.as_str().to_uppercase()) {
                    prop_assert_eq!(shouted.key(), name.key());
                }
            }
        }
    }
}
