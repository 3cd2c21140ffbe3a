//! Hand-written peers over shared memory: a memory file with arbitrary words, and a connection.

use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use linkspan::codec::decode;
use linkspan::frame::{HEADER, Header, Kind};
use linkspan::{Encoding, Map, Value};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

use super::{SOON, hellos};

pub const PAGE: usize = 4096;
pub const RING: usize = 4096;
pub const LAYOUT: u64 = 9;
/// Words of a page.
pub const DATA_PARK: usize = 256;
pub const ROOM_PARK: usize = 384;
pub const ACKNOWLEDGED: usize = 144;
pub const TAKEN: usize = 152;
pub const ACK_WANTED: usize = 400;
pub const DATA_WAKE: usize = 640;
/// Words of a subscriber's page; the views have four bits per slot.
pub const CONSUMED: usize = 136;
pub const FILES_TAKEN: usize = 144;
pub const VIEWS: usize = 768;
pub const SLOTS: usize = 16;

/// A memory file of a hostile peer; any thread may write to it.
pub struct Memory {
    pub file: OwnedFd,
    words: &'static [AtomicU64],
}

impl Memory {
    pub fn new(magic: &[u8; 8], layout: u64, session: u64, ring: usize) -> Memory {
        let whole = (FallocateFlags::empty(), 0, (PAGE + ring) as u64);
        Memory::allocated(&[whole], magic, layout, session, ring)
    }

    /// Returns a file whose ring is a hole, with as many pages after its end.
    pub fn with_a_hole(magic: &[u8; 8], ring: usize) -> Memory {
        let (page, end) = (PAGE as u64, (PAGE + ring) as u64);
        let parts = [(FallocateFlags::empty(), 0, page), (FallocateFlags::KEEP_SIZE, end, ring as u64)];
        Memory::allocated(&parts, magic, LAYOUT, SESSION, ring)
    }

    fn allocated(
        parts: &[(FallocateFlags, u64, u64)],
        magic: &[u8; 8],
        layout: u64,
        session: u64,
        ring: usize,
    ) -> Memory {
        let bytes = PAGE + ring;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create("hostile", flags).unwrap();
        rustix::fs::ftruncate(&file, bytes as u64).unwrap();
        for (how, at, length) in parts {
            rustix::fs::fallocate(&file, *how, *at, *length).unwrap();
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh mapping of a file that never shrinks. It is never unmapped, so its words live as
        // long as the process.
        let words = unsafe {
            let start =
                rustix::mm::mmap(std::ptr::null_mut(), bytes, access, MapFlags::SHARED, &file, 0).unwrap();
            std::slice::from_raw_parts(start.cast::<AtomicU64>(), bytes / 8)
        };
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals).unwrap();
        let memory = Memory { file, words };
        let header = [u64::from_le_bytes(*magic), layout, 0, session, PAGE as u64, ring as u64];
        header.into_iter().enumerate().for_each(|(i, word)| memory.store(i * 8, word));
        memory
    }

    pub fn store(&self, at: usize, value: u64) {
        self.words[at / 8].store(value, Ordering::SeqCst);
    }
}

pub fn socket_of(endpoint: &str) -> PathBuf {
    let (transport, name) = endpoint.split_once(':').unwrap();
    let file = format!("{}.{transport}", name.replace('/', "@"));
    PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap()).join(file)
}

fn hello_of(pattern: &str, session: u64) -> Map {
    let mut members = hellos::hello_map();
    members.insert("pattern".into(), pattern.into());
    members.insert("session".into(), i64::try_from(session).unwrap().into());
    members
}

pub fn hello(pattern: &str, session: u64) -> Vec<u8> {
    hellos::hello(hello_of(pattern, session))
}

pub fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    assert!(send_unless_gone(socket, bytes, descriptors), "the other side has gone");
}

pub fn send_unless_gone(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> bool {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(descriptors.is_empty() || ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
    let sent = rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL);
    if matches!(sent, Err(Errno::PIPE | Errno::CONNRESET)) {
        return false;
    }
    assert_eq!(sent.unwrap(), bytes.len());
    true
}

pub fn receive(socket: &UnixStream) -> (Header, Value, Vec<OwnedFd>) {
    // A publisher's ring, and the files of its slots.
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut header = [0; HEADER];
    let mut into = [IoSliceMut::new(&mut header)];
    let got = rustix::net::recvmsg(socket, &mut into, &mut ancillary, RecvFlags::WAITALL).unwrap();
    assert_eq!(got.bytes, HEADER, "a whole header");
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    let header = Header::from_bytes(&header).unwrap();
    let mut rest = vec![0; header.body_offset() - HEADER + header.body as usize];
    (&*socket).read_exact(&mut rest).unwrap();
    let body = decode(&rest[header.body_offset() - HEADER..], Encoding::Cbor).unwrap();
    (header, body, descriptors)
}

pub struct Peer {
    pub socket: UnixStream,
    pub memory: Memory,
    pub theirs: Vec<OwnedFd>,
}

pub const SESSION: u64 = 4711;

pub fn connect(endpoint: &str) -> UnixStream {
    let socket = UnixStream::connect(socket_of(endpoint)).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

pub fn client(endpoint: &str) -> Peer {
    let (socket, memory) = (connect(endpoint), Memory::new(b"LINKSHM1", LAYOUT, SESSION, RING));
    send(&socket, &hello("channel", SESSION), &[memory.file.as_fd()]);
    let_in(socket, memory)
}

pub fn subscriber(endpoint: &str) -> Peer {
    let (socket, memory) = (connect(endpoint), Memory::new(b"LINKSUB1", LAYOUT, SESSION, 0));
    send(&socket, &hello("publish", SESSION), &[memory.file.as_fd()]);
    let_in(socket, memory)
}

pub fn subscriber_with_slots(endpoint: &str) -> Peer {
    let (socket, memory) = (connect(endpoint), Memory::new(b"LINKSUB1", LAYOUT, SESSION, 0));
    let mut members = hello_of("publish", SESSION);
    members.insert("slots".into(), (SLOTS as i64).into());
    send(&socket, &hellos::hello(members), &[memory.file.as_fd()]);
    let (header, body, theirs) = receive(&socket);
    assert_eq!(header.kind, Kind::Hello, "{body:?}");
    Peer { socket, memory, theirs }
}

fn let_in(socket: UnixStream, memory: Memory) -> Peer {
    let (header, body, theirs) = receive(&socket);
    assert_eq!((header.kind, theirs.len()), (Kind::Hello, 1), "{body:?}");
    Peer { socket, memory, theirs }
}
