//! What a client wants to be answered with.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// What a client wants to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// A page.
    Html,
    /// JSON.
    Json,
    /// Plain text, for everybody else: the article's answers.
    Text,
}

impl Wants {
    /// By `Accept`: of `text/html` and `application/json` the one with the higher weight, or the first of equals. Anything else, `*/*`
    /// above all, is plain text.
    #[must_use]
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut best = (0, Self::Text);
        let accepted = headers.get_all(ACCEPT).iter();
        for range in accepted
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
        {
            let mut parts = range.split(';').map(str::trim);
            let wants = match parts.next().map(str::to_ascii_lowercase).as_deref() {
                Some("text/html" | "application/xhtml+xml") => Self::Html,
                Some("application/json") => Self::Json,
                Some("text/plain") => Self::Text,
                _ => continue,
            };
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1000, |q| (q.parse::<f32>().unwrap_or(0.0) * 1000.0) as u32);
            if weight > best.0 {
                best = (weight, wants);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(accept: &str) -> Wants {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().expect("a header"));
        Wants::of(&headers)
    }

    #[test]
    fn browsers_get_pages_programs_json_and_curl_text() {
        assert_eq!(Wants::of(&HeaderMap::new()), Wants::Text);
        assert_eq!(wants("*/*"), Wants::Text);
        assert_eq!(wants("application/json"), Wants::Json);
        assert_eq!(wants("application/json, text/plain, */*"), Wants::Json);
        assert_eq!(wants("text/plain, application/json;q=0.5"), Wants::Text);
        assert_eq!(
            wants("text/html;q=0.1, application/json;q=0.9"),
            Wants::Json
        );
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert_eq!(wants(browser), Wants::Html);
        assert_eq!(wants("text/html;q=nonsense"), Wants::Text);
    }
}
