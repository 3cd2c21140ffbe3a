//! Ways to mislead `beneath` in a directory of several users, and the refusals.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::directory::Directory;

const LIMIT: usize = 16;

fn folder() -> (tempfile::TempDir, Directory) {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::existing(folder.path()).unwrap();
    (folder, directory)
}

#[test]
fn reading_in_the_place_of_a_file_is_refused_without_waiting() {
    let (folder, directory) = folder();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o770)).unwrap();
    let beneath = directory.beneath();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("file"), "precious").unwrap();
    symlink("file", path("link")).unwrap();
    std::fs::hard_link(path("file"), path("twice")).unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), Mode::RWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    for (name, kind, expected) in [
        ("link", ErrorKind::PermissionDenied, "a symbolic link"),
        ("twice", ErrorKind::PermissionDenied, "2 names"),
        ("folder", ErrorKind::Corrupt, "a directory"),
        ("pipe", ErrorKind::Corrupt, "a named pipe"),
        ("socket", ErrorKind::Corrupt, "a socket"),
    ] {
        let error = beneath.read(name, LIMIT, RequiredOwner::AnyUser).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.text().contains(expected) && error.text().contains("remove it"), "{name}: {error}");
    }
    let error = beneath.directory("link", RequiredOwner::AnyUser).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    std::fs::remove_file(path("twice")).unwrap();
    let (bytes, facts) = beneath.read("file", LIMIT, RequiredOwner::Ours).unwrap().unwrap();
    assert_eq!((&bytes[..], facts.st_size), (&b"precious"[..], 8));
    assert!(beneath.read("missing", LIMIT, RequiredOwner::Ours).unwrap().is_none());
    for name in ["", ".", "..", "a/b", "../file"] {
        assert_eq!(
            beneath.read(name, LIMIT, RequiredOwner::Ours).unwrap_err().kind(),
            ErrorKind::InvalidEndpoint
        );
    }
}

#[test]
fn reading_is_bounded_however_long_the_file() {
    let (folder, directory) = folder();
    let file = std::fs::File::create(folder.path().join("long")).unwrap();
    for length in [LIMIT as u64 + 1, 2 << 30] {
        file.set_len(length).unwrap();
        let error = directory.beneath().read("long", LIMIT, RequiredOwner::Ours).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }
    file.set_len(LIMIT as u64).unwrap();
    let (bytes, _) = directory.beneath().read("long", LIMIT, RequiredOwner::Ours).unwrap().unwrap();
    assert_eq!(bytes, [0; LIMIT]);
}

#[test]
fn file_under_a_write_lease_is_stalled_and_not_waited_for() {
    let (folder, directory) = folder();
    let leased = std::fs::File::create(folder.path().join("leased")).unwrap();
    // SAFETY: the descriptor is open, and the command takes a number.
    assert_eq!(unsafe { libc::fcntl(leased.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) }, 0);
    // SIGIO at the opening would end this program. SAFETY: ignoring a signal touches no memory.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
    let error = directory.beneath().read("leased", LIMIT, RequiredOwner::Ours).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stalled, "{error}");
    assert!(error.text().contains("lease"), "{error}");
}

#[test]
fn replace_follows_no_link_and_sets_the_mode() {
    let (folder, directory) = folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("precious"), "precious").unwrap();
    symlink("precious", path("file")).unwrap();
    let beneath = directory.beneath();
    beneath.replace("file", b"new", 0o664, None).unwrap();
    assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "new");
    assert_eq!(path("file").symlink_metadata().unwrap().permissions().mode() & 0o777, 0o664);
    assert_eq!(std::fs::read_to_string(path("precious")).unwrap(), "precious");
    assert_eq!(beneath.create("file", 0o600, None).unwrap_err().kind(), ErrorKind::AddressInUse);
    std::fs::create_dir(path("folder")).unwrap();
    assert_eq!(beneath.replace("folder", b"", 0o600, None).unwrap_err().kind(), ErrorKind::AddressInUse);
    let mut names = beneath.names().unwrap();
    names.sort();
    assert_eq!(names, ["file", "folder", "precious"], "nothing that was begun stays");
}

#[test]
fn remove_tree_removes_links_and_keeps_targets() {
    let (folder, directory) = folder();
    let other = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(other.path().join("precious"), "").unwrap();
    std::fs::create_dir_all(path("tree/a/b")).unwrap();
    std::fs::write(path("tree/a/b/c"), "").unwrap();
    symlink(other.path(), path("tree/a/link")).unwrap();
    assert!(directory.beneath().remove_tree("tree").unwrap());
    assert!(!directory.beneath().remove_tree("tree").unwrap());
    assert!(!path("tree").exists() && other.path().join("precious").exists());
}

#[test]
fn files_of_another_user_are_neither_read_removed_nor_replaced() {
    let root = rustix::process::geteuid().is_root();
    assert!(root, "this test gives files to another user, so run it as root");
    let (folder, directory) = folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("file"), "theirs").unwrap();
    std::fs::create_dir(path("tree")).unwrap();
    for name in ["file", "tree"] {
        std::os::unix::fs::chown(path(name), Some(65534), None).unwrap();
    }
    let beneath = directory.beneath();
    for error in [
        beneath.read("file", LIMIT, RequiredOwner::Ours).unwrap_err(),
        beneath.read("file", LIMIT, RequiredOwner::Trusted).unwrap_err(),
        beneath.remove("file").unwrap_err(),
        beneath.replace("file", b"ours", 0o600, None).unwrap_err(),
        beneath.directory("tree", RequiredOwner::Ours).unwrap_err(),
        beneath.remove_tree("tree").unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.text().contains("uid 65534"), "{error}");
    }
    assert!(beneath.read("file", LIMIT, RequiredOwner::AnyUser).unwrap().is_some());
    assert_eq!(
        (std::fs::read_to_string(path("file")).unwrap(), path("file").metadata().unwrap().uid()),
        ("theirs".into(), 65534)
    );
    assert!(path("tree").exists());
    assert_eq!(beneath.names().unwrap().len(), 2);
}

#[test]
fn staged_names_lead_back_to_their_name() {
    let name = staged("x.shm").unwrap();
    assert_eq!(of_staged(&name).unwrap().0, "x.shm");
    assert_eq!(of_staged(".new.x.shm"), Some(("x.shm", "")));
    assert_eq!(of_staged(".new.x~12"), Some(("x~12", "")));
    assert_eq!(of_staged("x.shm"), None);
}
