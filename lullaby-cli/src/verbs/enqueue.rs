//! `lullaby enqueue TASK [ARG…] [KEY=VALUE…]`

use std::time::Duration;

use lullaby::{Lullaby, NewJob, Timestamp};
use serde_json::{Map, Value, json};

use crate::print::Out;

/// Puts a job in; prints its id. A value is JSON if it reads as JSON, else text.
#[derive(clap::Args, Debug)]
pub(crate) struct Enqueue {
    /// The task's name; for Python's workers the function's dotted path
    task: String,
    /// Its arguments, positional ones and KEY=VALUE
    arguments: Vec<String>,
    /// The queue
    #[arg(long, short, default_value = "default")]
    queue: String,
    /// Run it after this time: 20m, 1h 30m, 90s
    #[arg(long = "in", value_name = "TIME", value_parser = duration, conflicts_with = "at")]
    delay: Option<Duration>,
    /// Run it at this time: 2026-11-23T12:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Its id; made up when not given
    #[arg(long)]
    id: Option<String>,
    /// To the front of its queue
    #[arg(long)]
    at_front: bool,
}

impl Enqueue {
    pub(crate) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let (args, kwargs) = call(&self.arguments)?;
        let mut job = NewJob::named(&self.task, &args, &kwargs)?;
        if let Some(id) = &self.id {
            job = job.job_id(id).unique();
        }
        if self.at_front {
            job = job.at_front();
        }
        let queue = lullaby.queue(&self.queue)?;
        let handle = match (self.delay, self.at) {
            (Some(delay), _) => queue.enqueue_in(delay, job).await?,
            (None, Some(at)) => queue.enqueue_at(at, job).await?,
            (None, None) => queue.enqueue(job).await?,
        };
        out.show(&json!({ "id": handle.id() }), || handle.id().to_string())?;
        Ok(true)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "expected a time like 20m, 1h 30m or 90s".to_owned())
}

/// What begins with a name and `=` is a named argument; all else is a positional one.
fn call(arguments: &[String]) -> anyhow::Result<(Vec<Value>, Map<String, Value>)> {
    let (mut args, mut kwargs) = (Vec::new(), Map::new());
    for argument in arguments {
        match argument.split_once('=').filter(|(name, _)| is_name(name)) {
            Some((name, text)) => {
                let twice = kwargs.insert(name.to_owned(), value(text)).is_some();
                anyhow::ensure!(!twice, "expected each argument once, got {name:?} twice");
            }
            None => args.push(value(argument)),
        }
    }
    Ok((args, kwargs))
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_if_they_read_as_json_else_text() {
        let arguments = ["1", "two", "b=[3]", "text=a=b", "\"1\"", "x y=z"].map(String::from);
        let (args, kwargs) = call(&arguments).expect("a call");
        assert_eq!(args, [json!(1), json!("two"), json!("1"), json!("x y=z")]);
        assert_eq!(Value::Object(kwargs), json!({"b": [3], "text": "a=b"}));
        assert!(call(&["a=1", "a=2"].map(String::from)).is_err());
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(duration("20m"), Ok(Duration::from_secs(1200)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        for text in ["", "soon", "-5s", "20"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}
