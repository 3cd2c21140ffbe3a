//! Peers over `fifo:` that break the protocol.

use super::*;

/// Opens both pipes of a name, like a program without locks; newer pipes than these.
fn pipes(endpoint: &str, than: Option<&std::fs::File>) -> (std::fs::File, std::fs::File) {
    use std::os::unix::fs::MetadataExt;
    let file = endpoint.split_once(':').unwrap().1.replace('/', "@") + ".fifo";
    let path = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap()).join(file);
    let reply = path.with_extension("fifo.reply");
    let number = |file: &std::fs::File| file.metadata().unwrap().ino();
    // The two pipes of a pair get their names in sequence, after the previous answer.
    loop {
        let requests = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let answers = std::fs::OpenOptions::new().read(true).write(true).open(&reply).unwrap();
        let is = |file: &std::fs::File, path| number(file) == std::fs::metadata(path).unwrap().ino();
        let is_later = than.is_none_or(|than| number(than) != number(&requests));
        if is_later && is(&answers, &reply) && is(&requests, &path) {
            return (requests, answers);
        }
    }
}

fn numbered(body: &[u8], number: u64) -> Vec<u8> {
    let header = Header {
        body: body.len() as u64,
        sequence: number,
        flags: linkspan::frame::flags::BODY_CHECKED,
        body_check: crc32c::crc32c(body),
        ..Header::new(Kind::Hello, Encoding::Cbor)
    };
    [&header.to_bytes()[..], body].concat()
}

/// Holds the lock of a client whose hello has this number, while the file is open.
fn hold(endpoint: &str, number: u64) -> std::fs::File {
    let file = endpoint.split_once(':').unwrap().1.replace('/', "@");
    let name = format!("{file}.fifo#client#{number:016x}");
    let hash =
        name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let path = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap()).join(".lock");
    let lock = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let what = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: (hash >> 2) as i64,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open, and the structure lives through the call.
    let done = unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&lock), libc::F_OFD_SETLK, &what) };
    assert_eq!(done, 0);
    lock
}

fn next_frame(pipe: &mut std::fs::File) -> (Header, Vec<u8>) {
    let mut head = [0; HEADER];
    pipe.read_exact(&mut head).unwrap();
    let header = Header::from_bytes(&head).unwrap();
    let mut body = vec![0; header.body as usize];
    pipe.read_exact(&mut body).unwrap();
    (header, [&head[..], &body].concat())
}

#[test]
fn first_words_into_a_pipe() {
    beside_a_good_client("fifo", |endpoint, server| {
        let good = encode(&Value::Map(hello_map()), Encoding::Cbor).unwrap();
        // Bytes that are not a hello get no answer, and hide no later hello: their sender is unknown.
        let mut damaged = numbered(&good, 3);
        *damaged.last_mut().unwrap() ^= 1;
        let (mut requests, _unread) = pipes(endpoint, None);
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &vec![0xaa; 300_000],
            &numbered(&good, 3)[..70],
            &damaged,
            &hello(hello_map()),
            &frame(Kind::Hello, &vec![0; 100_000]),
            &b"LKSP".repeat(1000),
        ] {
            requests.write_all(bytes).unwrap();
        }
        let mut short = hello_map();
        short.shift_remove("session");
        let short = encode(&Value::Map(short), Encoding::Cbor).unwrap();
        // The lock of this number is free, so its sender is dead.
        requests.write_all(&numbered(&good, 3)).unwrap();
        for (number, body, kind) in [
            (5, &short[..], ErrorKind::Missing),
            (7, b"\xff", ErrorKind::Malformed),
            (9, b"\x01", ErrorKind::WrongType),
        ] {
            let (next, mut answers) = pipes(endpoint, Some(&requests));
            requests = next;
            let _lives = hold(endpoint, number);
            requests.write_all(&numbered(body, number)).unwrap();
            let (header, bytes) = next_frame(&mut answers);
            assert_eq!((header.correlation, refusal(&bytes)), (number, kind));
        }
        // An admitted client then sends invalid bytes; the other client continues.
        let (mut requests, mut answers) = pipes(endpoint, Some(&requests));
        let _lives = hold(endpoint, 11);
        requests.write_all(&numbered(&good, 11)).unwrap();
        assert_eq!(next_frame(&mut answers).0.correlation, 11);
        requests.write_all(&[0xaa; 200]).unwrap();
        let mut events = server.events();
        while !events.iter().any(|e| e.text.contains("begins with LKSP")) {
            thread::yield_now();
            events.extend(server.events());
        }
    });
}
