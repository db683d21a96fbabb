//! What a browser remembers of the page, apart from its keys: theme, zone, and when it was here last.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use lullaby::Timestamp;
use lullaby::event::EventId;

use crate::page::{Theme, Zone};
use crate::pet::PetId;

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter();
    all.filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Light, dark, or as the system says.
pub(super) fn theme(headers: &HeaderMap) -> Theme {
    cookie(headers, "theme")
        .map(Theme::read)
        .unwrap_or_default()
}

/// How far the browser's clock is ahead of UTC.
pub(super) fn zone(headers: &HeaderMap) -> Zone {
    cookie(headers, "tz")
        .and_then(Zone::read)
        .unwrap_or_default()
}

/// When the browser last looked at a pet, and the newest event that it knew then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    pub(super) pet: PetId,
    pub(super) event: EventId,
    pub(super) at: Timestamp,
}

/// The last visit, from `seen=<pet>~<event>~<ms>`; what does not read is no visit. It is only ever told back to the browser that sent it.
pub(super) fn last_visit(headers: &HeaderMap) -> Option<Visit> {
    let mut parts = cookie(headers, "seen")?.split('~');
    let (pet, event, at) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Visit {
        pet: PetId::from_text(pet),
        event: EventId(event.parse().ok()?),
        at: Timestamp::from_millis(at.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, text.parse().expect("a header"));
        headers
    }

    #[test]
    fn a_visit_reads_back_and_nonsense_is_none() {
        let visit = last_visit(&with("theme=dark; seen=abc~17~1700000000000"));
        let expected = Visit {
            pet: PetId::from_text("abc"),
            event: EventId(17),
            at: Timestamp::from_millis(1_700_000_000_000),
        };
        assert_eq!(visit, Some(expected));
        for text in ["seen=", "seen=a~b~c", "seen=a~1", "unseen=a~1~1"] {
            assert_eq!(last_visit(&with(text)), None, "{text}");
        }
        assert_eq!(theme(&with("theme=dark")), Theme::Dark);
        assert_eq!(zone(&with("tz=nonsense")), Zone::default());
    }
}
