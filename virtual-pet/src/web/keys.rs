//! The cookie that holds the keys of a browser's pets.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::keeper::Key;
use crate::pet::PetId;

const NAME: &str = "pets";

/// The most pets that are read from one cookie, at 66 bytes each; a server may allow fewer (`--max-pets`).
pub(super) const MOST: usize = 24;

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

/// The `Set-Cookie` for these pets and one more; the oldest give way if they are too many. It holds keys: a browser that came by TLS
/// sends it by TLS only.
#[must_use]
pub(super) fn with(
    mut pets: Vec<(PetId, Key)>,
    id: &PetId,
    key: &Key,
    encrypted: bool,
) -> Option<HeaderValue> {
    pets.retain(|(other, _)| other != id);
    pets.push((id.clone(), key.clone()));
    let newest = pets.len().saturating_sub(MOST);
    let value: Vec<_> = pets
        .iter()
        .skip(newest)
        .map(|(id, key)| format!("{id}~{}", key.secret()))
        .collect();
    // What another program put into the cookie may not be fit for a header.
    HeaderValue::from_str(&format!(
        "{NAME}={}; Path=/; Max-Age={MAX_AGE}; HttpOnly; SameSite=Lax{}",
        value.join("."),
        secure(encrypted),
    ))
    .ok()
}

/// The end of a cookie that only its browser and this server may know.
pub(super) fn secure(encrypted: bool) -> &'static str {
    if encrypted { "; Secure" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_keeps_its_newest_pets() {
        let mut headers = HeaderMap::new();
        let pets: Vec<_> = (0..=MOST)
            .map(|_| (PetId::random(), Key::random()))
            .collect();
        for (id, key) in &pets {
            let set = with(read(&headers), id, key, false).expect("a header");
            let set = set.to_str().expect("text");
            assert!(set.ends_with("HttpOnly; SameSite=Lax"));
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
