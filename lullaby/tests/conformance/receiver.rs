//! An HTTP server on this host that notes what it is sent: the receiver of webhooks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What it was sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    /// `POST /done`
    pub(crate) line: String,
    /// By their names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// How it answers a path.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// With this status line, and these lines of headers.
    Head(&'static str),
    /// Not at all, for as long as the other side waits.
    Silence,
    /// It hangs up.
    HangUp,
    /// With a head that never ends.
    EndlessHead,
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    received: mpsc::UnboundedReceiver<Received>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Receiver {
    /// `answer` is asked for each path.
    pub(crate) async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (note, received) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (note, answer) = (note.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    // It may be gone already.
                    if let Ok(request) = read(&mut stream).await {
                        let path = request.line.split(' ').nth(1).unwrap_or_default();
                        let answer = answer(path);
                        let _ = note.send(request);
                        let _ = give(answer, &mut stream).await;
                    }
                });
            }
        });
        Self {
            url,
            received,
            server,
        }
    }

    /// One that says "fine" to everything.
    pub(crate) async fn friendly() -> Self {
        Self::start(|_| Answer::Head("200 OK")).await
    }

    /// The next request, as soon as there is one.
    pub(crate) async fn next(&mut self) -> Received {
        self.received.recv().await.expect("it listens")
    }

    /// All that came until now.
    pub(crate) fn all(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8(head).expect("ASCII");
    let mut lines = head.trim_end().lines();
    let line = lines.next().expect("a request line");
    let headers: BTreeMap<String, String> = lines
        .map(|line| line.split_once(": ").expect("a header"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length");
    let length = length.map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Received {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        headers,
        body: String::from_utf8(body).expect("UTF-8"),
    })
}

async fn give(answer: Answer, stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    match answer {
        Answer::Head(head) => {
            let head = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await
        }
        Answer::Silence => stream.read_to_end(&mut Vec::new()).await.map(drop),
        Answer::HangUp => Ok(()),
        Answer::EndlessHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                stream.write_all(b"x-more: and more\r\n").await?;
            }
        }
    }
}
