//! The directory of files: its view for people and scripts, its lifetime, rejected files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use linkspan::{Channel, ErrorKind, Listener, Options, Publisher, Server, Value};

use crate::support;
use crate::support::spools::{called, json, names, place, serve_one};
use crate::support::{SOON, name};

fn bash(directory: &Path, script: &str) -> std::process::Output {
    let output = Command::new("timeout")
        .args(["-s", "KILL", "20", "bash", "-eu", "-c", script])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{script}: {} {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

#[test]
fn call_leaves_no_files_and_they_are_readable_meanwhile() {
    let (endpoint, directory) = place();
    let server = Server::serve(&endpoint, &json()).unwrap();
    let client = Channel::connect(&endpoint, &called("panel-7f3a"), SOON).unwrap();
    let asked = client.start_call(&client.encode(&Value::map([("op", "x")])).unwrap(), SOON).unwrap();
    assert_eq!(names(&directory.join("server")), ["00000000000000000001.panel-7f3a.json"]);
    let text = fs::read_to_string(directory.join("server/00000000000000000001.panel-7f3a.json")).unwrap();
    assert_eq!(text, r#"{"op":"x"}"#);
    let request = server.next(SOON).unwrap().unwrap();
    assert_eq!(request.source(), "panel-7f3a");
    assert_eq!(names(&directory.join("server")).len(), 1);
    request.reply(&Value::from("done")).unwrap();
    let answer = "00000000000000000001.panel-7f3a.json";
    assert_eq!(fs::read_to_string(directory.join("client").join(answer)).unwrap(), "\"done\"");
    assert_eq!(client.finish_call(&asked, SOON).unwrap().value().unwrap(), &Value::from("done"));
    assert!(names(&directory.join("server")).is_empty() && names(&directory.join("client")).is_empty());
    assert_eq!(names(&directory.join("hello")), ["panel-7f3a", "server"]);
    let about = fs::read(directory.join("hello/panel-7f3a")).unwrap();
    let about = linkspan::codec::decode(&about, linkspan::Encoding::Json).unwrap();
    assert_eq!(about.at("used").unwrap().as_text().unwrap(), "00000000000000000001");
    assert_eq!(about.at("pid").unwrap().as_u64().unwrap(), u64::from(std::process::id()));
    drop(client);
    server.close(SOON).unwrap();
    // A client with a name may return; the server's file is removed with the server.
    assert_eq!(names(&directory.join("hello")), ["panel-7f3a"]);
}

#[test]
fn failures_reach_the_caller() {
    let (endpoint, directory) = place();
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        s.spawn(|| {
            let request = server.next(SOON).unwrap().unwrap();
            let failure = linkspan::RemoteFailure {
                code: 7,
                kind: "spectrum.window_too_long".into(),
                text: "no".into(),
                data: Vec::new(),
            };
            request.fail(&failure).unwrap();
            drop(server.next(SOON).unwrap().unwrap());
        });
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let error = client.call(&Value::Int(1), SOON).unwrap_err();
        assert_eq!(error.remote_failure().unwrap().kind, "spectrum.window_too_long");
        let error = client.call(&Value::Int(2), SOON).unwrap_err();
        assert_eq!(error.remote_failure().unwrap().kind, "linkspan.unanswered");
    });
    assert!(names(&directory.join("server")).is_empty() && names(&directory.join("client")).is_empty());
}

#[test]
fn script_calls_with_mv_and_ls_alone() {
    let (endpoint, directory) = place();
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        let script = s.spawn(|| {
            bash(
                &directory,
                r#"echo '{"op": "x"}' > server/.b.tmp
                   mv server/.b.tmp server/b.json
                   echo '[1]' > a.tmp && mv a.tmp server/a.data.json
                   until ls client/b.json 2> /dev/null; do :; done > /dev/null
                   cat client/b.json
                   rm client/b.json"#,
            )
        });
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let request = server.next(SOON).unwrap().unwrap();
            seen.push((request.source().to_owned(), request.wants_reply()));
            if request.wants_reply() {
                request.reply(&Value::map([("answer", request.get("op").unwrap().clone())])).unwrap();
            }
        }
        seen.sort();
        assert_eq!(seen, [("a".to_owned(), false), ("b".to_owned(), true)]);
        assert_eq!(script.join().unwrap().stdout, br#"{"answer":"x"}"#);
    });
    assert_eq!(server.next(Duration::ZERO).err().unwrap().kind(), ErrorKind::Timeout);
    assert!(names(&directory.join("server")).is_empty() && names(&directory.join("client")).is_empty());
}

#[test]
fn script_serves_with_ls_cat_mv_and_rm() {
    let (endpoint, directory) = place();
    // Made by hand, so it is not wiped.
    fs::create_dir_all(directory.join("server")).unwrap();
    let client = Channel::connect(&endpoint, &json(), Duration::ZERO).unwrap();
    thread::scope(|s| {
        let script = s.spawn(|| {
            bash(
                &directory,
                r#"served=0
                   while [ $served -lt 3 ]; do
                       for name in $(ls server); do
                           echo "[$(cat "server/$name"), $served]" > answer.tmp
                           if [ $served = 2 ]; then
                               echo '{"code": -3, "type": "script.tired", "text": "no more"}' > answer.tmp
                               mv answer.tmp "client/$name.error"
                           else
                               mv answer.tmp "client/$name"
                           fi
                           rm "server/$name"
                           served=$((served + 1))
                       done
                   done"#,
            )
        });
        for i in 0..2i64 {
            let answer = client.call(&Value::from("question"), SOON).unwrap();
            assert_eq!(answer.get("0").unwrap(), &Value::from("question"));
            assert_eq!(answer.get("1").unwrap(), &Value::Int(i));
        }
        let error = client.call(&Value::from("question"), SOON).unwrap_err();
        assert_eq!(error.remote_failure().unwrap().kind, "script.tired");
        script.join().unwrap();
    });
    assert!(names(&directory.join("server")).is_empty() && names(&directory.join("client")).is_empty());
}

#[test]
fn unreadable_request_is_kept_and_answered_and_blocks_no_other() {
    let (endpoint, directory) = place();
    let mut options = json();
    options.set("max_message_size", &Value::Int(1000)).unwrap();
    let server = Server::serve(&endpoint, &options).unwrap();
    let put = |name: &str, body: &[u8]| {
        fs::write(directory.join(format!("server/.{name}")), body).unwrap();
        fs::rename(directory.join(format!("server/.{name}")), directory.join("server").join(name)).unwrap();
    };
    put("a.json", b"{\"op\": ");
    put("b.json", &[b'1'; 1001]);
    put("c.cbor", b"\xff");
    put("d.data.json", b"");
    put("00000000000000000009.x.json", b"nonsense");
    put("z.json", b"\"good\"");
    fs::create_dir(directory.join("server/e.json")).unwrap();
    put(".hidden.json", b"1");
    put("f.json~", b"1");
    put("g.part", b"1");
    assert_eq!(serve_one(&server), Value::from("good"));
    let bad = ["00000000000000000009.x.json", "a.json", "b.json", "c.cbor", "d.data.json"];
    assert_eq!(names(&directory.join("rejected")), bad);
    assert_eq!(fs::read(directory.join("rejected/a.json")).unwrap(), b"{\"op\": ");
    let answers =
        ["00000000000000000009.x.json.error", "a.json.error", "b.json.error", "c.cbor.error", "z.json"];
    assert_eq!(names(&directory.join("client")), answers);
    let error = fs::read(directory.join("client/a.json.error")).unwrap();
    let error = linkspan::codec::decode(&error, linkspan::Encoding::Json).unwrap();
    assert_eq!(error.at("code").unwrap().as_i64().unwrap(), -32700);
    assert_eq!(error.at("type").unwrap().as_text().unwrap(), "Malformed");
    assert!(error.at("text").unwrap().as_text().unwrap().contains("rejected/"));
    let error = fs::read_to_string(directory.join("client/b.json.error")).unwrap();
    assert!(error.contains("TooLarge") && error.contains("1001") && error.contains("1000"), "{error}");
    assert_eq!(names(&directory.join("server")), ["e.json", "f.json~", "g.part"]);
    // A second file with this name and other bytes: both are kept.
    put("a.json", b"[");
    put("z.json", b"\"good\"");
    serve_one(&server);
    assert_eq!(fs::read(directory.join("rejected/a.json.1")).unwrap(), b"[");
}

#[test]
fn file_written_in_place_is_taken_once_it_is_whole() {
    use std::io::Write;
    let (endpoint, directory) = place();
    let server = Server::serve(&endpoint, &json()).unwrap();
    // `mv` does this between file systems.
    let mut file = fs::File::create(directory.join("server/copied.json")).unwrap();
    file.write_all(b"[1, ").unwrap();
    assert_eq!(server.next(Duration::ZERO).err().unwrap().kind(), ErrorKind::Timeout);
    file.write_all(b"2]").unwrap();
    drop(file);
    assert_eq!(serve_one(&server), Value::Array(vec![Value::Int(1), Value::Int(2)]));
    assert!(names(&directory.join("rejected")).is_empty());
}

#[test]
fn requests_wait_for_the_next_server() {
    let (endpoint, directory) = place();
    let server = Server::serve(&endpoint, &json()).unwrap();
    let client = Channel::connect(&endpoint, &json(), SOON).unwrap();
    thread::scope(|s| {
        let caller = s.spawn(|| client.call(&Value::from("patient"), SOON).unwrap());
        let _taken = server.next(SOON).unwrap().unwrap();
        drop(server);
        assert_eq!(names(&directory.join("server")).len(), 1);
        let next = Server::serve(&endpoint, &json()).unwrap();
        assert_eq!(serve_one(&next), Value::from("patient"));
        assert_eq!(caller.join().unwrap().get("0").unwrap(), &Value::from("patient"));
    });
}

#[test]
fn messages_stay_until_they_are_consumed() {
    let (endpoint, directory) = place();
    let listener = Listener::listen(&endpoint, &json()).unwrap();
    let client = Channel::connect(&endpoint, &json(), SOON).unwrap();
    for i in 0..5i64 {
        client.send(&Value::Int(i), SOON).unwrap();
    }
    client.close(SOON).unwrap();
    let reader = listener.accept(SOON).unwrap();
    for i in 0..3i64 {
        let message = reader.recv(SOON).unwrap();
        assert_eq!((message.value().unwrap(), message.sequence()), (&Value::Int(i), i as u64 + 1));
    }
    // The third was delivered and not consumed.
    assert_eq!(names(&directory.join("server")).len(), 3);
    drop(reader);
    drop(listener);
    let again = Channel::open(&endpoint, &json(), SOON).unwrap();
    for i in 2..5i64 {
        assert_eq!(again.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
    }
    assert_eq!(again.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    assert!(names(&directory.join("server")).is_empty());
}

#[test]
fn server_that_died_between_answer_and_request_does_not_answer_again() {
    let (endpoint, directory) = place();
    drop(Server::serve(&endpoint, &json()).unwrap());
    for (request, answer) in [
        ("00000000000000000001.panel.json", "00000000000000000001.panel.json"),
        ("00000000000000000002.panel.json", "00000000000000000002.panel.json.error"),
    ] {
        fs::write(directory.join("server").join(request), "1").unwrap();
        fs::write(directory.join("client").join(answer), "2").unwrap();
    }
    // A name that a script has reused is a new request, though the answer to the first is still there.
    fs::write(directory.join("client/job.json"), "\"old\"").unwrap();
    let changed = |path: PathBuf| {
        use std::os::unix::fs::MetadataExt;
        let facts = path.metadata().unwrap();
        (facts.ctime(), facts.ctime_nsec())
    };
    let then = changed(directory.join("client/job.json"));
    while {
        fs::write(directory.join("server/job.json"), "3").unwrap();
        changed(directory.join("server/job.json")) <= then
    } {}
    let server = Server::serve(&endpoint, &json()).unwrap();
    assert_eq!(serve_one(&server), Value::Int(3));
    assert_eq!(server.next(Duration::ZERO).err().unwrap().kind(), ErrorKind::Timeout);
    assert!(names(&directory.join("server")).is_empty());
    assert_eq!(fs::read_to_string(directory.join("client/job.json")).unwrap(), "[3,3]");
}

#[test]
fn caller_that_gives_up_withdraws_the_request() {
    let (endpoint, directory) = place();
    let server = Server::serve(&endpoint, &json()).unwrap();
    let client = Channel::connect(&endpoint, &called("panel"), SOON).unwrap();
    let patience = Duration::from_millis(20);
    assert_eq!(client.call(&Value::Int(1), patience).unwrap_err().kind(), ErrorKind::Timeout);
    assert!(names(&directory.join("server")).is_empty());
    assert_eq!(server.next(Duration::ZERO).err().unwrap().kind(), ErrorKind::Timeout);

    // Already taken: the answer is too late, and is dropped.
    thread::scope(|s| {
        let caller = s.spawn(|| client.call(&Value::Int(2), Duration::from_millis(200)));
        let request = server.next(SOON).unwrap().unwrap();
        assert_eq!(caller.join().unwrap().unwrap_err().kind(), ErrorKind::Timeout);
        request.reply(&Value::Null).unwrap();
    });
    assert!(names(&directory.join("client")).is_empty() && names(&directory.join("server")).is_empty());

    // Kept for its own call, and not mistaken for the next answer.
    let asked = client.start_call(&client.encode(&Value::Int(3)).unwrap(), SOON).unwrap();
    client.finish_call(&asked, Duration::ZERO).unwrap_err();
    serve_one(&server);
    thread::scope(|s| {
        s.spawn(|| serve_one(&server));
        assert_eq!(client.call(&Value::Int(4), SOON).unwrap().get("0").unwrap(), &Value::Int(4));
    });
    assert_eq!(client.finish_call(&asked, Duration::ZERO).unwrap().get("0").unwrap(), &Value::Int(3));
    assert_eq!(client.stats().at("dropped").unwrap().as_u64().unwrap(), 0);
    assert!(names(&directory.join("client")).is_empty());
}

#[test]
fn one_server_and_one_client_of_each_name() {
    let (endpoint, _) = place();
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    assert_eq!(Server::serve(&endpoint, &Options::default()).err().unwrap().kind(), ErrorKind::AddressInUse);
    let panel = Channel::connect(&endpoint, &called("panel"), SOON).unwrap();
    let second = Channel::connect(&endpoint, &called("panel"), SOON).err().unwrap();
    assert_eq!(second.kind(), ErrorKind::AddressInUse);
    assert!(second.to_string().contains("panel"), "{second}");
    drop(panel);
    Channel::connect(&endpoint, &called("panel"), SOON).unwrap();
    for refused in ["server", "..", ".lock"] {
        let error = Channel::connect(&endpoint, &called(refused), SOON).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{refused}");
    }
    drop(server);
    Server::serve(&endpoint, &Options::default()).unwrap();
    let error = Publisher::new(&name("spool"), &Options::default()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("one reader"), "{error}");
}

#[test]
fn waiting_client_finds_a_spool_when_it_is_made() {
    let (endpoint, directory) = place();
    let error = Channel::connect(&endpoint, &json(), Duration::ZERO).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("durable"), "{error}");
    thread::scope(|s| {
        let (options, waits) = support::waiting_options();
        let endpoint = &endpoint;
        let client = s.spawn(move || Channel::connect(endpoint, &options, SOON).unwrap());
        waits.recv().unwrap();
        let server = Server::serve(endpoint, &json()).unwrap();
        client.join().unwrap().send(&Value::Int(1), SOON).unwrap();
        assert!(!server.next(SOON).unwrap().unwrap().wants_reply());
    });
    // The spool accepts messages without a server.
    let client = Channel::connect(&endpoint, &json(), Duration::ZERO).unwrap();
    client.send(&Value::Int(2), Duration::ZERO).unwrap();
    client.close(SOON).unwrap();
    assert_eq!(names(&directory.join("server")).len(), 1);
}

#[test]
fn hundred_clients_at_once() {
    let (endpoint, directory) = place();
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        for i in 0..100i64 {
            let endpoint = &endpoint;
            s.spawn(move || {
                let client = Channel::connect(endpoint, &Options::default(), SOON).unwrap();
                for j in 0..5i64 {
                    let value = Value::Int(i * 100 + j);
                    assert_eq!(client.call(&value, SOON).unwrap().get("1").unwrap(), &value);
                }
            });
        }
        for _ in 0..500 {
            serve_one(&server);
        }
    });
    for folder in ["server", "client"] {
        assert!(names(&directory.join(folder)).is_empty(), "{folder}");
    }
    assert_eq!(names(&directory.join("hello")), ["server"]);
}

#[test]
fn services_side_by_side_do_not_meet() {
    let all: Vec<_> = (0..3).map(|_| place().0).collect();
    let servers: Vec<_> = all.iter().map(|e| Server::serve(e, &Options::default()).unwrap()).collect();
    let clients: Vec<_> =
        all.iter().map(|e| Channel::connect(e, &Options::default(), SOON).unwrap()).collect();
    for (i, client) in clients.iter().enumerate() {
        client.send(&Value::from(i as u64), SOON).unwrap();
    }
    for (i, server) in servers.iter().enumerate() {
        assert_eq!(server.next(SOON).unwrap().unwrap().value().unwrap(), &Value::from(i as u64));
        assert_eq!(server.next(Duration::ZERO).err().unwrap().kind(), ErrorKind::Timeout);
    }
}

#[test]
fn server_s_side_of_a_channel_sends_to_its_one_client() {
    let (endpoint, directory) = place();
    let server = Channel::open(&endpoint, &json(), SOON).unwrap();
    assert_eq!(server.try_send(&Value::Int(0)).unwrap_err().kind(), ErrorKind::Full);
    let client = Channel::connect(&endpoint, &called("panel"), SOON).unwrap();
    for i in 1..4i64 {
        server.send(&Value::Int(i), SOON).unwrap();
    }
    assert_eq!(names(&directory.join("client"))[0], "00000000000000000001.panel.data.json");
    for i in 1..3i64 {
        assert_eq!(client.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
    }
    // Unconsumed messages wait for its next incarnation.
    drop(client);
    let client = Channel::connect(&endpoint, &called("panel"), SOON).unwrap();
    assert_eq!(client.recv(SOON).unwrap().value().unwrap(), &Value::Int(2));
    assert_eq!(client.recv(SOON).unwrap().value().unwrap(), &Value::Int(3));
    let other = Channel::connect(&endpoint, &called("other"), SOON).unwrap();
    let error = server.send(&Value::Int(4), SOON).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert!(error.to_string().contains("serve") && error.to_string().contains("other, panel"), "{error}");
    drop((client, other));
    assert_eq!(server.call(&Value::Int(5), SOON).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn full_spool_blocks_the_sender_until_there_is_room() {
    let (endpoint, directory) = place();
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let mut options = Options::default();
    options.set("buffer", &Value::Int(100_000)).unwrap();
    let client = Channel::connect(&endpoint, &options, SOON).unwrap();
    let payload = linkspan::Payload::from_bytes(linkspan::Encoding::Raw, vec![7; 10_000].into());
    for _ in 0..10 {
        client.send_payload(&payload, Duration::ZERO).unwrap();
    }
    assert_eq!(client.send_payload(&payload, Duration::ZERO).unwrap_err().kind(), ErrorKind::Full);
    let patience = Duration::from_millis(20);
    assert_eq!(client.send_payload(&payload, patience).unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(names(&directory.join("server")).len(), 10);
    thread::scope(|s| {
        let (sender, blocked) = channel();
        let (client, payload) = (&client, &payload);
        s.spawn(move || {
            sender.send(()).unwrap();
            client.send_payload(payload, SOON).unwrap();
        });
        blocked.recv().unwrap();
        for _ in 0..11 {
            assert_eq!(server.next(SOON).unwrap().unwrap().body().len(), 10_000);
        }
    });
    // An otherwise empty spool accepts a message over the limit of waiting bytes.
    drop(server.next(Duration::ZERO));
    let long = linkspan::Payload::from_bytes(linkspan::Encoding::Raw, vec![7; 300_000].into());
    client.send_payload(&long, SOON).unwrap();
    assert_eq!(server.next(SOON).unwrap().unwrap().body().len(), 300_000);
}

#[test]
fn removed_directory_is_reported_and_the_next_start_works() {
    let (endpoint, directory) = place();
    let server = Server::serve(&endpoint, &json()).unwrap();
    let client = Channel::connect(&endpoint, &called("panel"), SOON).unwrap();
    client.send(&Value::Int(1), SOON).unwrap();
    server.next(SOON).unwrap().unwrap();
    fs::remove_dir_all(&directory).unwrap();
    let error = server.next(SOON).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert!(error.to_string().contains("was removed while it was in use"), "{error}");
    drop(server);
    let error = client.send(&Value::Int(2), Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected, "{error}");
    let server = Server::serve(&endpoint, &json()).unwrap();
    client.send(&Value::Int(3), SOON).unwrap();
    assert_eq!(server.next(SOON).unwrap().unwrap().value().unwrap(), &Value::Int(3));
}

#[test]
fn spool_has_no_hang_up_and_close_waits_for_no_peer() {
    let (endpoint, directory) = place();
    let listener = Listener::listen(&endpoint, &json()).unwrap();
    for i in 0..3i64 {
        let client = Channel::connect(&endpoint, &json(), SOON).unwrap();
        client.send(&Value::Int(i), SOON).unwrap();
        client.close(Duration::ZERO).unwrap();
        assert_eq!(client.send(&Value::Null, SOON).unwrap_err().kind(), ErrorKind::InvalidState);
    }
    // One channel serves all clients, and misses none.
    let server = listener.accept(SOON).unwrap();
    assert_eq!(listener.accept(Duration::ZERO).err().unwrap().kind(), ErrorKind::Timeout);
    for i in 0..3i64 {
        assert_eq!(server.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
    }
    assert_eq!(server.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    assert!(server.events().iter().all(|event| event.kind != linkspan::EventKind::Disconnected));
    // Delivered messages count as consumed when it closes.
    let client = Channel::connect(&endpoint, &json(), SOON).unwrap();
    client.send(&Value::Int(3), SOON).unwrap();
    server.recv(SOON).unwrap();
    client.send(&Value::Int(4), SOON).unwrap();
    assert!(server.poll().unwrap());
    server.close(SOON).unwrap();
    listener.close();
    assert_eq!(names(&directory.join("server")).len(), 1, "one that was only looked for was not consumed");
}

#[test]
fn manually_acknowledged_messages_stay_until_then() {
    let (endpoint, directory) = place();
    let mut by_hand = json();
    by_hand.set("ack", &"manual".into()).unwrap();
    let left = || names(&directory.join("server")).len();
    let server = Server::serve(&endpoint, &by_hand).unwrap();
    let client = Channel::connect(&endpoint, &json(), SOON).unwrap();
    for i in 0..4i64 {
        client.send(&Value::Int(i), SOON).unwrap();
    }
    server.next(SOON).unwrap().unwrap();
    let second = server.next(SOON).unwrap().unwrap();
    server.next(SOON).unwrap().unwrap();
    assert_eq!(left(), 4);
    second.ack().unwrap();
    assert_eq!(left(), 2);
    server.close(SOON).unwrap();
    assert_eq!(left(), 2);
    let server = Channel::open(&endpoint, &by_hand, SOON).unwrap();
    assert_eq!(server.recv(SOON).unwrap().value().unwrap(), &Value::Int(2));
    assert!(server.poll().unwrap());
    assert_eq!(left(), 2);
    server.ack().unwrap();
    assert_eq!(left(), 1, "what was only looked for is not meant");
    server.close(SOON).unwrap();
    assert_eq!(left(), 1);
}

#[test]
fn descriptor_signals_every_message_to_an_event_loop() {
    let (endpoint, _) = place();
    let server = Channel::open(&endpoint, &json(), SOON).unwrap();
    let client = Channel::connect(&endpoint, &json(), SOON).unwrap();
    let fd = server.fileno().unwrap();
    let found_nothing = || {
        assert_eq!(server.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        false
    };
    support::rests(fd, "a spool without a message", found_nothing);
    for round in 0..3 {
        for i in 0..3 {
            client.send(&Value::Int(i), SOON).unwrap();
        }
        for i in 0..3 {
            assert!(support::readable(fd, 60), "message {i} of round {round} waits");
            assert_eq!(server.try_recv().unwrap().value().unwrap(), &Value::Int(i));
        }
        assert_eq!(server.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        support::rests(fd, "a spool that is read", found_nothing);
    }
    let (endpoint, _) = place();
    let server = Server::serve(&endpoint, &json()).unwrap();
    let client = Channel::connect(&endpoint, &json(), SOON).unwrap();
    let fd = server.fileno().unwrap();
    server.next(Duration::ZERO).err().unwrap();
    for i in 0..3i64 {
        let asked = client.start_call(&client.encode(&Value::Int(i)).unwrap(), SOON).unwrap();
        assert!(support::readable(fd, 60));
        serve_one(&server);
        client.finish_call(&asked, SOON).unwrap();
        server.next(Duration::ZERO).err().unwrap();
    }
}
