//! Tests of memory files, our own and a peer's.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use super::Access;
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};

use super::{
    Children, KeptPage, Mapping, MemoryFile, PeerFile, PeerMemory, SEALS, peer_file, prefer_large_pages,
};
use crate::error::ErrorKind;

fn bytes_of(memory: &PeerMemory, at: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![MaybeUninit::new(0xEE); length];
    memory.copy_out(at, &mut bytes);
    // SAFETY: initialised above.
    bytes.into_iter().map(|b| unsafe { b.assume_init() }).collect()
}

#[test]
fn bytes_written_by_one_side_are_read_by_the_other() {
    let own = MemoryFile::create("linkspan-test", 8192).unwrap();
    let peer = PeerMemory::open(&own.sent(), 4096, 8192).unwrap();
    assert_eq!(peer.length(), 8192);
    own.copy_in(5, b"hello");
    own.copy_in_racing(4096, b"eleven bytes");
    own.word(8184).store(7, Ordering::Relaxed);
    assert_eq!(bytes_of(&peer, 4, 7), b"\0hello\0");
    let mut racing = [MaybeUninit::new(0); 12];
    peer.copy_out_racing(4096, &mut racing);
    // SAFETY: initialised above.
    assert_eq!(racing.map(|b| unsafe { b.assume_init() }), *b"eleven bytes");
    assert_eq!(peer.load(8184, Ordering::Relaxed), 7);
}

#[test]
fn page_is_kept_only_where_a_written_one_has_its_room() {
    let elsewhere = std::fs::File::open("/proc/self/comm").unwrap();
    assert_eq!(KeptPage::map(&elsewhere).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn others_cannot_write_shrink_or_unseal_the_file() {
    let own = MemoryFile::create("linkspan-test", 4096).unwrap();
    assert!(rustix::fs::ftruncate(own.fd(), 0).is_err());
    assert!(rustix::fs::ftruncate(own.fd(), 8192).is_err());
    assert!(rustix::io::write(own.fd(), b"x").is_err());
    assert!(Mapping::map(own.fd(), 4096, Access::Write, Children::Without).is_err());
    assert!(rustix::fs::fcntl_add_seals(own.fd(), SealFlags::WRITE).is_err());
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    assert!(rustix::fs::fallocate(own.fd(), punch, 0, 4096).is_err());
}

#[test]
fn advice_on_large_pages_leaves_a_block_as_it_was() {
    for length in [0, 100, (4 << 20) - 1, 4 << 20, (5 << 20) + 17] {
        let mut block = vec![0xA5u8; length];
        prefer_large_pages(&mut block);
        assert!(block.iter().all(|byte| *byte == 0xA5));
    }
}

#[test]
fn foreign_descriptor_is_refused_with_its_kind() {
    let refused = |fd: BorrowedFd<'_>| {
        PeerMemory::open(&fd.try_clone_to_owned().unwrap().into(), 4096, 8192).unwrap_err()
    };
    let unsealed = rustix::fs::memfd_create("t", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&unsealed, 4096).unwrap();
    assert_eq!(refused(unsealed.as_fd()).kind(), ErrorKind::Malformed);
    rustix::fs::fcntl_add_seals(&unsealed, SEALS).unwrap();
    assert!(refused(unsealed.as_fd()).text().contains("holes"));
    let small = MemoryFile::create("t", 4096).unwrap();
    assert!(PeerMemory::open(&small.sent(), 8192, 8192).unwrap_err().text().contains("4096"));
    assert!(PeerMemory::open(&small.sent(), 512, 1024).is_err());
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    assert_eq!(refused(socket.as_fd()).kind(), ErrorKind::Malformed);
}

/// A sealed file with only its first page, whose total is balanced by pages after its end.
fn balanced(pages: usize) -> OwnedFd {
    let file = rustix::fs::memfd_create("t", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    let (length, page) = (pages as u64 * 4096, 4096);
    rustix::fs::ftruncate(&file, length).unwrap();
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, page).unwrap();
    rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, length, length - page).unwrap();
    rustix::fs::fcntl_add_seals(&file, SEALS).unwrap();
    let stat = rustix::fs::fstat(&file).unwrap();
    assert_eq!((stat.st_size as u64, stat.st_blocks as u64 * 512), (length, length));
    file
}

#[test]
fn holes_that_pages_behind_the_end_make_up_for_are_found() {
    let file = balanced(8);
    let refused = PeerMemory::open_for_arrays(file.as_fd(), 4096, 1 << 20).unwrap_err();
    assert!(refused.kind() == ErrorKind::Malformed && refused.text().contains("holes"), "{refused}");
    let refused = PeerMemory::open(&file.into(), 4096, 1 << 20).unwrap_err();
    assert!(refused.text().contains("holes"), "{refused}");
}

#[test]
fn kernels_without_cachestat_find_holes_and_whole_files_alike() {
    let whole = MemoryFile::create("t", 64 << 10).unwrap();
    assert!(peer_file::resident(whole.fd(), 0, 64 << 10).unwrap());
    assert!(peer_file::resident(whole.fd(), 4096, 8192).unwrap());
    assert!(!peer_file::resident(balanced(8).as_fd(), 0, 8 * 4096).unwrap());
}

#[test]
fn long_file_is_examined_in_slices() {
    let length = 2 * PeerFile::SLICE as usize + 4096;
    let own = MemoryFile::create("t", length).unwrap();
    let mut sent = own.sent();
    let steps: Vec<bool> = (0..3).map(|_| sent.examine().unwrap()).collect();
    assert_eq!(steps, [false, false, true]);
    assert_eq!(PeerMemory::open(&sent, 4096, length).unwrap().length(), length);
    // A hole in a later slice is found with that slice.
    let mut holed: PeerFile = balanced(length / 4096).into();
    assert!(holed.examine().is_err_and(|e| e.kind() == ErrorKind::Malformed));
}
