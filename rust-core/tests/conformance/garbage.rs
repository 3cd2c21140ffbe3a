//! Invalid bytes from a hostile program: the receiver reports an error, and other peers continue.

use std::fs::{self, File, OpenOptions, read_dir, read_link, read_to_string};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use linkspan::{ErrorKind, Options, Value, latest};

use crate::conformance::roles::{Other, Role};
use crate::conformance::sides::{Place, Tx, carries, check_error, next, options};
use crate::support::SOON;

const WORDS: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nthese words are no message of this protocol, of no length at all";

pub fn invalid_bytes_are_refused_and_other_peers_continue(place: &Place) {
    match place.nature.name {
        "dgram" => in_a_mailslot(place),
        "spool" => in_a_spool(place),
        "file" => in_a_file(place),
        "journal" => behind_a_journal(place),
        _ => {
            first_words(place);
            in_a_link(&place.another());
        }
    }
}

fn first_words(place: &Place) {
    let (tx, rx) = place.pair();
    carries(&tx, &rx);
    for words in [WORDS, &WORDS[..5], &[0; 4096], &[0xff; 200]] {
        let answer = match place.nature.name {
            "tcp" => {
                let mut stream = TcpStream::connect(place.endpoint.strip_prefix("tcp://").unwrap()).unwrap();
                stream.set_read_timeout(Some(SOON)).unwrap();
                stream.write_all(words).unwrap();
                // The listener may already have refused and disconnected it.
                let _ = stream.shutdown(Shutdown::Write);
                answered(&mut stream)
            }
            "fifo" => {
                // No answer comes over a pipe: the bytes stay there until a hello arrives.
                OpenOptions::new().write(true).open(place.path()).unwrap().write_all(words).unwrap();
                Vec::new()
            }
            _ => {
                let mut stream = UnixStream::connect(place.path()).unwrap();
                stream.set_read_timeout(Some(SOON)).unwrap();
                stream.write_all(words).unwrap();
                // The listener may already have refused and disconnected it.
                let _ = stream.shutdown(Shutdown::Write);
                answered(&mut stream)
            }
        };
        assert!(answer.is_empty() || answer.starts_with(b"LKSP"), "{answer:?}");
        carries(&tx, &rx);
    }
    rx.is_empty();
    drop(tx);
    carries(&place.tx(), &rx);
}

fn answered(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        // The other side closed without reading everything.
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {}
        read => drop(read.unwrap()),
    }
    bytes
}

fn in_a_link(place: &Place) {
    let unharmed = place.another();
    let (tx, rx) = unharmed.pair();
    carries(&tx, &rx);
    let receiver = place.rx();
    let mut foreign = Other::start(place, Role::Garble);
    foreign.wait_for("sent");
    assert_eq!(receiver.recv().unwrap().value().unwrap(), &Value::from("good"));
    foreign.go_on();
    foreign.wait_for("garbled");
    let error = receiver.recv().unwrap_err();
    check_error(&error, ErrorKind::Malformed, place);
    carries(&tx, &rx);
    // The peer is no longer admitted, so another may connect. A pipe has one client until its end.
    let one_at_a_time = place.nature.name == "fifo";
    if one_at_a_time {
        check_error(&place.try_tx(&[], SOON).err().unwrap(), ErrorKind::AddressInUse, place);
        drop(foreign.kill());
        carries(&place.tx(), &receiver);
    } else {
        carries(&place.tx(), &receiver);
        drop(foreign.kill());
    }
    receiver.is_empty();
}

/// Runs the hostile peer: after one message it writes invalid bytes to every descriptor and mapping.
pub fn play(place: &Place, print_word: fn(&str), wait: fn()) {
    let tx = place.try_tx(&[("client_id", "foreign".into())], SOON).unwrap();
    tx.send(&Value::from("good")).unwrap();
    print_word("sent");
    wait();
    write_into_own_memory();
    let mut eventfds = Vec::new();
    for entry in read_dir("/proc/self/fd").unwrap() {
        let entry = entry.unwrap();
        let Ok(leads_to) = read_link(entry.path()) else { continue };
        let leads_to = leads_to.display().to_string();
        let number = entry.file_name().into_string().unwrap().parse().unwrap();
        // SAFETY: no other thread closes the descriptor: this process has one thread.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if leads_to.contains("eventfd") {
            eventfds.push(fd);
        } else if leads_to.starts_with("socket:") || leads_to.contains(".fifo") {
            // An unwritable descriptor is a reading end, or a socket of the library's own.
            let _ = rustix::io::write(fd, &[WORDS, WORDS, WORDS].concat());
        }
    }
    for eventfd in eventfds {
        let _ = rustix::io::write(eventfd, &[1; 8]);
    }
    print_word("garbled");
    wait();
}

/// Overwrites the rings that this process has mapped, after the page that describes them.
fn write_into_own_memory() {
    let memory = OpenOptions::new().write(true).open("/proc/self/mem").unwrap();
    let maps = read_to_string("/proc/self/maps").unwrap();
    for line in maps.lines().filter(|line| line.contains("memfd:linkspan") && line.contains("rw-s")) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        memory.write_all_at(&vec![0xab; (to - from - 4096) as usize], from + 4096).unwrap();
    }
}

fn in_a_mailslot(place: &Place) {
    let (tx, rx) = place.pair();
    let foreign = UnixDatagram::unbound().unwrap();
    let all: [&[u8]; 5] = [b"", b"x", WORDS, &[0; 64], &[0xff; 5000]];
    for datagram in all {
        foreign.send_to(datagram, place.path()).unwrap();
        carries(&tx, &rx);
    }
    rx.is_empty();
    let crate::conformance::sides::Rx::Channel(channel) = &rx else {
        panic!("a mailslot is read over a channel")
    };
    let stat = |which| channel.stats().at(which).unwrap().as_u64().unwrap();
    assert_eq!((stat("dropped"), stat("missed")), (all.len() as u64, 0), "each is counted");
}

fn in_a_spool(place: &Place) {
    let (tx, rx) = place.pair();
    let names = ["a.json", "b.cbor", "00000000000000000007.foreign.json"];
    for name in names {
        let begun = place.path().join("server").join(format!(".{name}.tmp"));
        fs::write(&begun, WORDS).unwrap();
        fs::rename(&begun, place.path().join("server").join(name)).unwrap();
        carries(&tx, &rx);
    }
    rx.is_empty();
    for name in names {
        assert_eq!(
            fs::read(place.path().join("rejected").join(name)).unwrap(),
            WORDS,
            "{name} is kept in the directory of rejected files"
        );
    }
}

fn in_a_file(place: &Place) {
    let (tx, rx) = place.pair();
    carries(&tx, &rx);
    let whole = fs::read(place.path()).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for bytes in [WORDS, &whole[..whole.len() - 1], &damaged] {
        fs::write(place.path(), bytes).unwrap();
        let error = latest(&place.endpoint, &Options::default(), Duration::ZERO).unwrap_err();
        check_error(&error, ErrorKind::Corrupt, place);
        assert!(error.offset().is_some(), "the error has an offset: {error}");
        tx.send(&Value::from("valid")).unwrap();
        while next(&tx, &rx).value().unwrap() != &Value::from("valid") {}
    }
}

fn behind_a_journal(place: &Place) {
    let segment = |place: &Place| {
        let files = read_dir(place.path()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|e| e == "segment")).max().unwrap()
    };
    let add = |place: &Place| {
        OpenOptions::new().append(true).open(segment(place)).unwrap().write_all(WORDS).unwrap()
    };
    let (tx, rx) = place.pair();
    carries(&tx, &rx);
    // Bytes after the last acknowledged record are not read; the next message overwrites them.
    add(place);
    rx.is_empty();
    carries(&tx, &rx);
    add(place);
    drop(tx);
    let tx: Tx = place.tx();
    carries(&tx, &rx);
    rx.is_empty();
    damaged_messages(&place.another(), segment);
}

/// An acknowledged record with a wrong check sum is reported once, and the next message is read.
fn damaged_messages(place: &Place, segment: impl Fn(&Place) -> std::path::PathBuf) {
    let (tx, rx) = place.pair();
    for text in ["the first", "the second", "the third"] {
        tx.send(&Value::from(text)).unwrap();
    }
    let file: File = OpenOptions::new().write(true).open(segment(place)).unwrap();
    let bytes = fs::read(segment(place)).unwrap();
    let at = bytes.windows(10).position(|window| window == b"the second").unwrap();
    file.write_all_at(b"THE", at as u64).unwrap();
    assert_eq!(rx.recv().unwrap().value().unwrap(), &Value::from("the first"));
    let error = rx.recv().unwrap_err();
    check_error(&error, ErrorKind::Corrupt, place);
    assert!(error.text().contains(".segment"), "the error names the file: {error}");
    assert_eq!(rx.recv().unwrap().value().unwrap(), &Value::from("the third"));
    let again = place.try_rx_with(&options(&[("from", "first".into())])).unwrap();
    assert_eq!(again.recv().unwrap().value().unwrap(), &Value::from("the first"));
}
