//! A call as people write it: `feed Mochi n=3`.

use serde_json::{Map, Value};

/// What begins with a name and `=` is a named argument; all else is a positional one. What is no JSON is text.
pub(crate) fn call(arguments: &[String]) -> anyhow::Result<(Vec<Value>, Map<String, Value>)> {
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
    serde_json::from_str(text).unwrap_or_else(|error| {
        // Text it is, but hardly what was meant.
        if text.starts_with(['{', '[', '"']) {
            eprintln!("lullaby: {text} goes in as text, for it is no JSON: {error}");
        }
        Value::from(text)
    })
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
    use serde_json::json;

    #[test]
    fn values_are_json_if_they_read_as_json_else_text() {
        let arguments =
            ["1", "two", "b=[3]", "text=a=b", "\"1\"", "x y=z", "2=3"].map(String::from);
        let (args, kwargs) = call(&arguments).expect("a call");
        assert_eq!(
            args,
            [
                json!(1),
                json!("two"),
                json!("1"),
                json!("x y=z"),
                json!("2=3")
            ]
        );
        assert_eq!(Value::Object(kwargs), json!({"b": [3], "text": "a=b"}));
        assert!(call(&["a=1", "a=2"].map(String::from)).is_err());
    }
}
