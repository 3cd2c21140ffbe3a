//! First messages that violate the protocol, and false publishers.

use super::*;

fn first_words(transport: &str) {
    beside_a_good_client(transport, |endpoint, _| {
        let good = hello(hello_map());
        let mut wrong_magic = good.clone();
        wrong_magic[0] = b'X';
        let mut wrong_version = good.clone();
        wrong_version[4] = 99;
        let mut wrong_check = good.clone();
        wrong_check[30] ^= 1;
        let too_long = frame(Kind::Hello, &vec![0; 100_000]);
        let not_a_hello = frame(Kind::Data, b"\x01");
        let mut repeated = encode(&Value::Map(hello_map()), Encoding::Cbor).unwrap();
        repeated[0] += 1;
        repeated.extend_from_slice(b"\x63pid\x01");
        let spoilt = |key: &str, value: Value| {
            let mut map = hello_map();
            map.insert(key.to_owned(), value);
            hello(map)
        };
        let mut short = hello_map();
        short.shift_remove("session");
        for (what, bytes, kind) in [
            (
                "garbage",
                b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nthat is no hello, whoever asks".to_vec(),
                ErrorKind::Malformed,
            ),
            ("wrong magic", wrong_magic, ErrorKind::Malformed),
            ("wrong version", wrong_version, ErrorKind::VersionMismatch),
            ("wrong check sum", wrong_check, ErrorKind::Malformed),
            ("too long", too_long, ErrorKind::Malformed),
            ("not a hello", not_a_hello, ErrorKind::Malformed),
            ("not CBOR", frame(Kind::Hello, b"\xff"), ErrorKind::Malformed),
            ("repeated key", frame(Kind::Hello, &repeated), ErrorKind::Malformed),
            ("missing key", hello(short), ErrorKind::Missing),
            ("wrong type", spoilt("pid", "one".into()), ErrorKind::WrongType),
            ("other versions", spoilt("versions", vec![7i64, 9].into()), ErrorKind::VersionMismatch),
            ("wrong pattern", spoilt("pattern", "publish".into()), ErrorKind::InvalidState),
        ] {
            let mut stream = raw(endpoint);
            stream.write_all(&bytes).unwrap();
            assert_eq!(refusal(&answer(&mut stream)), kind, "{what}");
        }
        // Half a hello, then a close; and a lasting connection that sends nothing.
        raw(endpoint).write_all(&good[..70]).unwrap();
        let _silent = raw(endpoint);
    });
}

#[test]
fn first_words_to_shm() {
    first_words("shm");
    beside_a_good_client("shm", |endpoint, _| {
        let mut stream = raw(endpoint);
        stream.write_all(&hello(hello_map())).unwrap();
        assert_eq!(refusal(&answer(&mut stream)), ErrorKind::Malformed, "no descriptors came along");
    });
}

#[test]
fn first_words_to_unix() {
    first_words("unix");
}

#[test]
fn first_words_to_tcp() {
    first_words("tcp");
    beside_a_good_client("tcp", |endpoint, _| {
        let bare = || {
            let stream = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            let stream: Box<dyn Connection> = Box::new(stream);
            stream
        };
        let mut stream = bare();
        stream.write_all(&hello(hello_map())).unwrap();
        assert_eq!(refusal(&answer(&mut stream)), ErrorKind::PermissionDenied, "no proof");
        let frame = |body: &[u8]| {
            let header = Header { body: body.len() as u64, ..Header::new(Kind::Hello, Encoding::Raw) };
            [&header.to_bytes()[..], body].concat()
        };
        let mut stream = bare();
        stream.write_all(&frame(&[1; 32])).unwrap();
        stream.read_exact(&mut [0; HEADER + 64]).unwrap();
        stream.write_all(&frame(&[2; 32])).unwrap();
        assert_eq!(refusal(&answer(&mut stream)), ErrorKind::PermissionDenied, "a wrong proof");
        let mut stream = bare();
        stream.write_all(&frame(&[1; 31])).unwrap();
        assert_eq!(refusal(&answer(&mut stream)), ErrorKind::PermissionDenied, "half a question");
        let _silent = bare();
    });
}

#[test]
fn hostile_publisher_is_refused() {
    // Elsewhere a listing test sweeps a socket without a lock that hangs up on it.
    alone!(hostile_publisher_is_refused);
    let endpoint = name("unix");
    let file = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap())
        .join(endpoint.split_once(':').unwrap().1.replace('/', "@") + ".unix");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&file).unwrap();
    thread::scope(|s| {
        s.spawn(|| {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                // A subscriber reconnects to a peer that hangs up before the hello.
                stream.read_exact(&mut [0; HEADER]).unwrap();
                stream
                    .write_all(b"I am no publisher, and sixty-four bytes are quickly said, aren't they?")
                    .unwrap();
            }
        });
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        let error = subscriber.recv(SOON).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Malformed, Some(0)), "{error}");
    });
    std::fs::remove_file(file).unwrap();
}

#[test]
fn publisher_whose_numbers_do_not_rise_from_one_is_malformed() {
    alone!(publisher_whose_numbers_do_not_rise_from_one_is_malformed);
    for numbers in [&[0_u64][..], &[1, 1], &[5, 3], &[2, 3, 0]] {
        let endpoint = name("unix");
        let file = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap())
            .join(endpoint.split_once(':').unwrap().1.replace('/', "@") + ".unix");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(&file).unwrap();
        let mut greeting = hello_map();
        greeting.insert("pattern".into(), "publish".into());
        thread::scope(|s| {
            let publishing = s.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                support::read_hello(&mut stream);
                stream.write_all(&hello(greeting)).unwrap();
                for sequence in numbers {
                    let header =
                        Header { sequence: *sequence, body: 1, ..Header::new(Kind::Data, Encoding::Cbor) };
                    stream.write_all(&[&header.to_bytes()[..], b"\x01"].concat()).unwrap();
                }
                stream
            });
            let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
            let stream = publishing.join().unwrap();
            for number in &numbers[..numbers.len() - 1] {
                // Missing messages below a later number are reported first.
                let message = subscriber.next(SOON).unwrap().unwrap();
                assert_eq!(message.sequence(), *number, "{numbers:?}");
            }
            let error = subscriber.next(SOON).unwrap_err();
            assert_eq!(
                (error.kind(), error.offset()),
                (ErrorKind::Malformed, Some(24)),
                "{numbers:?}: {error}"
            );
            drop(stream);
        });
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn silent_publisher_is_called_once_in_an_expired_wait() {
    alone!(silent_publisher_is_called_once_in_an_expired_wait);
    let endpoint = name("unix");
    let file = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap())
        .join(endpoint.split_once(':').unwrap().1.replace('/', "@") + ".unix");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&file).unwrap();
    listener.set_nonblocking(true).unwrap();
    let called = || std::iter::from_fn(|| listener.accept().ok()).collect::<Vec<_>>();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let kept = called();
    assert_eq!(kept.len(), 1);
    // Its publications in that time are not received; the program can know that.
    let events = subscriber.events();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Disconnected]);
    assert!(events[0].text.contains("neither received nor counted"), "{}", events[0].text);
    let error = subscriber.recv(Duration::from_millis(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stalled, "{error}");
    assert!(called().is_empty(), "that attempt was still under way");
    drop(kept);
    let error = subscriber.recv(Duration::from_millis(2)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Stalled | ErrorKind::Timeout), "{error}");
    assert!(called().len() <= 1);
    std::fs::remove_file(file).unwrap();
}
