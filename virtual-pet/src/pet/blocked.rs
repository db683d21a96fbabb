//! Names that nobody may choose.

use std::collections::HashSet;

use super::PetName;

/// Words that no name may hold, from a list with one word a line. Empty lines and those that begin with `#` are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockedNames(HashSet<String>);

impl BlockedNames {
    /// Reads a list.
    #[must_use]
    pub fn read(list: &str) -> Self {
        let lines = list.lines().map(str::trim);
        let words = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(words.map(joined).filter(|word| !word.is_empty()).collect())
    }

    /// True if a word of the name is on the list, or all its words together are. Not a part of a word: many good names hold a bad word's
    /// letters.
    #[must_use]
    pub fn blocks(&self, name: &PetName) -> bool {
        let mut words = name.as_str().split([' ', '-', '_']);
        self.0.contains(&joined(name.as_str())) || words.any(|word| self.0.contains(&joined(word)))
    }
}

/// Without case, spaces and marks between words, and digits around them.
fn joined(text: &str) -> String {
    let folded = text.to_uppercase().to_lowercase();
    let letters: String = folded.chars().filter(|one| one.is_alphanumeric()).collect();
    letters
        .trim_matches(|one: char| one.is_numeric())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_blocked_alone_among_others_and_spread_out() {
        let blocked = BlockedNames::read("# not here\nRude\n\n  two words \n");
        let blocks = |text| blocked.blocks(&PetName::new(text).expect("a name"));
        for name in [
            "rude",
            "RUDE",
            "Mochi the rude",
            "r-u-d-e",
            "Rude 7",
            "rude_",
            "Two Words",
        ] {
            assert!(blocks(name), "{name}");
        }
        for name in ["Mochi", "Gertrude", "Rudeness", "words", "not here"] {
            assert!(!blocks(name), "{name}");
        }
        let none = BlockedNames::default();
        assert!(!none.blocks(&PetName::new("7").expect("a name")));
    }
}
