//! The examples of the JSON-RPC 2.0 specification, and edge cases.

use std::sync::Arc;

use super::pending::MAX_PENDING;
use super::*;
use crate::codec::{self, Encoding};
use crate::error::RemoteFailure;
use crate::frame::{Header, Kind};
use crate::message::failure;
use crate::value::{Limits, Value};

fn rpc(serves: bool) -> JsonRpc {
    JsonRpc::new(serves, Limits::default(), Arc::default())
}

fn frames_of(rpc: &JsonRpc, line: &str) -> Vec<Incoming> {
    let mut frames = VecDeque::new();
    rpc.decode_line(Ok(Bytes::copy_from_slice(line.as_bytes())), &mut frames).unwrap();
    frames.into()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Returns the lines of a server that answers like the examples.
fn serve(line: &str) -> String {
    let rpc = rpc(true);
    let mut written = String::new();
    for frame in frames_of(&rpc, line) {
        let (kind, encoding, body) = match frame.header.kind {
            Kind::Error => (Kind::Error, frame.header.encoding, frame.body.whole().clone()),
            Kind::Request => answer(&codec::decode(frame.body.whole(), Encoding::Json).unwrap()),
            _ => continue,
        };
        let header = Header { correlation: frame.header.sequence, ..Header::new(kind, encoding) };
        let frame = Outgoing::new(header, &body);
        if let Some(line) = rpc.encode_frame(&frame).unwrap() {
            assert_eq!(written, "", "one line answers one line");
            written = text(&line).to_owned();
            assert_eq!(
                rpc.encode_frame(&frame).unwrap().unwrap(),
                line,
                "a frame that was not sent is encoded the same again"
            );
        }
        rpc.frame_sent(&frame);
    }
    let pending = rpc.pending();
    assert!(pending.unanswered.is_empty() && pending.batches.is_empty());
    written
}

fn answer(request: &Value) -> (Kind, Encoding, Bytes) {
    let number = |path: &str| request.at(path).and_then(Value::as_i64);
    let result = match request.at("method").unwrap().as_text().unwrap() {
        "subtract" => match number("params/0") {
            Ok(first) => Value::from(first - number("params/1").unwrap()),
            Err(_) => Value::from(number("params/minuend").unwrap() - number("params/subtrahend").unwrap()),
        },
        "sum" => Value::from((0..).map_while(|i| number(&format!("params/{i}")).ok()).sum::<i64>()),
        "get_data" => Value::from(vec![Value::from("hello"), Value::from(5i64)]),
        _ => {
            let failure =
                RemoteFailure { code: -32601, text: "Method not found".into(), ..Default::default() };
            let payload = failure::to_payload(&failure).unwrap();
            return (Kind::Error, payload.encoding(), payload.body().clone());
        }
    };
    (Kind::Reply, Encoding::Json, codec::encode(&result, Encoding::Json).unwrap().into())
}

/// Returns the answers without the data of errors, which the specification leaves open.
fn compared(line: &str) -> Vec<String> {
    if line.is_empty() {
        return Vec::new();
    }
    let value = codec::decode(line.as_bytes(), Encoding::Json).unwrap();
    let one = |answer: &Value| {
        let mut fields = vec![format!("{:?}", answer.at("jsonrpc").unwrap())];
        fields.push(format!("{:?}", answer.at("id").unwrap()));
        for path in ["result", "error/code", "error/message"] {
            fields.push(format!("{:?}", answer.at(path).ok()));
        }
        fields.join(" ")
    };
    match value.as_array() {
        Ok(answers) => {
            let mut all: Vec<String> = answers.iter().map(one).collect();
            all.sort();
            all.insert(0, "batch".into());
            all
        }
        Err(_) => vec![one(&value)],
    }
}

const INVALID: &str =
    r#"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#;
const NO_JSON: &str =
    r#"{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}"#;

#[test]
fn examples_of_the_specification() {
    let three = format!("[{INVALID},{INVALID},{INVALID}]");
    let one = format!("[{INVALID}]");
    let mixed = format!(
        r#"[{{"jsonrpc": "2.0", "result": 7, "id": "1"}}, {{"jsonrpc": "2.0", "result": 19, "id": "2"}}, {INVALID},
        {{"jsonrpc": "2.0", "error": {{"code": -32601, "message": "Method not found"}}, "id": "5"}},
        {{"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}}]"#
    );
    for (asked, answered) in [
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#,
            r#"{"jsonrpc": "2.0", "result": 19, "id": 1}"#,
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}"#,
            r#"{"jsonrpc": "2.0", "result": -19, "id": 2}"#,
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#,
            r#"{"jsonrpc": "2.0", "result": 19, "id": 3}"#,
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}"#,
            r#"{"jsonrpc": "2.0", "result": 19, "id": 4}"#,
        ),
        (r#"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"#, ""),
        (r#"{"jsonrpc": "2.0", "method": "foobar"}"#, ""),
        (
            r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#,
            r#"{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}"#,
        ),
        (r#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#, NO_JSON),
        (r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#, INVALID),
        (
            r#"[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"]"#,
            NO_JSON,
        ),
        ("[]", INVALID),
        ("[1]", &one),
        ("[1,2,3]", &three),
        (
            r#"[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}, {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"}, {"foo": "boo"}, {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"}, {"jsonrpc": "2.0", "method": "get_data", "id": "9"}]"#,
            &mixed,
        ),
        (
            r#"[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},{"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]"#,
            "",
        ),
    ] {
        assert_eq!(compared(&serve(asked)), compared(answered), "{asked}");
    }
}

#[test]
fn id_is_returned_as_it_was_written() {
    for id in
        ["null", "0", "-1", "1.50", "1e3", "18446744073709551616", r#""""#, r#""a\"\u00e9\n""#, "0.1000"]
    {
        let answered = serve(&format!(r#"{{"jsonrpc":"2.0","method":"sum","params":[1],"id":{id}}}"#));
        assert_eq!(answered, format!(r#"{{"jsonrpc":"2.0","result":1,"id":{id}}}"#));
    }
    // The error for an invalid request has its id, if that is valid.
    for (id, expected) in
        [("7", "7"), (r#""x""#, r#""x""#), ("[1]", "null"), ("{}", "null"), ("true", "null")]
    {
        let answered = serve(&format!(r#"{{"jsonrpc":"2.0","method":"sum","params":5,"id":{id}}}"#));
        assert!(
            answered.contains("-32600") && answered.ends_with(&format!(r#","id":{expected}}}"#)),
            "{answered}"
        );
    }
}

#[test]
fn server_line_is_a_request_a_notification_a_message_or_ignored() {
    for (line, kind, body) in [
        (r#"{"op":"x"}"#, Kind::Data, r#"{"op":"x"}"#),
        (r#"{"method":"x"}"#, Kind::Data, r#"{"method":"x"}"#),
        ("\"text\"", Kind::Data, "\"text\""),
        ("null", Kind::Data, "null"),
        (r#" { "jsonrpc" : "2.0" , "method" : "x" } "#, Kind::Data, r#"{"method":"x"}"#),
        (
            r#"{"id":1,"params":{"a":[1, 2]},"method":"a b","jsonrpc":"2.0"}"#,
            Kind::Request,
            r#"{"method":"a b","params":{"a":[1, 2]}}"#,
        ),
    ] {
        let frames = frames_of(&rpc(true), line);
        assert_eq!(
            (frames.len(), frames[0].header.kind, text(frames[0].body.whole())),
            (1, kind, body),
            "{line}"
        );
        assert_eq!((frames[0].header.sequence, frames[0].header.body), (1, body.len() as u64));
    }
    // A request with an id expects an answer.
    assert!(serve(r#"{"method":"x","id":1}"#).contains("-32600"));
    assert!(serve(r#"{"jsonrpc":"1.0","method":"x","id":1}"#).contains("-32600"));
    // Two servers that answer answers would not stop.
    assert_eq!(serve(r#"{"jsonrpc":"2.0","result":1,"id":1}"#), "");
    assert_eq!(serve(r#"[{"jsonrpc":"2.0","error":{"code":1,"message":"x"},"id":1}]"#), "");
}

#[test]
fn call_goes_out_as_a_request_and_its_answer_is_found() {
    let rpc = rpc(false);
    let ask = |number: u64, body: &str| {
        let header = Header { sequence: number, ..Header::new(Kind::Request, Encoding::Json) };
        rpc.encode_frame(&Outgoing::new(header, body.as_bytes())).map(|line| text(&line.unwrap()).to_owned())
    };
    let line = ask(5, "{\n \"method\":\"sum\",\"params\":[1,\r\n2]}").unwrap();
    assert_eq!(line, r#"{"jsonrpc":"2.0","method":"sum","params":[1,  2],"id":5}"#);
    ask(5, r#"{"method":"sum"}"#).unwrap();
    assert_eq!(
        ask(6, r#"{"jsonrpc":"2.0","method":"a"}"#).unwrap(),
        r#"{"jsonrpc":"2.0","method":"a","id":6}"#
    );
    for (body, kind, path) in [
        ("7", ErrorKind::WrongType, None),
        ("{}", ErrorKind::Missing, Some("method")),
        (r#"{"method":1}"#, ErrorKind::WrongType, Some("method")),
        (r#"{"method":"a","params":1}"#, ErrorKind::WrongType, Some("params")),
        (r#"{"method":"a","id":1}"#, ErrorKind::Unsupported, Some("id")),
        (r#"{"method":"a","jsonrpc":"1.0"}"#, ErrorKind::Unsupported, Some("jsonrpc")),
    ] {
        let error = ask(9, body).unwrap_err();
        assert_eq!((error.kind(), error.path()), (kind, path), "{body}: {error}");
        assert!(error.text().contains("\"method\""), "{error}");
    }
    let decoded = |line: &str| {
        let frame = frames_of(&rpc, line).remove(0);
        (frame.header.kind, frame.header.correlation, frame.body.whole().clone())
    };
    // An answer without a request is a plain message, like an object with an id and a method.
    for other in [
        r#"{"jsonrpc":"2.0","result":1,"id":9}"#,
        r#"{"jsonrpc":"2.0","result":1,"id":"5"}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"},"id":null}"#,
    ] {
        assert_eq!(decoded(other), (Kind::Data, 0, other.as_bytes().to_vec().into()));
    }
    assert_eq!(
        decoded(r#"{"jsonrpc":"2.0","result": {"a": 1} ,"id":5.0}"#),
        (Kind::Reply, 5, r#"{"a": 1}"#.into())
    );
    assert_eq!(
        decoded(r#"{"jsonrpc":"2.0","result":1,"id":5}"#).0,
        Kind::Data,
        "a call that was answered is not answered again"
    );
    let (kind, correlation, body) =
        decoded(r#"{"id":6,"error":{"code":-5,"message":"no","data":{"type":"a.b","data":[1]}}}"#);
    assert_eq!((kind, correlation), (Kind::Error, 6));
    let failure = codec::decode(&body, Encoding::Cbor).unwrap();
    assert_eq!(failure.at("code").unwrap().as_i64().unwrap(), -5);
    assert_eq!(
        (failure.at("type").unwrap().as_text().unwrap(), failure.at("text").unwrap().as_text().unwrap()),
        ("a.b", "no")
    );
    assert_eq!(failure.at("data/0").unwrap().as_i64().unwrap(), 1);
}

#[test]
fn error_object_of_any_shape_is_read() {
    let cbor = |value: Value| codec::encode(&value, Encoding::Cbor).unwrap();
    for (object, code, kind, text, data) in [
        (r#"{"code":1,"message":"m"}"#, 1, "", "m", None),
        (r#"{"code":1,"message":"m","data":{"type":"t"}}"#, 1, "t", "m", None),
        (
            r#"{"code":1,"message":"m","data":{"type":"t","x":1}}"#,
            1,
            "t",
            "m",
            Some(Value::map([("type", Value::from("t")), ("x", Value::from(1i64))])),
        ),
        (r#"{"code":1,"message":"m","data":"d"}"#, 1, "", "m", Some(Value::from("d"))),
    ] {
        let problem = error::read(object).unwrap();
        assert_eq!(
            (problem.code, problem.kind.as_str(), problem.text.as_str()),
            (code, kind, text),
            "{object}"
        );
        assert_eq!(problem.data, data.map(cbor).unwrap_or_default(), "{object}");
    }
    let problem = error::read("\"just text\"").unwrap();
    assert_eq!((problem.code, problem.data), (0, cbor(Value::from("just text"))));
}

#[test]
fn channel_delivers_lines_unchanged_and_answers_requests() {
    let rpc = rpc(false);
    for line in [
        "[]",
        "[1,2]",
        r#"{"jsonrpc":"2.0","method":1}"#,
        r#"{"jsonrpc":"2.0","method":"x"}"#,
        " 7 ",
        r#"{"id":{},"method":"x","jsonrpc":"2.0"}"#,
    ] {
        let frame = frames_of(&rpc, line).remove(0);
        assert_eq!((frame.header.kind, text(frame.body.whole())), (Kind::Data, line));
    }
    let line = r#"{"jsonrpc":"2.0","method":"x","id":"i"}"#;
    let frame = frames_of(&rpc, line).remove(0);
    assert_eq!(
        (frame.header.kind, text(frame.body.whole()), frame.header.sequence),
        (Kind::Request, line, 7)
    );
    let header = Header { correlation: 7, ..Header::new(Kind::Reply, Encoding::Json) };
    let reply = Outgoing::new(header, b"{\"$float\":\"nan\"}");
    assert_eq!(
        text(&rpc.encode_frame(&reply).unwrap().unwrap()),
        r#"{"jsonrpc":"2.0","result":{"$float":"nan"},"id":"i"}"#
    );
    rpc.frame_sent(&reply);
    assert_eq!(rpc.encode_frame(&reply).unwrap_err().kind(), ErrorKind::InvalidState);
    let header = Header::new(Kind::Data, Encoding::Cbor);
    assert_eq!(rpc.encode_frame(&Outgoing::new(header, b"\xf6")).unwrap_err().kind(), ErrorKind::Unsupported);
    let mut none = VecDeque::new();
    assert_eq!(rpc.decode_line(Ok("{".into()), &mut none).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn unanswered_requests_of_a_peer_take_bounded_memory() {
    let rpc = rpc(false);
    for i in 0..MAX_PENDING + 10 {
        frames_of(&rpc, &format!(r#"{{"jsonrpc":"2.0","method":"x","id":{i}}}"#));
    }
    assert_eq!(rpc.pending().unanswered.len(), MAX_PENDING);
    let reply = |number: u64| Header { correlation: number, ..Header::new(Kind::Reply, Encoding::Json) };
    assert_eq!(
        rpc.encode_frame(&Outgoing::new(reply(10), b"1")).unwrap_err().kind(),
        ErrorKind::InvalidState
    );
    let line = rpc.encode_frame(&Outgoing::new(reply(11), b"1")).unwrap().unwrap();
    assert_eq!(text(&line), r#"{"jsonrpc":"2.0","result":1,"id":10}"#);
}

#[test]
fn batch_of_many_short_items_gets_one_error_reply() {
    let most = frames_of(&rpc(true), &format!("[{}1]", "1,".repeat(4_095)));
    assert_eq!(most.len(), 4_096);
    let server = rpc(true);
    let refused = frames_of(&server, &format!("[{}1]", "1,".repeat(4_096)));
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].header.kind, Kind::Error);
    assert_eq!(server.pending().unanswered.len(), 1, "nothing is kept for the items");
}

#[test]
fn id_that_is_long_is_not_kept() {
    let request = |id: usize| format!(r#"{{"jsonrpc":"2.0","method":"m","id":"{}"}}"#, "x".repeat(id));
    for serves in [true, false] {
        let (short, long) = (rpc(serves), rpc(serves));
        assert_eq!(frames_of(&short, &request(1_022))[0].header.kind, Kind::Request);
        let refused = frames_of(&long, &request(1_023)).remove(0);
        assert_eq!(refused.header.kind, if serves { Kind::Error } else { Kind::Data });
        assert!(
            long.pending().unanswered.values().all(|request| request.id.len() <= 4),
            "only the id null is answered"
        );
    }
}
