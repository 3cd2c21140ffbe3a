//! Plain framing: lines and raw bytes, between Linkspan and programs without it.

mod calls;
mod channels;
mod limits;
mod random;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use linkspan::{
    Channel, Encoding, ErrorKind, Framing, Listener, Options, Publisher, RemoteFailure, Server, Subscriber,
    Value, codec, latest, registry,
};

use crate::support::{SOON, name, readable};

fn lines() -> Options {
    let mut options = Options::default();
    options.framing = Framing::Lines;
    options
}

fn raw() -> Options {
    let mut options = Options::default();
    options.framing = Framing::Raw;
    options
}

fn json(text: &str) -> Value {
    codec::decode(text.as_bytes(), Encoding::Json).unwrap()
}

/// The other side, with only sockets and text.
struct PlainPeer {
    read: BufReader<UnixStream>,
    write: UnixStream,
}

fn path(endpoint: &str) -> PathBuf {
    let file = endpoint.strip_prefix("unix:").unwrap();
    if file.starts_with('/') {
        return file.into();
    }
    let file = file.replace('/', "@");
    PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap()).join(file + ".unix")
}

/// Returns a name outside the runtime directory, where sockets without a lock are swept.
fn elsewhere() -> String {
    let directory = PathBuf::from(format!("{}-elsewhere", path(&name("unix")).parent().unwrap().display()));
    std::fs::create_dir_all(&directory).unwrap();
    format!("unix:{}/{}", directory.display(), name("unix").replace([':', '/'], "-"))
}

impl PlainPeer {
    fn over(stream: UnixStream) -> PlainPeer {
        stream.set_read_timeout(Some(SOON)).unwrap();
        PlainPeer { read: BufReader::new(stream.try_clone().unwrap()), write: stream }
    }

    fn connect(endpoint: &str) -> PlainPeer {
        PlainPeer::over(UnixStream::connect(path(endpoint)).unwrap())
    }

    fn send_text(&mut self, text: &str) {
        self.write.write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.read.read_line(&mut line).unwrap();
        line
    }

    fn hang_up_writing(&self) {
        self.write.shutdown(Shutdown::Write).unwrap();
    }
}

/// Runs a server of three methods on a thread, until it gets `end`.
fn with_server(options: &Options, test: impl FnOnce(&str)) -> Server {
    let endpoint = name("unix");
    let server = Server::serve(&endpoint, options).unwrap();
    thread::scope(|s| {
        s.spawn(|| {
            while let Ok(Some(request)) = server.next(SOON) {
                let number = |path: &str| request.get(path).and_then(Value::as_i64);
                let word =
                    |path: &str| request.get(path).and_then(Value::as_text).unwrap_or_default().to_owned();
                if !request.wants_reply() {
                    assert_eq!(request.reply(&Value::Null).unwrap_err().kind(), ErrorKind::InvalidState);
                    if word("op") == "end" {
                        break;
                    }
                    continue;
                }
                match word("method").as_str() {
                    "sum" => request
                        .reply(&Value::from(
                            number("params/0").unwrap_or(0) + number("params/1").unwrap_or(0),
                        ))
                        .unwrap(),
                    "drop" => {}
                    _ => {
                        let failure = RemoteFailure {
                            code: -32601,
                            kind: "math.unknown".into(),
                            text: "no such method".into(),
                            data: codec::encode(request.value().unwrap(), Encoding::Cbor).unwrap(),
                        };
                        request.fail(&failure).unwrap();
                    }
                }
            }
        });
        test(&endpoint);
        PlainPeer::connect(&endpoint).send_text("{\"op\":\"end\"}\n");
    });
    server
}
