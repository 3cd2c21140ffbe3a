//! Calls and their replies as JSON-RPC.

use super::*;

fn serving(
    endpoint: &str,
    answer: impl Fn(&str) -> Vec<String> + Send + 'static,
) -> thread::JoinHandle<usize> {
    let listener = UnixListener::bind(path(endpoint)).unwrap();
    thread::spawn(move || {
        let mut plain_peer = PlainPeer::over(listener.accept().unwrap().0);
        let mut count = 0;
        loop {
            let line = plain_peer.line();
            if line.is_empty() {
                return count;
            }
            count += 1;
            for line in answer(&line) {
                plain_peer.send_text(&(line + "\n"));
            }
        }
    })
}

#[test]
fn call_is_a_request_and_gives_its_result_or_its_error() {
    let endpoint = elsewhere();
    let server = serving(&endpoint, |line| {
        let asked = json(line);
        let Ok(id) = asked.at("id").cloned() else { return vec![r#"{"heard":"notification"}"#.into()] };
        let id = id.as_u64().unwrap();
        assert_eq!(asked.at("jsonrpc").unwrap().as_text().unwrap(), "2.0");
        match asked.at("method").unwrap().as_text().unwrap() {
            "sum" => {
                let sum: i64 =
                    asked.at("params").unwrap().as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).sum();
                vec![
                    r#"{"tick":1}"#.into(),
                    format!(r#"{{"jsonrpc":"2.0","result":"for another","id":{}}}"#, id + 1000),
                    format!(r#"{{"jsonrpc":"2.0","result":{sum},"id":{id}}}"#),
                ]
            }
            _ => vec![format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found","data":{{"type":"math.unknown","data":{{"method":"x"}}}}}}}}"#
            )],
        }
    });
    let channel = Channel::connect(&endpoint, &lines(), SOON).unwrap();
    let answer = channel.call(&json(r#"{"method":"sum","params":[1,2]}"#), SOON).unwrap();
    assert_eq!(answer.value().unwrap(), &json("3"));
    // Other messages from that time are still there.
    assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &json(r#"{"tick":1}"#));
    assert_eq!(channel.recv(SOON).unwrap().get("result").unwrap().as_text().unwrap(), "for another");
    let error = channel.call(&json(r#"{"method":"x"}"#), SOON).unwrap_err();
    let failure = error.remote_failure().unwrap();
    assert_eq!(
        (error.kind(), failure.code, failure.kind.as_str(), failure.text.as_str()),
        (ErrorKind::Remote, -32601, "math.unknown", "Method not found")
    );
    assert_eq!(codec::decode(&failure.data, Encoding::Cbor).unwrap(), json(r#"{"method":"x"}"#));
    for (value, kind) in [
        ("7", ErrorKind::WrongType),
        ("{}", ErrorKind::Missing),
        (r#"{"method":"a","params":3}"#, ErrorKind::WrongType),
    ] {
        assert_eq!(channel.call(&json(value), SOON).unwrap_err().kind(), kind);
    }
    channel.send(&json(r#"{"jsonrpc":"2.0","method":"note"}"#), SOON).unwrap();
    assert_eq!(channel.recv(SOON).unwrap().get("heard").unwrap().as_text().unwrap(), "notification");
    channel.close(SOON).unwrap();
    assert_eq!(server.join().unwrap(), 3);
}

#[test]
fn broken_connection_is_replaced_and_its_call_fails() {
    let endpoint = elsewhere();
    let channel = {
        let server = serving(&endpoint, |_| panic!("it ends without an answer"));
        let channel = Channel::connect(&endpoint, &lines(), SOON).unwrap();
        assert_eq!(
            channel.call(&json(r#"{"method":"x"}"#), SOON).unwrap_err().kind(),
            ErrorKind::Disconnected
        );
        assert!(server.join().is_err());
        std::fs::remove_file(path(&endpoint)).unwrap();
        channel
    };
    let server = serving(&endpoint, |_| vec![r#"{"jsonrpc":"2.0","result":null,"id":2}"#.into()]);
    assert_eq!(channel.call(&json(r#"{"method":"x"}"#), SOON).unwrap().value().unwrap(), &Value::Null);
    drop(channel);
    assert_eq!(server.join().unwrap(), 1);
}

#[test]
fn server_answers_many_plain_clients_and_refuses_invalid_requests() {
    let server = with_server(&lines(), |endpoint| {
        let mut plain_peers: Vec<PlainPeer> = (0..20).map(|_| PlainPeer::connect(endpoint)).collect();
        for (i, plain_peer) in plain_peers.iter_mut().enumerate() {
            plain_peer.send_text(&format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"params\":[{i},1],\"id\":\"{i}\"}}\n"
            ));
        }
        for (i, plain_peer) in plain_peers.iter_mut().enumerate() {
            assert_eq!(
                plain_peer.line(),
                format!("{{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":\"{i}\"}}\n", i + 1)
            );
        }
        let one = &mut plain_peers[0];
        one.send_text("{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":1.0}\nrubbish\n{\"op\":\"x\"}\n{\"jsonrpc\":\"2.0\",\"id\":3}\n");
        let refused = json(&one.line());
        assert_eq!(refused.at("error/message").unwrap().as_text().unwrap(), "no such method");
        assert_eq!(refused.at("error/code").unwrap().as_i64().unwrap(), -32601);
        assert_eq!(refused.at("error/data/type").unwrap().as_text().unwrap(), "math.unknown");
        assert_eq!(refused.at("error/data/data").unwrap(), &json(r#"{"method":"nope"}"#));
        assert_eq!(refused.at("id").unwrap(), &Value::Float(1.0));
        let rubbish = json(&one.line());
        assert_eq!(rubbish.at("error/code").unwrap().as_i64().unwrap(), -32700);
        assert_eq!(rubbish.at("id").unwrap(), &Value::Null);
        assert_eq!(json(&one.line()).at("error/code").unwrap().as_i64().unwrap(), -32600);
        one.send_text("[{\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"params\":[1,1],\"id\":1},7,{\"jsonrpc\":\"2.0\",\"method\":\"drop\",\"id\":2}]\n[]\n");
        let batch = json(&one.line());
        let mut codes: Vec<i64> = batch
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a.at("error/code").or_else(|_| a.at("result")).unwrap().as_i64().unwrap())
            .collect();
        codes.sort_unstable();
        assert_eq!(codes, [-32603, -32600, 2]);
        assert_eq!(json(&one.line()).at("error/code").unwrap().as_i64().unwrap(), -32600);
    });
    assert_eq!(server.stats().at("connections").unwrap().as_u64().unwrap(), 21);
}

#[test]
fn client_that_ends_its_own_side_still_gets_its_answers() {
    with_server(&lines(), |endpoint| {
        let mut plain_peer = PlainPeer::connect(endpoint);
        plain_peer.send_text("{\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"params\":[2,2],\"id\":1}\n{\"jsonrpc\":\"2.0\",\"method\":\"drop\",\"id\":2}");
        plain_peer.hang_up_writing();
        assert_eq!(plain_peer.line(), "{\"jsonrpc\":\"2.0\",\"result\":4,\"id\":1}\n");
        assert_eq!(
            json(&plain_peer.line()).at("error/data/type").unwrap().as_text().unwrap(),
            "linkspan.unanswered"
        );
        assert_eq!(plain_peer.line(), "", "and then the server hangs up");
    });
}

#[test]
fn late_answer_of_another_thread_keeps_the_connection_open() {
    let endpoint = name("unix");
    let server = Server::serve(&endpoint, &lines()).unwrap();
    let mut plain_peer = PlainPeer::connect(&endpoint);
    plain_peer.send_text("{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"id\":1}\n");
    plain_peer.hang_up_writing();
    let request = server.next(SOON).unwrap().unwrap();
    thread::scope(|s| {
        // It has seen the end of that client's requests and sleeps.
        s.spawn(|| assert!(server.next(None).unwrap().is_none()));
        s.spawn(|| request.reply(&json("[1]")).unwrap());
        assert_eq!(plain_peer.line(), "{\"jsonrpc\":\"2.0\",\"result\":[1],\"id\":1}\n");
        assert_eq!(plain_peer.line(), "");
        server.close(SOON).unwrap();
    });
}

#[test]
fn linkspan_on_both_sides_speaks_json_rpc_too() {
    with_server(&lines(), |endpoint| {
        let channel = Channel::connect(endpoint, &lines(), SOON).unwrap();
        let answer = channel.call(&json(r#"{"method":"sum","params":[20,22]}"#), SOON).unwrap();
        assert_eq!(answer.value().unwrap().as_i64().unwrap(), 42);
        let error = channel.call(&json(r#"{"method":"nope","params":{"a":1}}"#), SOON).unwrap_err();
        let failure = error.remote_failure().unwrap();
        assert_eq!(
            (failure.code, failure.kind.as_str(), failure.text.as_str()),
            (-32601, "math.unknown", "no such method")
        );
        assert_eq!(
            codec::decode(&failure.data, Encoding::Cbor).unwrap(),
            json(r#"{"method":"nope","params":{"a":1}}"#)
        );
        channel.close(SOON).unwrap();
    });
    let endpoint = name("unix");
    let here = Channel::open(&endpoint, &lines(), SOON).unwrap();
    let there = Channel::open(&endpoint, &lines(), SOON).unwrap();
    thread::scope(|s| {
        let asking = s.spawn(|| there.call(&json(r#"{"method":"who"}"#), SOON).unwrap());
        let request = here.recv(SOON).unwrap();
        assert!(request.is_request());
        here.reply(&request, &Value::from("me"), SOON).unwrap();
        assert_eq!(asking.join().unwrap().value().unwrap().as_text().unwrap(), "me");
        assert_eq!(
            here.reply(&request, &Value::from("again"), SOON).unwrap_err().kind(),
            ErrorKind::InvalidState
        );
    });
    let soon = std::time::Duration::from_millis(200);
    let third = Channel::open(&endpoint, &lines(), soon);
    // The reason cannot be reported. The third client sees the closed connection.
    assert!(third.is_err() || third.unwrap().recv(soon).is_err());
}
