//! The smallest HTTP client that will do: one connection a request, and every header in the caller's hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// No answer takes this long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(one, _)| one.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("expected JSON ({error}), got {self:?}"))
    }

    /// The body as JSON, of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.json()
    }
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            address,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: vec![("Host".to_owned(), address.to_string())],
            body: Vec::new(),
        }
    }

    /// Adds a header; a second `Host` replaces the first.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if name.eq_ignore_ascii_case("host") {
            self.headers.clear();
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", content_type)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sends it; `Err` if the server closed the connection without an answer.
    pub(crate) fn try_send(self) -> std::io::Result<Answer> {
        let mut reader = self.open()?;
        let (status, headers) = read_head(&mut reader)?;
        let mut body = String::new();
        reader.read_to_string(&mut body)?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    #[track_caller]
    pub(crate) fn send(self) -> Answer {
        let described = format!("{} {}", self.method, self.path);
        self.try_send()
            .unwrap_or_else(|error| panic!("{described}: no answer: {error}"))
    }

    /// Opens a stream of events.
    #[track_caller]
    pub(crate) fn stream(self) -> Events {
        let mut reader = self.open().expect("a connection");
        let (status, headers) = read_head(&mut reader).expect("an answer");
        let content_type = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let content_type = content_type.map(|(_, value)| value.as_str());
        assert_eq!((status, content_type), (200, Some("text/event-stream")));
        Events { reader }
    }

    fn open(self) -> std::io::Result<BufReader<TcpStream>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // HTTP/1.0: no chunks, and the end of the connection is the end of the body.
        let mut head = format!("{} {} HTTP/1.0\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        // A server that refuses a body at sight may have closed already; its answer is there all the same.
        let _ = stream.write_all(&self.body);
        Ok(BufReader::new(stream))
    }
}

type Head = (u16, Vec<(String, String)>);

fn read_head(reader: &mut impl BufRead) -> std::io::Result<Head> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status in {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            return Ok((status, headers));
        };
        headers.push((name.to_owned(), value.to_owned()));
    }
}

/// An open stream of events.
pub(crate) struct Events {
    reader: BufReader<TcpStream>,
}

/// One event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl Iterator for Events {
    type Item = Frame;

    /// The next event; `None` at the end of the stream.
    fn next(&mut self) -> Option<Frame> {
        let mut frame = Frame::default();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).expect("an event in time") == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut frame.event),
                Some(("id", id)) => id.clone_into(&mut frame.id),
                Some(("data", data)) => frame.data = data.parse().expect("JSON"),
                Some(_) => {}
                None if frame.event.is_empty() => {}
                None => return Some(frame),
            }
        }
    }
}

impl Events {
    /// The next event that `fits`; those before it are passed over.
    pub(crate) fn until(&mut self, mut fits: impl FnMut(&Frame) -> bool) -> Frame {
        self.find(|frame| fits(frame))
            .expect("the stream goes on until then")
    }

    /// The next `pet` event that `fits`.
    pub(crate) fn until_pet(&mut self, mut fits: impl FnMut(&Value) -> bool) -> Value {
        self.until(|frame| frame.event == "pet" && fits(&frame.data))
            .data
    }
}
