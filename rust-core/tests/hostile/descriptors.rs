//! Unexpected descriptors, including sockets that take long to close.

use super::*;

fn send_with(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> rustix::io::Result<usize> {
    let mut space = vec![std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut ancillary = rustix::net::SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(descriptors)));
    let flags = rustix::net::SendFlags::NOSIGNAL;
    rustix::net::sendmsg(stream, &[std::io::IoSlice::new(bytes)], &mut ancillary, flags)
}

/// A socket whose last close takes an hour; here the close is never the last.
struct Lingering(Option<TcpStream>);

impl Lingering {
    /// Returns one, and its other end, which must not be read.
    fn new() -> (Lingering, TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        while socket.write(&[7; 65_536]).is_ok() {}
        rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::from_secs(3_600))).unwrap();
        (Lingering(Some(socket)), other)
    }

    /// Sends it and closes it here, so the receiver is the last to close it. The kernel may refuse it.
    fn send(mut self, stream: &UnixStream, bytes: &[u8]) {
        use rustix::io::Errno;
        let sent = send_with(stream, bytes, &[self.0.as_ref().unwrap().as_fd()]);
        assert!(matches!(sent, Ok(_) | Err(Errno::PERM | Errno::PIPE | Errno::CONNRESET)), "{sent:?}");
        if sent.is_ok() {
            self.0.take();
        }
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            rustix::net::sockopt::set_socket_linger(socket, None).unwrap();
        }
    }
}

fn descriptors_that_linger_from_a_refused_user(transport: &str) {
    let shared = Shared::new(transport, &[]);
    let others: Vec<_> = (0..6).map(|_| Lingering::new()).collect();
    let (given, _unread): (Vec<_>, Vec<_>) = others.into_iter().unzip();
    shared.beside_good_clients(|| {
        support::as_user(NOBODY, NOBODY, || {
            for (i, given) in given.into_iter().enumerate() {
                let stream = shared.connect();
                let hello_bytes = &hello(hello_map())[..if i % 2 == 0 { 100 } else { 40 }];
                given.send(&stream, hello_bytes);
            }
        });
    });
}

#[test]
fn refused_user_whose_descriptors_linger_blocks_no_peer_over_shm() {
    descriptors_that_linger_from_a_refused_user("shm");
}

#[test]
fn refused_user_whose_descriptors_linger_blocks_no_peer_over_unix() {
    descriptors_that_linger_from_a_refused_user("unix");
}

#[test]
fn unexpected_descriptors_with_a_hello_are_malformed_and_closed() {
    let shared = Shared::new("shm", &[]);
    shared.beside_good_clients(|| {
        let (reader, pipe) = std::io::pipe().unwrap();
        for (what, count) in [("a pipe", 1), ("as many as the kernel takes", 253)] {
            let stream = shared.connect();
            let hello_bytes = hello(hello_map());
            assert_eq!(send_with(&stream, &hello_bytes, &vec![pipe.as_fd(); count]), Ok(hello_bytes.len()));
            let mut stream: Box<dyn Connection> = Box::new(stream);
            assert_eq!(refusal(&answer(&mut stream)), ErrorKind::Malformed, "{what}");
        }
        drop(pipe);
        assert!(
            support::readable(reader.as_raw_fd(), 60),
            "a process still holds the descriptors that were sent"
        );
    });
}

#[test]
fn lingering_descriptors_of_an_admitted_connection_block_no_peer() {
    let endpoint = name("unix");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let file = endpoint.split_once(':').unwrap().1.replace('/', "@") + ".unix";
    let path = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap()).join(file);
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let _closing = Closing(&server);
        let mut kept = Vec::new();
        for _ in 0..3 {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            stream.write_all(&hello(hello_map())).unwrap();
            stream.read_exact(&mut [0; HEADER]).unwrap();
            let (given, unread) = Lingering::new();
            given.send(&stream, &frame(Kind::Request, b"")[..40]);
            kept.push((stream, unread));
        }
        let good = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        good.call(&Value::Int(1), SOON).unwrap();
        drop(kept);
        good.call(&Value::Int(2), SOON).unwrap();
    });
}

#[test]
fn hostile_listener_with_descriptors_that_linger_stops_no_caller() {
    alone!(hostile_listener_with_descriptors_that_linger_stops_no_caller);
    for transport in ["shm", "unix"] {
        let shared = Shared::new(transport, &[]);
        let listener = std::os::unix::net::UnixListener::bind(&shared.path).unwrap();
        let (refusals, received) = std::sync::mpsc::channel();
        let endpoint = shared.endpoint.clone();
        // Detached: a hanging caller would hang for an hour.
        thread::spawn(move || {
            let refused = Channel::connect(&endpoint, &Options::default(), Duration::from_millis(300)).err();
            let _ = refusals.send(refused.unwrap().kind());
        });
        let (given, _unread) = Lingering::new();
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; HEADER]).unwrap();
        given.send(&stream, &hello(hello_map()));
        drop((stream, listener));
        let kind = received.recv_timeout(SOON).expect("the caller goes on");
        assert!(
            matches!(kind, ErrorKind::Malformed | ErrorKind::NotFound | ErrorKind::Stalled),
            "{transport}: {kind:?}"
        );
    }
}
