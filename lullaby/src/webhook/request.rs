//! One webhook's request, as Python's `urllib` makes it for RQ: redirects, headers and what counts as an answer.
//!
//! What differs: `User-Agent` names us; the timeout is for all of it, where Python's is for each read; the headers that a webhook brings
//! go to no other origin; proxies that the environment names are not asked; and a URL with a user is refused with a reason.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
    USER_AGENT,
};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls_native_certs::load_native_certs;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use url::{Host, Url};

use super::{Webhook, is_reserved};

/// `urllib`'s.
const MAX_REDIRECTS: usize = 10;
/// No more of an answer is read than its head, and of that no more than this.
const MAX_HEAD: usize = 16 << 10;

/// Sends it; with a body by POST, else by GET. An answer of 200 to 299 is a success, as in RQ. Cancel safe: what is under way is dropped.
///
/// # Errors
/// What went wrong, for people. It names no path.
pub(super) async fn send(webhook: &Webhook, body: Option<String>) -> Result<(), String> {
    let mut url =
        Url::parse(&webhook.url).map_err(|error| told("its URL cannot be read", &error))?;
    let mut headers = own_headers();
    if body.is_some() {
        let json = HeaderValue::from_static("application/json");
        headers.insert(CONTENT_TYPE, json);
    }
    add_headers(&mut headers, webhook)?;
    let mut body = body;
    for _ in 0..=MAX_REDIRECTS {
        let method = match body {
            Some(_) => Method::POST,
            None => Method::GET,
        };
        let (status, location) = exchange(&url, &method, &headers, body).await?;
        if status.is_success() {
            return Ok(());
        }
        let next = redirect(&url, &method, status, location.as_ref())?;
        // What is sent on has no body, whatever was sent first.
        body = None;
        headers.remove(CONTENT_TYPE);
        if next.origin() != url.origin() {
            headers = own_headers();
        }
        url = next;
    }
    Err(format!("it was redirected over {MAX_REDIRECTS} times"))
}

/// Those of every request.
fn own_headers() -> HeaderMap {
    let agent = concat!("lullaby/", env!("CARGO_PKG_VERSION"));
    HeaderMap::from_iter([
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (USER_AGENT, HeaderValue::from_static(agent)),
        (CONNECTION, HeaderValue::from_static("close")),
    ])
}

/// A webhook's own headers go over ours, but for those that the connection needs.
fn add_headers(headers: &mut HeaderMap, webhook: &Webhook) -> Result<(), String> {
    for (name, value) in &webhook.headers {
        if is_reserved(name) {
            continue;
        }
        let name = HeaderName::try_from(name)
            .map_err(|error| told(&format!("its header {name:?}"), &error))?;
        // Python sends Latin-1.
        let bytes: Result<Vec<u8>, _> = value.chars().map(u8::try_from).collect();
        let value = bytes
            .ok()
            .and_then(|bytes| HeaderValue::from_bytes(&bytes).ok())
            .ok_or_else(|| format!("the value of its header {name} cannot be sent"))?;
        headers.insert(name, value);
    }
    Ok(())
}

/// Where an answer that was no success sends us, by `urllib`'s rules.
fn redirect(
    from: &Url,
    method: &Method,
    status: StatusCode,
    location: Option<&HeaderValue>,
) -> Result<Url, String> {
    let follows = match status.as_u16() {
        301..=303 => true,
        307 | 308 => *method == Method::GET,
        _ => false,
    };
    let Some(location) = location.filter(|_| follows) else {
        return Err(format!("it was answered {status}"));
    };
    let next = location.to_str().ok();
    next.and_then(|next| from.join(next).ok())
        .filter(|next| matches!(next.scheme(), "http" | "https"))
        .ok_or_else(|| {
            format!("it was answered {status} with a place that is no http:// or https://")
        })
}

/// One request and the head of its answer: its status, and where it redirects to. The connection is closed after it.
async fn exchange(
    url: &Url,
    method: &Method,
    headers: &HeaderMap,
    body: Option<String>,
) -> Result<(StatusCode, Option<HeaderValue>), String> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its URL has a user or password: send an authorization header".to_owned());
    }
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = Request::new(body.unwrap_or_default());
    *request.method_mut() = method.clone();
    *request.uri_mut() = path
        .parse()
        .map_err(|error| told("its URL cannot be sent", &error))?;
    *request.headers_mut() = headers.clone();
    if !headers.contains_key(HOST) {
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let host = HeaderValue::from_str(host);
        let host = host.map_err(|error| told("its host cannot be sent", &error))?;
        request.headers_mut().insert(HOST, host);
    }
    let (host, server) = match url.host() {
        Some(Host::Domain(name)) => {
            let server = ServerName::try_from(name.to_owned());
            (name.to_owned(), server.ok())
        }
        Some(Host::Ipv4(ip)) => (ip.to_string(), Some(IpAddr::from(ip).into())),
        Some(Host::Ipv6(ip)) => (ip.to_string(), Some(IpAddr::from(ip).into())),
        None => return Err("its URL has no host".to_owned()),
    };
    let port = url.port_or_known_default().unwrap_or_default();
    let stream = TcpStream::connect((host.as_str(), port))
        .await
        .map_err(|error| told("it could not be connected", &error))?;
    if url.scheme() != "https" {
        return speak(stream, request).await;
    }
    let server = server.ok_or("its host is no name that TLS knows")?;
    let tls = TlsConnector::from(tls().await?)
        .connect(server, stream)
        .await
        .map_err(|error| told("TLS failed", &error))?;
    speak(tls, request).await
}

async fn speak(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    request: Request<String>,
) -> Result<(StatusCode, Option<HeaderValue>), String> {
    let broken = |error: hyper::Error| told("it was not answered", &error);
    let mut client = http1::Builder::new();
    client.title_case_headers(true).max_buf_size(MAX_HEAD);
    let (mut sender, connection) = client
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut connection = pin!(connection);
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // It has ended, and left the answer or what went wrong.
        _ = &mut connection => answer.await,
    };
    let answer = answer.map_err(broken)?;
    Ok((answer.status(), answer.headers().get(LOCATION).cloned()))
}

/// By the certificates that the system trusts (or those in `SSL_CERT_FILE`), read once.
async fn tls() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();
    let read = || async {
        let read = tokio::task::spawn_blocking(tls_config).await;
        read.map_err(|error| told("the system's certificates could not be read", &error))?
    };
    CONFIG.get_or_try_init(read).await.cloned()
}

fn tls_config() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(load_native_certs().certs);
    let ring = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map_err(|error| told("TLS cannot be used", &error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// An error with all its reasons.
fn told(what: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("{what}: {error}");
    let mut reason = error.source();
    while let Some(error) = reason {
        text += &format!(": {error}");
        reason = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_followed_as_urllib_does() {
        let from = Url::parse("http://a/b/c?d").expect("a URL");
        let to = |method: &Method, code: u16, location: Option<&'static str>| {
            let status = StatusCode::from_u16(code).expect("a status");
            let location = location.map(HeaderValue::from_static);
            redirect(&from, method, status, location.as_ref()).map(String::from)
        };
        for code in [301, 302, 303] {
            for method in [Method::GET, Method::POST] {
                assert_eq!(to(&method, code, Some("/x")).as_deref(), Ok("http://a/x"));
            }
        }
        for code in [307, 308] {
            assert_eq!(
                to(&Method::GET, code, Some("x")).as_deref(),
                Ok("http://a/b/x")
            );
            assert!(to(&Method::POST, code, Some("x")).is_err());
        }
        for (code, location) in [
            (302, None),
            (302, Some("ftp://a/")),
            (302, Some("file:///etc/passwd")),
            (302, Some("http://")),
            (304, Some("/x")),
            (404, None),
            (500, Some("/x")),
        ] {
            assert!(
                to(&Method::GET, code, location).is_err(),
                "{code} {location:?}"
            );
        }
    }

    #[test]
    fn a_webhooks_headers_go_over_ours_but_for_those_of_the_connection() {
        let mut webhook = Webhook::post("http://a/", crate::Status::Finished).expect("fine");
        for (name, value) in [
            ("user-agent", "me"),
            ("Connection", "keep-alive"),
            ("Content-Length", "7"),
            ("x-name", "né"),
        ] {
            webhook = webhook.header(name, value);
        }
        let mut headers = own_headers();
        add_headers(&mut headers, &webhook).expect("can be sent");
        assert_eq!(headers[USER_AGENT], "me");
        assert_eq!(headers[CONNECTION], "close");
        assert_eq!(headers["x-name"].as_bytes(), b"n\xe9");
        assert!(!headers.contains_key("content-length"));
        for (name, value) in [("x y", "1"), ("x", "a\r\nb: c"), ("x", "€")] {
            let webhook = webhook.clone().header(name, value);
            assert!(add_headers(&mut headers, &webhook).is_err(), "{name}");
        }
    }
}
