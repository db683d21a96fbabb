//! The cookie that holds the keys of a browser's pets.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::keeper::Key;
use crate::pet::PetId;

const NAME: &str = "pets";

/// Pets a browser can keep: the oldest gives way.
const MOST: usize = 6;

/// A year, in seconds.
const MAX_AGE: u32 = 31_536_000;

/// The pets of the browser that asks, oldest first, and their keys.
#[must_use]
pub(super) fn read(headers: &HeaderMap) -> Vec<(PetId, Key)> {
    let cookies = headers.get_all(COOKIE).iter();
    let value = cookies
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(NAME)?.strip_prefix('='));
    let pairs = value.unwrap_or_default().split('.');
    pairs
        .filter_map(|pair| pair.split_once('~'))
        .map(|(id, key)| (PetId::from_text(id), Key::from_text(key)))
        .take(MOST)
        .collect()
}

/// The `Set-Cookie` that adds a pet to them.
#[must_use]
pub(super) fn with(headers: &HeaderMap, id: &PetId, key: &Key) -> Option<HeaderValue> {
    let mut pets = read(headers);
    pets.retain(|(other, _)| other != id);
    pets.push((id.clone(), key.clone()));
    let newest = pets.len().saturating_sub(MOST);
    let pairs = pets.iter().skip(newest);
    let value: Vec<_> = pairs
        .map(|(id, key)| format!("{id}~{}", key.secret()))
        .collect();
    // What another program put into the cookie may not be fit for a header.
    HeaderValue::from_str(&format!(
        "{NAME}={}; Path=/; Max-Age={MAX_AGE}; HttpOnly; SameSite=Lax",
        value.join(".")
    ))
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_keeps_its_six_newest_pets() {
        let mut headers = HeaderMap::new();
        let pets: Vec<_> = (0..7).map(|_| (PetId::random(), Key::random())).collect();
        for (id, key) in &pets {
            let set = with(&headers, id, key).expect("a header");
            let set = set.to_str().expect("text");
            assert!(set.contains("HttpOnly; SameSite=Lax"));
            let pair = set.split(';').next().expect("a first part");
            let cookies = format!("theme=dark; {pair}; tz=60");
            headers.insert(COOKIE, cookies.parse().expect("a header"));
        }
        assert_eq!(read(&headers), pets[1..]);
    }

    #[test]
    fn a_cookie_of_nonsense_holds_no_pets() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, "pets=..~;pets".parse().expect("a header"));
        assert!(read(&headers).len() <= 1);
        assert!(read(&HeaderMap::new()).is_empty());
    }
}
