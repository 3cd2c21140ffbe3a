//! Options by name and by builder, their refusals, and their table in the documents.

use super::nearest;
use super::*;
use crate::error::ErrorKind;
use crate::transport::kind::Transport;
use crate::value::Value;

#[test]
fn options_are_set_by_name_and_checked() {
    let mut options = Options::default();
    options.set("encoding", &"json".into()).unwrap();
    options.set("timeout", &Value::Null).unwrap();
    options.set("allow_uids", &vec![0i64, 33].into()).unwrap();
    assert_eq!((options.encoding, options.timeout), (Encoding::Json, Timeout::Forever));
    assert_eq!(options.allow_uids, [0, 33]);
    for (from, start) in [
        (Value::from("first"), StartAt::First),
        (Value::from("1970-01-01T00:00:01Z"), StartAt::Time(Timestamp(1_000_000_000))),
        (Value::Int(7), StartAt::Sequence(7)),
    ] {
        options.set("from", &from).unwrap();
        assert_eq!(options.from, Some(start));
    }
    for (name, value, kind) in [
        ("encoding", Value::from("xml"), ErrorKind::Unsupported),
        ("timeout", Value::from(-1.0), ErrorKind::OutOfRange),
        ("timeout", Value::from("1"), ErrorKind::WrongType),
        ("buffer", Value::from(1i64), ErrorKind::OutOfRange),
        ("spin", Value::from(101i64), ErrorKind::OutOfRange),
        ("client_id", Value::from("a b"), ErrorKind::InvalidEndpoint),
        ("colour", Value::Null, ErrorKind::Unsupported),
        ("schema", Value::from(true), ErrorKind::WrongType),
        ("schema", Value::from("/nowhere/power.toml"), ErrorKind::NotFound),
        ("schema", Value::from("name = \"a\"\ntype = \"nothing\"\n"), ErrorKind::Malformed),
        ("reply_schema", Value::from("/nowhere/power.toml"), ErrorKind::NotFound),
        ("validate", Value::from(true), ErrorKind::WrongType),
        ("validate", Value::from("never"), ErrorKind::Unsupported),
        ("ack", Value::from("never"), ErrorKind::Unsupported),
        ("group", Value::from("no such group"), ErrorKind::NotFound),
        ("from", Value::from(-1i64), ErrorKind::OutOfRange),
    ] {
        let error = options.set(name, &value).unwrap_err();
        assert_eq!((error.kind(), error.path()), (kind, Some(name)), "{error}");
    }
}

#[test]
fn durable_and_the_delivery_of_that_name_mean_one_thing_over_every_transport() {
    let by = [
        Options::default().with_durable(true),
        Options::default().with_delivery(Delivery::Durable),
        Options::default().with_durable(true).with_delivery(Delivery::Durable),
    ];
    for transport in Transport::all() {
        for used in [Use::Channel, Use::Request, Use::Publish, Use::Subscribe] {
            let plain = Options::default().check(transport, used);
            let found =
                by.each_ref().map(|options| options.check(transport, used).map_err(|e| e.to_string()));
            assert!(found.iter().all(|one| *one == found[0]), "{} {used:?}: {found:?}", transport.name());
            let can = transport.capabilities().durable;
            assert_eq!(found[0].is_ok(), plain.is_ok() && can, "{} {used:?}: {found:?}", transport.name());
        }
    }
    let durable: Vec<_> =
        Transport::all().filter(|one| one.capabilities().durable).map(|one| one.name()).collect();
    assert_eq!(durable, ["spool", "file", "journal"]);
}

#[test]
fn schema_option_is_a_path_or_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("power.toml"), "name = \"file\"\ntype = \"u8\"\n").unwrap();
    std::fs::write(path("a=b.toml"), "name = \"file\"\ntype = \"u8\"\n").unwrap();
    let set = |text: &str| {
        let mut options = Options::default();
        options.set("schema", &text.into()).map(|()| format!("{:?}", options.schema))
    };
    assert!(set(&path("power.toml")).unwrap().contains("file version"));
    assert!(set(&path("a=b.toml")).unwrap().contains("file version"), "a file wins over a text");
    assert!(set("name = \"text\"\ntype = \"u8\"").unwrap().contains("text version"));
    // One line is enough for a text.
    assert!(set("name=\"text\"").unwrap_err().text().starts_with("schema:1:1: a type is missing"));
    assert!(set("name = \"km/h\"").unwrap_err().text().starts_with("schema:1:8: "), "it is no path");
    assert!(set("fields = { a = \"u8\" }").unwrap_err().text().contains("needs a name"));
    // For a text that is neither, the error has both readings.
    let neither = set("powr.toml").unwrap_err();
    assert_eq!(neither.kind(), ErrorKind::NotFound);
    assert!(
        neither.text().contains("powr.toml") && neither.text().contains("not a schema in one line"),
        "{neither}"
    );
    let text = set(&path("c=d.toml")).unwrap_err();
    assert_eq!(text.kind(), ErrorKind::Malformed);
    assert!(text.text().contains("no file is called") && text.text().contains("schema:1:"), "{text}");
    assert_eq!(set("").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(set(&folder.path().display().to_string()).is_err());
    let long = "x".repeat(10 << 20);
    assert!(set(&long).unwrap_err().text().len() < 4096);
    assert!(set(&format!("name = {long}")).unwrap_err().text().len() < 4096);
}

#[test]
fn decimal_mode_error_proposes_the_octal_one() {
    let refused = |mode: i64| Options::default().set("mode", &mode.into()).unwrap_err().text().to_owned();
    assert!(refused(660).contains("0o660, which is 432"), "{}", refused(660));
    assert!(!refused(989).contains("did you mean"), "{}", refused(989));
    let mut options = Options::default();
    options.set("mode", &0o660i64.into()).unwrap();
    assert_eq!(options.mode, Some(0o660));
}

#[test]
fn impossible_fields_are_refused_when_an_object_is_made() {
    for (options, field, kind) in [
        (Options::default().with_client_id("a b"), "client_id", ErrorKind::InvalidEndpoint),
        (Options::default().with_mode(0o1777), "mode", ErrorKind::OutOfRange),
        (Options::default().with_buffer(1), "buffer", ErrorKind::OutOfRange),
        (Options::default().with_spin(Duration::from_micros(101)), "spin", ErrorKind::OutOfRange),
    ] {
        let error = options
            .check(
                "unix:x".parse::<crate::transport::endpoint::Endpoint>().unwrap().transport(),
                Use::Channel,
            )
            .unwrap_err();
        assert_eq!((error.kind(), error.path()), (kind, Some(field)), "{error}");
    }
}

#[test]
fn builders_set_the_same_options_as_names() {
    let parsed = Options::default()
        .with_encoding(Encoding::Json)
        .with_timeout(None)
        .with_client_id("plot")
        .with_buffer(8192)
        .with_max_message_size(100)
        .with_delivery(Delivery::Durable)
        .with_ack(Acknowledge::Manual)
        .with_idempotent(true)
        .with_replay(7, 8)
        .with_absent_clients(9)
        .with_framing(Framing::Raw)
        .with_durable(true)
        .with_mode(0o640)
        .with_group(5)
        .with_allow_uids([1, 2])
        .with_allow_gids([3])
        .with_from(StartAt::First)
        .with_segment_bytes(16384)
        .with_retain_bytes(1 << 20)
        .with_retain(Duration::from_secs(60))
        .with_retain_consumed(true)
        .with_locked(true)
        .with_shared(true)
        .with_view_bytes(true)
        .with_spin(Duration::from_micros(3))
        .with_linger(Duration::from_millis(500));
    let mut set = Options::default();
    for (name, value) in [
        ("encoding", Value::from("json")),
        ("timeout", Value::Null),
        ("client_id", "plot".into()),
        ("buffer", 8192.into()),
        ("max_message_size", 100.into()),
        ("delivery", "durable".into()),
        ("ack", "manual".into()),
        ("idempotent", true.into()),
        ("replay_count", 7.into()),
        ("replay_bytes", 8.into()),
        ("absent_clients", 9.into()),
        ("framing", "raw".into()),
        ("durable", true.into()),
        ("mode", 0o640.into()),
        ("group", 5.into()),
        ("allow_uids", vec![1i64, 2].into()),
        ("allow_gids", vec![3i64].into()),
        ("from", "first".into()),
        ("segment_bytes", 16384.into()),
        ("retain_bytes", (1 << 20).into()),
        ("retain_seconds", 60.0.into()),
        ("retain_consumed", true.into()),
        ("locked", true.into()),
        ("shared", true.into()),
        ("view_bytes", true.into()),
        ("spin", 3.into()),
        ("linger", 0.5.into()),
    ] {
        set.set(name, &value).unwrap();
    }
    assert_eq!(format!("{parsed:?}"), format!("{set:?}"));
    assert!(parsed.encoding_given && set.encoding_given && parsed.absent_clients == set.absent_clients);
}

#[test]
fn documents_have_every_option() {
    let o = Options::default();
    let or_none = |value: Option<u64>| value.map_or("none".to_owned(), |n| n.to_string());
    let rows = nearest::NAMES.into_iter().map(|name| {
        let (default, meaning, when, python, php) = match name {
            "encoding" => (o.encoding.name().to_owned(), "how values are written: json, cbor, bson, smile, raw", "people or other programs read the bytes: a file, a spool", "publisher(\"lab/t\", encoding=\"json\")", "publisher('lab/t', encoding: 'json')"),
            "timeout" => (match o.timeout { Timeout::After(time) => time.as_secs_f64().to_string(), other => format!("{other:?}") }, "how long a call waits, in seconds; null: without end", "a program has to notice sooner, or may wait for longer", "subscribe(\"lab/t\", timeout=2.5)", "subscribe('lab/t', timeout: 2.5)"),
            "client_id" => (format!("{:?}", o.client_id), "a name that a restarted program has again: 1 to 64 letters, digits, . _ -", "the program is started again and goes on where it stopped", "subscribe(\"journal:lab/log\", client_id=\"plot\")", "subscribe('journal:lab/log', client_id: 'plot')"),
            "buffer" => (format!("{:?}", o.buffer), "bytes of a ring, of a queue, of the messages that wait in a spool", "messages are megabytes all the time, or subscribers are slow now and then", "publisher(\"lab/t\", buffer=4 << 20)", "publisher('lab/t', buffer: 4 << 20)"),
            "max_message_size" => (o.max_message_size.to_string(), "the longest message that is sent or received, in bytes", "messages are longer; or peers shall use less memory", "listen(\"lab/fft\", max_message_size=1 << 20)", "listen('lab/fft', max_message_size: 1 << 20)"),
            "delivery" => (format!("{:?}", o.delivery), "latest, best_effort, at_least_once, durable; none: the default of the pattern", "the newest value alone counts, or a channel may lose messages when a program restarts", "subscribe(\"lab/t\", delivery=\"latest\")", "subscribe('lab/t', delivery: 'latest')"),
            "ack" => (format!("{:?}", o.ack).to_lowercase(), "when a message counts as consumed: auto (at the next recv, at reply) or manual (at ack())", "the work for a message ends later than the next recv, as with a commit to a database", "listen(\"lab/fft\", ack=\"manual\")", "listen('lab/fft', ack: 'manual')"),
            "idempotent" => (o.idempotent.to_string(), "requests may be carried out twice: if a server dies, its requests go to the next one", "a repeated request does no harm, such as a query", "connect(\"lab/sum\", idempotent=True)", "connect('lab/sum', idempotent: true)"),
            "replay_count" => (o.replay_count.to_string(), "the most messages that are kept to be sent again; beyond them send waits", "a sender shall wait sooner for a slow receiver", "connect(\"lab/sum\", replay_count=1000)", "connect('lab/sum', replay_count: 1000)"),
            "replay_bytes" => (o.replay_bytes.to_string(), "the most bytes of these messages; a single one is always accepted", "a sender has little memory, or a receiver is often away for long", "connect(\"lab/sum\", replay_bytes=1 << 20)", "connect('lab/sum', replay_bytes: 1 << 20)"),
            "absent_clients" => (o.absent_clients.to_string(), "the most disconnected clients for which a listener keeps messages; the state of further ones is dropped and reported as an event", "more clients than these come and go", "listen(\"lab/fft\", absent_clients=2000)", "listen('lab/fft', absent_clients: 2000)"),
            "framing" => (o.framing.name().to_owned(), "linkspan, lines, raw", "the other side is a program without Linkspan ([plain framing](plain-framing.md))", "serve(\"unix:lab/rpc\", framing=\"lines\")", "serve('unix:lab/rpc', framing: 'lines')"),
            "durable" => (o.durable.to_string(), "accepted messages are on the disk", "messages must outlive a power cut: in a spool or a file; a journal always has it", "publisher(\"file:lab/state\", durable=True)", "publisher('file:lab/state', durable: true)"),
            "mode" => (format!("{:?}", o.mode), "the mode of new files; none: 0600, or 0660 in a directory that a group shares", "other users connect, or must not", "serve(\"unix:lab/sums\", mode=0o660)", "serve('unix:lab/sums', mode: 0660)"),
            "group" => (format!("{:?}", o.group), "the group of new files, by number or name", "one group of users connects", "serve(\"unix:lab/sums\", group=\"sensors\")", "serve('unix:lab/sums', group: 'sensors')"),
            "allow_uids" => (format!("{:?}", o.allow_uids), "users that may connect; empty: every user that the mode admits", "the mode admits more users than shall connect", "serve(\"unix:lab/sums\", allow_uids=[1000])", "serve('unix:lab/sums', allow_uids: [1000])"),
            "allow_gids" => (format!("{:?}", o.allow_gids), "groups that may connect", "the mode admits more groups than shall connect", "serve(\"unix:lab/sums\", allow_gids=[100])", "serve('unix:lab/sums', allow_gids: [100])"),
            "from" => (format!("{:?}", o.from), "the position from which a journal is read: first, newest, a number, a time", "a subscriber without client_id wants old messages", "subscribe(\"journal:lab/log\", from_=\"first\")", "subscribe('journal:lab/log', from: 'first')"),
            "segment_bytes" => (or_none(o.segment_bytes), "bytes of a journal's segment; none: 32 MiB, less if retain_bytes is small", "messages shall be deleted in smaller steps, or found faster by time", "publisher(\"journal:lab/log\", segment_bytes=8 << 20)", "publisher('journal:lab/log', segment_bytes: 8 << 20)"),
            "retain_bytes" => (or_none(o.retain_bytes), "a journal's oldest segments are deleted while all together are longer", "the journal goes on forever, and the disk is finite", "publisher(\"journal:lab/log\", retain_bytes=1 << 30)", "publisher('journal:lab/log', retain_bytes: 1 << 30)"),
            "retain_seconds" => (format!("{:?}", o.retain_seconds), "a journal's segments whose newest message is older are deleted; a pause between two writers counts at most a quarter", "old messages have no use, or may not be kept", "publisher(\"journal:lab/log\", retain_seconds=7 * 86400)", "publisher('journal:lab/log', retain_seconds: 7 * 86400)"),
            "retain_consumed" => (o.retain_consumed.to_string(), "a journal's segments that all named subscribers have consumed are deleted", "the journal is a queue for subscribers with a client_id", "publisher(\"journal:lab/log\", retain_consumed=True)", "publisher('journal:lab/log', retain_consumed: true)"),
            "locked" => (o.locked.to_string(), "a file: is written in place under its own lock", "programs without Linkspan read it under fcntl locks", "publisher(\"file:lab/setpoint\", locked=True)", "publisher('file:lab/setpoint', locked: true)"),
            "shared" => (o.shared.to_string(), "several processes may serve the name, each with this option, and share its requests", "one worker is not enough ([a queue of work](how-to/work-queue.md))", "serve(\"spool:lab/jobs\", shared=True)", "serve('spool:lab/jobs', shared: true)"),
            "replace" => (o.replace.to_string(), "a publisher takes over a name that another publisher of this process has, and its subscribers", "the same code runs again, as a cell of a notebook", "publisher(\"lab/t\", replace=True)", "publisher('lab/t', replace: true)"),
            "view_bytes" => (o.view_bytes.to_string(), "long received byte strings stay in the sender's memory until the message is dropped, as arrays do; `shm:` copies nothing", "images or files of more than 64 KiB are read once; not for parsing bytes of an untrusted sender", "subscribe(\"lab/image\", view_bytes=True)", "subscribe('lab/image', view_bytes: true)"),
            "schema" => ("none".to_owned(), "the schema of messages: the path of a file, or a text in the notation ([schemas](schema.md)); compared when the two sides connect", "programs of several authors have to agree on messages", "publisher(\"lab/power\", schema=\"power.toml\")", "publisher('lab/power', schema: 'power.toml')"),
            "reply_schema" => ("none".to_owned(), "the schema of replies, for servers and their callers", "replies have a separate type", "serve(\"lab/power\", reply_schema=\"power.toml\")", "serve('lab/power', reply_schema: 'power.toml')"),
            "validate" => ("none".to_owned(), "which values are checked against the schema: send, receive, both", "values come from outside, or code is being developed", "publisher(\"lab/power\", schema=\"power.toml\", validate=\"send\")", "publisher('lab/power', schema: 'power.toml', validate: 'send')"),
            "spin" => (o.spin.as_micros().to_string(), "microseconds that a receiver polls shared memory before it sleeps; at most 100", "answers come within 100 µs and each microsecond counts; 0 with few processors", "subscribe(\"lab/t\", spin=100)", "subscribe('lab/t', spin: 100)"),
            "linger" => (o.linger.as_secs().to_string(), "seconds that a channel which ends without close waits for the peer to consume its messages ([linger](#linger))", "a program ends right after its last send, and does not call close", "connect(\"lab/sum\", linger=2.0)", "connect('lab/sum', linger: 2.0)"),
            "on_unconsumed" => ("none".to_owned(), "a callback with the number of unconsumed messages of a channel that ended without close, in addition to the line on stderr", "a program counts its losses itself", "connect(\"lab/sum\", on_unconsumed=print)", "connect('lab/sum', on_unconsumed: var_dump(...))"),
            "on_wait" => ("none".to_owned(), "a callback about every 100 ms while a call waits; it may end the wait", "a window, a progress bar or a stop button has to go on during the wait", "subscribe(\"lab/t\", on_wait=lambda: True)", "subscribe('lab/t', on_wait: fn() => true)"),
            new => panic!("the option {new} has no line in docs/options.md"),
        };
        let default = if default == "None" { "none".to_owned() } else { default };
        [format!("`{name}`"), default, meaning.to_owned(), when.to_owned(), format!("`{python}`"), format!("`{php}`")]
    });
    crate::documents::check(
        "options",
        &crate::documents::table(["option", "default", "meaning", "change it when", "Python", "PHP"], rows),
    );
}
