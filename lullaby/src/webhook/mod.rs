//! Requests by HTTP that tell a receiver how a job has ended: RQ's webhooks.

#[cfg(feature = "webhooks")]
mod delivery;
// Its own test runs in every build.
#[cfg(any(test, not(feature = "webhooks")))]
#[cfg_attr(feature = "webhooks", allow(dead_code, reason = "this build sends"))]
mod no_delivery;
#[cfg(feature = "webhooks")]
mod notice;
#[cfg(feature = "webhooks")]
mod request;
#[cfg(feature = "webhooks")]
mod turns;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::job::Status;

#[cfg(not(feature = "webhooks"))]
pub(crate) use self::no_delivery::{Deliveries, Notice};
#[cfg(feature = "webhooks")]
pub(crate) use self::{delivery::Deliveries, notice::Notice};

/// RQ's default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// What a job may ask for, and what a worker grants one of Python's that asks for more.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// The most webhooks of a job.
pub const MAX_WEBHOOKS: usize = 100;
/// The most bytes of a URL, and of a header's name and value together.
const MAX_TEXT: usize = 2000;
/// The most headers of a webhook.
const MAX_HEADERS: usize = 50;
/// The most bytes of a job's webhooks that somebody else wrote.
#[cfg(feature = "redis")]
const MAX_BYTES: usize = 1 << 20;
/// What the connection needs for itself.
const RESERVED_HEADERS: [&str; 3] = ["connection", "content-length", "transfer-encoding"];

/// A request to send when a job has ended: RQ's `Webhook`.
///
/// A worker sends it once, after the store has taken note of the end. [`Method::Post`] carries JSON as RQ writes it: `job_id`,
/// `func_name`, `status`, `enqueued_at`, `ended_at`, and of a failed job `exc_info`. Nothing is sent before a retry, nor when a job is
/// canceled or stopped; each run of a [`Repeat`](crate::Repeat) that finished sends. A failure to deliver is logged and changes nothing of
/// the job: what must not be lost belongs into a [callback](crate::job::Callbacks), which is a job and has retries. What is not sent when
/// its worker dies is not sent at all, and a worker that is told to stop gives what is under way 3 s.
///
/// Workers send only if the program is built with the feature `webhooks`; else they say so in their log. In RQ's layout Python's workers
/// send ours, and ours Python's.
///
/// **Trust.** The worker's host makes the request, wherever the URL points: also at what only that host can reach, as RQ does. Whoever may
/// enqueue chooses the URL, so check URLs that come from users before you enqueue them. URL and headers stand readable in the store; the log
/// names the receiver's host alone. Redirects are followed as RQ does, but headers go to no other host.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lullaby::Result<()> {
/// # use lullaby::{Lullaby, NewJob, Status, Task, Webhook};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Bake;
/// # impl Task for Bake { const NAME: &'static str = "bake"; type Output = (); }
/// # let queue = Lullaby::open("memory:").await?.queue("default")?;
/// let done = Webhook::post("https://kitchen.example/done", Status::Finished)?;
/// let burnt = Webhook::post("https://kitchen.example/burnt", Status::Failed)?
///     .header("authorization", "Bearer 7f3a");
/// queue.enqueue(NewJob::new(Bake).webhook(done).webhook(burnt)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Wire", try_from = "Wire")]
pub struct Webhook {
    /// Where to: `http://…` or `https://…`.
    pub url: String,
    /// After which end: [`Status::Finished`] or [`Status::Failed`].
    pub job_status: Status,
    /// How.
    pub method: Method,
    /// With these headers.
    pub headers: BTreeMap<String, String>,
    /// For how long the whole of it may take, in whole seconds; at most [`MAX_TIMEOUT`]. 10 s when not given.
    pub timeout: Duration,
}

/// The method of a [`Webhook`]'s request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Without a body.
    #[default]
    Get,
    /// With JSON that says which job has ended, and how.
    Post,
}

impl Webhook {
    fn new(method: Method, url: &str, job_status: Status) -> Result<Self> {
        let webhook = Self {
            url: url.to_owned(),
            job_status,
            method,
            headers: BTreeMap::new(),
            timeout: DEFAULT_TIMEOUT,
        };
        webhook.check()?;
        Ok(webhook)
    }

    /// A request without a body, RQ's default.
    ///
    /// # Errors
    /// If the URL is none of `http://` or `https://`, names no host, has a password or over 2,000 bytes, or if the status is another than
    /// finished and failed.
    pub fn get(url: &str, job_status: Status) -> Result<Self> {
        Self::new(Method::Get, url, job_status)
    }

    /// A request that says in JSON which job has ended, and how.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn post(url: &str, job_status: Status) -> Result<Self> {
        Self::new(Method::Post, url, job_status)
    }

    /// One more header; checked when the job is enqueued.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// For how long the whole of it may take: 1 to 60 whole seconds; checked when the job is enqueued.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Its scheme and host, which are no secret.
    #[cfg(feature = "webhooks")]
    fn receiver(&self) -> &str {
        let end = authority(&self.url).map_or(0, |authority| {
            self.url.find(authority).unwrap_or_default() + authority.len()
        });
        &self.url[..end]
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_url(&self.url)?;
        if !matches!(self.job_status, Status::Finished | Status::Failed) {
            return Err(Error::invalid(format!(
                "expected a webhook for finished or failed, got one for {}",
                self.job_status
            )));
        }
        if self.headers.len() > MAX_HEADERS {
            return Err(Error::invalid(format!(
                "expected at most {MAX_HEADERS} headers of a webhook, got {}",
                self.headers.len()
            )));
        }
        for (name, value) in &self.headers {
            check_header(name, value)?;
        }
        let timeout = self.timeout;
        if timeout.is_zero() || timeout > MAX_TIMEOUT || timeout.subsec_nanos() != 0 {
            return Err(Error::invalid(format!(
                "expected a webhook's timeout of 1 to {} whole seconds, got {timeout:?}",
                MAX_TIMEOUT.as_secs()
            )));
        }
        Ok(())
    }
}

/// Checks all that a producer wants sent.
pub(crate) fn check_all(webhooks: &[Webhook]) -> Result<()> {
    if webhooks.len() > MAX_WEBHOOKS {
        return Err(Error::invalid(format!(
            "expected at most {MAX_WEBHOOKS} webhooks of a job, got {}",
            webhooks.len()
        )));
    }
    webhooks.iter().try_for_each(Webhook::check)
}

fn check_url(url: &str) -> Result<()> {
    let refused = |why: &str| {
        // It may be long, and its path may be a secret.
        let shown: String = url.chars().take(40).collect();
        Err(Error::invalid(format!(
            "expected a webhook's URL as https://host/path, {why}; got {shown:?}"
        )))
    };
    let Some(authority) = authority(url) else {
        return refused("with http or https and a host");
    };
    if url.len() > MAX_TEXT {
        return refused("of at most 2000 bytes");
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refused("in ASCII without blanks: encode others as %20");
    }
    if authority.contains('@') {
        return refused("without user and password: send an authorization header");
    }
    // An address of IPv6 has colons of its own, in brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return refused("with a host");
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return refused("with a port of at most 65535");
    }
    Ok(())
}

/// What stands between scheme and path; `None` without a scheme that can be sent to, or without a host. RQ asks no more of a URL.
fn authority(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let authority = rest.split(['/', '?', '#']).next()?;
    (known && !authority.is_empty()).then_some(authority)
}

fn check_header(name: &str, value: &str) -> Result<()> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Error::invalid(format!(
            "expected a header's name of letters, digits and -, got {name:?}"
        )));
    }
    if is_reserved(name) {
        return Err(Error::invalid(format!(
            "expected other headers of a webhook than {}, which the connection needs for itself; got {name:?}",
            RESERVED_HEADERS.join(", ")
        )));
    }
    // The value may be a secret: it is not repeated.
    let is_text = |byte: u8| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic();
    if !value.bytes().all(is_text) {
        return Err(Error::invalid(format!(
            "expected a header's value in ASCII without line breaks for {name:?}"
        )));
    }
    if name.len() + value.len() > MAX_TEXT {
        return Err(Error::invalid(format!(
            "expected a header of at most {MAX_TEXT} bytes, got {} for {name:?}",
            name.len() + value.len()
        )));
    }
    Ok(())
}

fn is_reserved(header: &str) -> bool {
    RESERVED_HEADERS
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(header))
}

/// A webhook as RQ keeps it, in each store: fields in its order.
#[derive(Serialize, Deserialize)]
struct Wire {
    url: String,
    job_status: Status,
    #[serde(default)]
    method: Method,
    #[serde(default)]
    headers: Option<BTreeMap<String, Value>>,
    #[serde(default = "default_timeout")]
    timeout: u64,
}

fn default_timeout() -> u64 {
    DEFAULT_TIMEOUT.as_secs()
}

impl From<Webhook> for Wire {
    fn from(webhook: Webhook) -> Self {
        let headers = webhook.headers.into_iter();
        let headers: BTreeMap<_, _> = headers
            .map(|(name, value)| (name, Value::String(value)))
            .collect();
        Self {
            url: webhook.url,
            job_status: webhook.job_status,
            method: webhook.method,
            headers: (!headers.is_empty()).then_some(headers),
            timeout: webhook.timeout.as_secs(),
        }
    }
}

impl TryFrom<Wire> for Webhook {
    type Error = String;

    /// What RQ takes is taken: what [`Webhook::check`] asks of producers beyond that shows when it is sent.
    fn try_from(wire: Wire) -> Result<Self, String> {
        if authority(&wire.url).is_none() {
            return Err("its url is none of http:// or https://, or names no host".to_owned());
        }
        if !matches!(wire.job_status, Status::Finished | Status::Failed) {
            let status = wire.job_status;
            return Err(format!(
                "its job_status is {status}, not finished or failed"
            ));
        }
        if wire.timeout == 0 {
            return Err("its timeout is 0".to_owned());
        }
        let headers = wire.headers.unwrap_or_default().into_iter();
        let headers: Result<_, String> = headers
            .map(|(name, value)| match value {
                Value::String(text) => Ok((name, text)),
                // Python's client writes whole numbers as they are.
                Value::Number(number) if !number.is_f64() => Ok((name, number.to_string())),
                _ => Err(format!(
                    "its header {name:?} is neither a text nor a whole number"
                )),
            })
            .collect();
        Ok(Self {
            url: wire.url,
            job_status: wire.job_status,
            method: wire.method,
            headers: headers?,
            timeout: Duration::from_secs(wire.timeout),
        })
    }
}

/// The webhooks of a job that RQ or we wrote. As in RQ, one that is none makes all of them void.
///
/// # Errors
/// What is wrong with them.
#[cfg(feature = "redis")]
pub(crate) fn read_all(json: &[u8]) -> Result<Vec<Webhook>, String> {
    if json.len() > MAX_BYTES {
        return Err(format!("they have over {MAX_BYTES} bytes"));
    }
    let webhooks: Vec<Webhook> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if webhooks.len() > MAX_WEBHOOKS {
        return Err(format!("there are over {MAX_WEBHOOKS} of them"));
    }
    Ok(webhooks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn done() -> Webhook {
        Webhook::post("https://kitchen.example/done", Status::Finished).expect("fine")
    }

    #[test]
    fn urls_that_nobody_could_send_to_are_refused() {
        for url in [
            "",
            "kitchen.example/done",
            "ftp://kitchen.example/",
            "https://",
            "https:///done",
            "https://:443/",
            "https://kitchen.example:port/",
            "https://kitchen.example:70000/",
            "https://kitchen.example:/",
            "https://ann:secret@kitchen.example/",
            "https://kitchen.example/a b",
            "https://kitchen.example/a\r\nx: y",
            "https://küche.example/",
            &format!("https://kitchen.example/{}", "x".repeat(2000)),
        ] {
            let refused = Webhook::get(url, Status::Finished).expect_err(url);
            assert!(refused.is_invalid(), "{refused}");
            assert!(refused.to_string().contains("https://host/path"));
        }
        for url in [
            "http://kitchen.example",
            "HTTPS://kitchen.example:8443/done?a=1#b",
            "http://127.0.0.1:80/",
            "http://[::1]/",
            "http://[::1]:8080/",
        ] {
            assert!(Webhook::get(url, Status::Failed).is_ok(), "{url}");
        }
    }

    #[test]
    fn only_finished_and_failed_can_be_told_of() {
        for status in Status::ALL {
            let made = Webhook::get("http://a/", status);
            let can = matches!(status, Status::Finished | Status::Failed);
            assert_eq!(made.is_ok(), can, "{status}");
        }
    }

    #[test]
    fn headers_and_timeouts_that_cannot_be_sent_are_refused() {
        let s = Duration::from_secs;
        for (webhook, part) in [
            (done().header("", "x"), "name"),
            (done().header("x y", "x"), "name"),
            (done().header("x:", "x"), "name"),
            (done().header("Content-Length", "3"), "connection"),
            (done().header("transfer-encoding", "chunked"), "connection"),
            (done().header("x", "a\r\nb: c"), "line breaks"),
            (done().header("x", "é"), "ASCII"),
            (done().header("x", &"x".repeat(2000)), "2000"),
            (done().timeout(s(0)), "timeout"),
            (done().timeout(s(61)), "timeout"),
            (done().timeout(Duration::from_millis(1500)), "whole seconds"),
        ] {
            let refused = webhook.check().expect_err(part).to_string();
            assert!(refused.contains(part), "{refused}");
        }
        let fine = done()
            .header("Host", "a")
            .header("X-Key", "1 2")
            .timeout(s(60));
        assert!(fine.check().is_ok());
        assert!(check_all(&vec![done(); MAX_WEBHOOKS + 1]).is_err());
    }

    #[test]
    fn a_webhook_is_kept_as_rq_keeps_it() {
        let json = serde_json::to_string(&done()).expect("JSON");
        assert_eq!(
            json,
            r#"{"url":"https://kitchen.example/done","job_status":"finished","method":"POST","headers":null,"timeout":10}"#
        );
        let more = Webhook::get("http://a/", Status::Failed).expect("fine");
        let more = more.header("x-key", "1").timeout(Duration::from_secs(3));
        let json = serde_json::to_string(&more).expect("JSON");
        assert_eq!(
            json,
            r#"{"url":"http://a/","job_status":"failed","method":"GET","headers":{"x-key":"1"},"timeout":3}"#
        );
        assert_eq!(serde_json::from_str::<Webhook>(&json).expect("read"), more);
    }

    #[cfg(feature = "redis")]
    #[test]
    fn what_rq_would_take_is_read_and_anything_else_says_why() {
        let read = read_all(br#"[{"url": "http://a", "job_status": "failed", "more": [1]}]"#);
        let plainest = Webhook::get("http://a", Status::Failed).expect("fine");
        assert_eq!(read, Ok(vec![plainest.clone()]));
        let long = read_all(
            br#"[{"url": "http://a", "job_status": "failed", "headers": {"n": 1}, "timeout": 600}]"#,
        );
        let long = long.expect("RQ has no limit").remove(0);
        assert_eq!(long.timeout, Duration::from_secs(600));
        assert_eq!(long.headers["n"], "1");
        for json in [
            "",
            "{}",
            "[1]",
            "null",
            r#"[{"url": "http://a"}]"#,
            r#"[{"url": "a", "job_status": "failed"}]"#,
            r#"[{"url": "http://", "job_status": "failed"}]"#,
            r#"[{"url": "http://a", "job_status": "stopped"}]"#,
            r#"[{"url": "http://a", "job_status": "failed", "method": "PUT"}]"#,
            r#"[{"url": "http://a", "job_status": "failed", "timeout": 0}]"#,
            r#"[{"url": "http://a", "job_status": "failed", "timeout": 1.5}]"#,
            r#"[{"url": "http://a", "job_status": "failed", "headers": {"n": null}}]"#,
            &"[".repeat(100_000),
            &format!("[{}]", "1,".repeat(MAX_BYTES)),
        ] {
            assert!(read_all(json.as_bytes()).is_err(), "{json:.60}");
        }
        let many = vec![plainest; MAX_WEBHOOKS + 1];
        let many = serde_json::to_vec(&many).expect("JSON");
        assert!(read_all(&many).is_err());
    }

    proptest! {
        #[cfg(feature = "redis")]
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = read_all(&bytes);
        }

        #[cfg(feature = "redis")]
        #[test]
        fn a_hook_with_anything_in_it_is_read_or_refused(
            url in "(https?://)?[a-z@:/\\[\\]?#%é ]{0,12}", status in "finished|failed|\\PC{0,8}", timeout: i64, header in "\\PC{0,6}"
        ) {
            let json = serde_json::json!([{"url": url, "job_status": status, "timeout": timeout, "headers": {"x": header}}]);
            if let Ok(read) = read_all(json.to_string().as_bytes()) {
                // What is read can be checked and written again.
                let _ = read[0].check();
                let again = serde_json::to_vec(&read).expect("JSON");
                prop_assert_eq!(read_all(&again), Ok(read));
            }
        }

        #[test]
        fn no_url_makes_the_check_panic(url in "(https?://)?\\PC{0,20}") {
            let _ = Webhook::get(&url, Status::Finished);
        }
    }
}
