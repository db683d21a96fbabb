//! Our pickle against itself, against real Python, and against nonsense.

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn to_json(bytes: &[u8]) -> Value {
    let document = read(bytes).expect("a pickle");
    document.to_json(document.root()).expect("plain values")
}

/// What stands in the way of reading this as JSON.
fn refusal(bytes: &[u8]) -> String {
    let document = read(bytes).expect("a pickle");
    document.to_json(document.root()).expect_err("not plain")
}

/// Runs a Python program with `input`; answers what it printed.
fn python(program: &str, input: &str) -> String {
    let mut child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let mut stdin = child.stdin.take().expect("its stdin");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hexadecimal"))
        .collect()
}

/// Values at the edges of each instruction.
fn samples() -> Value {
    json!([
        null, true, false, 0, 1, -1, 255, 256, 65535, 65536, -32769, i32::MAX, i32::MIN,
        2_147_483_648_i64, -2_147_483_649_i64, i64::MAX, i64::MIN, u64::MAX, 128, -128, -129,
        0.5, -0.0, 1e300, 5e-324, "", "plain", "é\n\\u0041 \u{0} 😀 ' \"", [], {}, [[]], [1], [1, 2, 3, 4],
        {"a": 1}, {"": {"b": [null]}, "c": 2.5}, "x".repeat(300), ["same", "same", {"same": "same"}]
    ])
}

#[test]
fn python_reads_what_we_write() {
    let program = "import sys,pickle,json\n\
        for line in sys.stdin: print(json.dumps(pickle.loads(bytes.fromhex(line))))";
    let samples = samples();
    let values = samples.as_array().expect("an array");
    let input: String = values
        .iter()
        .map(|value| format!("{}\n", hex(&write(value))))
        .collect();
    let output = python(program, &input);
    let back: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(&back, values);
}

#[test]
fn python_reads_a_call_as_rq_needs_it() {
    let kwargs = json!({"b": 2}).as_object().cloned().expect("an object");
    let call = write_call("demo.add", &[json!(1), json!([2])], &kwargs);
    let program = "import sys,pickle; print(repr(pickle.loads(bytes.fromhex(sys.stdin.read()))))";
    assert_eq!(
        python(program, &hex(&call)).trim(),
        "('demo.add', None, (1, [2]), {'b': 2})"
    );
}

#[test]
fn we_read_what_python_writes_in_every_protocol() {
    let program = "import sys,pickle,json\n\
        values=json.load(sys.stdin)\n\
        for protocol in range(6):\n  \
          for value in values: print(pickle.dumps(value, protocol).hex())\n  \
          print(pickle.dumps(values, protocol).hex())";
    let samples = samples();
    let values = samples.as_array().expect("an array");
    let output = python(program, &samples.to_string());
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines.len(), 6 * (values.len() + 1));
    for (protocol, lines) in lines.chunks(values.len() + 1).enumerate() {
        for (value, line) in values.iter().chain([&samples]).zip(lines) {
            assert_eq!(&to_json(&unhex(line)), value, "protocol {protocol}");
        }
    }
}

#[test]
fn tuples_sets_and_odd_keys_are_read_as_json_would_have_them() {
    let program = "import sys,pickle\n\
        value=((), (1,), (1,2), (1,2,3), (1,2,3,4), {1: 'a', None: 'b', True: 'c', 1.5: 'd'})\n\
        for protocol in range(6): print(pickle.dumps(value, protocol).hex())\n\
        print(pickle.dumps([{7}, frozenset([8])], 4).hex())";
    let output = python(program, "");
    let mut lines: Vec<_> = output.lines().collect();
    let sets = lines.pop().expect("a line");
    assert_eq!(to_json(&unhex(sets)), json!([[7], [8]]));
    for line in lines {
        // Python's own dict has one entry for 1 and True: the first key with the last value.
        let expected =
            json!([[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4], {"1": "c", "null": "b", "1.5": "d"}]);
        assert_eq!(to_json(&unhex(line)), expected);
    }
}

#[test]
fn objects_are_named_and_never_made() {
    let program = "import pickle,datetime,decimal,uuid,os,collections\n\
        class Evil:\n  \
          def __reduce__(self): return (os.system, ('touch /tmp/evil',))\n\
        class Pet:\n  \
          def __init__(self): self.name='Mochi'\n\
        for value in (datetime.datetime(2026,1,1), decimal.Decimal('1.5'), Evil(), Pet(), collections.OrderedDict(a=1), len, 10**60):\n  \
          for protocol in range(6): print(pickle.dumps({'x': [1, value]}, protocol).hex())";
    let output = python(program, "");
    let lines: Vec<_> = output.lines().collect();
    let names = [
        "datetime.datetime",
        "decimal.Decimal",
        ".system",
        "",
        "collections.OrderedDict",
        ".len",
        "int of",
    ];
    assert_eq!(lines.len(), 6 * names.len());
    for (lines, name) in lines.chunks(6).zip(names) {
        for line in lines {
            let reason = refusal(&unhex(line));
            assert!(
                reason.contains("an object (") && reason.contains(name),
                "{reason}"
            );
        }
    }
}

#[test]
fn a_count_is_replaced_beside_objects_and_python_reads_it_back() {
    let program = "import pickle,datetime\n\
        meta={'repeat!': 1, 'when': datetime.date(2026,1,1), 'inner': {'repeat': 7}, 'repeat': 300, 'interval': 60, 'tail': {'repeat': 8}}\n\
        for protocol in range(6): print(pickle.dumps(meta, protocol).hex())";
    let output = python(program, "");
    let changed: String = output
        .lines()
        .map(|line| {
            let changed = replace_int(&unhex(line), "repeat", 299).expect("a dict with repeat");
            format!("{}\n", hex(&changed))
        })
        .collect();
    let program = "import sys,pickle\n\
        for line in sys.stdin: print(pickle.loads(bytes.fromhex(line)))";
    let expected = "{'repeat!': 1, 'when': datetime.date(2026, 1, 1), 'inner': {'repeat': 7}, 'repeat': 299, 'interval': 60, 'tail': {'repeat': 8}}\n";
    assert_eq!(python(program, &changed), expected.repeat(6));
}

#[test]
fn a_count_that_is_not_there_is_not_made_up() {
    let mut meta = Map::new();
    meta.insert("repeat".into(), Value::Null);
    for value in [
        json!({}),
        json!([]),
        json!({"a": {"repeat": 1}}),
        Value::Object(meta),
    ] {
        assert!(replace_int(&write(&value), "repeat", 5).is_err(), "{value}");
    }
}

#[test]
fn a_value_that_names_itself_over_and_over_is_refused() {
    // 30 times: a list of the last list, twice.
    let mut bytes = vec![0x80, 4];
    bytes.extend(b"]\x94");
    for level in 0..30_u8 {
        bytes.extend([b'0', b']', 0x94, b'(', b'h', level, b'h', level, b'e']);
    }
    bytes.push(b'.');
    assert!(refusal(&bytes).contains("more than 1000000 values"));

    // A list that is its own item.
    assert!(refusal(b"\x80\x04]\x94h\x00a.").contains("nest deeper"));

    // A text of a megabyte, named a thousand times.
    let mut bytes = b"X\x00\x00\x10\x00".to_vec();
    bytes.extend(vec![b'x'; 1 << 20]);
    bytes.extend(b"q\x000](");
    bytes.extend(b"h\x00".repeat(1000));
    bytes.extend(b"e.");
    assert!(refusal(&bytes).contains("bytes of text"));
}

#[test]
fn depth_is_bounded_without_using_the_programs_stack() {
    let nested = |depth: usize| [vec![b']'; depth], vec![b'a'; depth - 1], vec![b'.']].concat();
    assert!(to_json(&nested(MAX_DEPTH)).is_array());
    assert!(refusal(&nested(MAX_DEPTH + 1)).contains("nest deeper than 100"));
    assert!(refusal(&nested(500_000)).contains("nest deeper than 100"));
    let error = read(&vec![b'('; MAX_NODES + 2]).expect_err("too many marks");
    assert!(error.reason.contains("at most 1000000 marks"), "{error}");
    assert!(read(&vec![b'N'; MAX_BYTES + 1]).is_err());
}

#[test]
fn nonsense_is_refused_with_the_place() {
    for (bytes, at, part) in [
        (&b""[..], 0, "1 more bytes"),
        (b"\x80\x09N.", 0, "protocol 0 to 5"),
        (b"NN\xff.", 2, "byte 0xff"),
        (b".", 0, "the stack is empty"),
        (b"(N.", 3, ""),
        (b"\x80\x04X\xff\xff\xff\xffab.", 2, "are left"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", 0, "are left"),
        (b"}Na.", 2, "list or a set"),
        (b"}(Nu.", 3, "as many values"),
        (b"h\x07.", 0, "nothing was put under 7"),
        (b"I5x\n.", 0, "whole number"),
    ] {
        match read(bytes) {
            Ok(_) => assert_eq!(part, "", "{bytes:?}"),
            Err(error) => {
                assert!(error.reason.contains(part), "{error}");
                assert_eq!(error.at, at, "{bytes:?}: {error}");
            }
        }
    }
}

#[test]
fn a_pickle_can_be_looked_at() {
    let shown = disassemble(b"\x80\x02(X\x03\x00\x00\x00a.bNK\x07cos\nsystem\n)Rt.");
    let expected = "    0: PROTO\n    2: MARK\n    3: BINUNICODE       \"a.b\"\n   11: NONE\n   \
        12: BININT1          7\n   14: GLOBAL           \"os\" \"system\"\n   25: EMPTY_TUPLE\n   \
        26: REDUCE\n   27: TUPLE\n   28: STOP\n";
    assert_eq!(shown, expected);
    assert!(disassemble(b"N\xff").contains("1: ? expected an instruction"));
    assert!(disassemble(&vec![b'N'; 1000]).ends_with("and more\n"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Bytes that are more often instructions than not.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let known = b"(.012NIJKLMFGVXSTUBC])}ltdaesupqrghjcRoibPQ\n5\x00\x01\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8f\x90\x91\x92\x93\x94\x95";
    prop::collection::vec(
        prop_oneof![9 => prop::sample::select(known.to_vec()), 1 => any::<u8>()],
        0..200,
    )
}

proptest! {
    #[test]
    fn values_read_back(value in any_json()) {
        prop_assert_eq!(to_json(&write(&value)), value);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop_oneof![any::<Vec<u8>>(), likely_bytes()]) {
        if let Ok(document) = read(&bytes) {
            let _ = document.to_json(document.root());
        }
        let _ = replace_int(&bytes, "repeat", 1);
        let _ = disassemble(&bytes);
    }

    #[test]
    fn a_damaged_pickle_never_makes_a_reader_panic(value in any_json(), at: prop::sample::Index, byte: u8) {
        let mut bytes = write(&value);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(document) = read(&bytes) {
            let _ = document.to_json(document.root());
        }
        let _ = read(&bytes[..at]);
    }
}
