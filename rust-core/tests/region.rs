//! `Region`: memory of each kind that another program shares, with the layout of a C program.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio, id};
use std::sync::OnceLock;

use linkspan::{DType, Error, ErrorKind, Layout, Region, Value};

const TABLE: &str = "
    u64 writes            # odd while it writes
    bool valid; f64 celsius; i8 small; u32 count
    char name[16]; i16 raw[8]; bytes blob[3]
    c64 z; c128 wide; u16 grid[2][3]; f32 last";

fn program() -> &'static Path {
    static PROGRAM: OnceLock<(PathBuf, tempfile::TempDir)> = OnceLock::new();
    let (program, _folder) = PROGRAM.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("vendor_table");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/faults/vendor_table.c");
        let compiled = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&program, &source])
            .arg("-lrt")
            .status()
            .expect("a C compiler called cc");
        assert!(compiled.success());
        (program, folder)
    });
    program
}

struct Vendor {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Vendor {
    fn start(kind: &str, place: &str) -> (Vendor, Vec<(String, usize)>) {
        let mut child = Command::new(program())
            .args([kind, place])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut vendor = Vendor { child, orders, answers };
        let mut offsets = Vec::new();
        while offsets.last().is_none_or(|(name, _): &(String, usize)| name != "sizeof") {
            let line = vendor.answer();
            let (name, at) = line.split_once(' ').expect("a name and an offset");
            offsets.push((name.to_owned(), at.parse().unwrap()));
        }
        (vendor, offsets)
    }

    fn begin(&mut self, order: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        // At the end of its commands it removes its table.
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

/// Returns a number that no other running process has.
fn key(of: u32) -> u32 {
    0x4c00_0000 | (id() << 4 & 0x00ff_fff0) | of
}

/// Returns each kind: the vendor's name of the memory, and Linkspan's.
fn kinds(test: u32, folder: &Path) -> [(&'static str, String, String); 3] {
    let posix = format!("/linkspan-test-{}-{test}", id());
    let path = folder.join("table").display().to_string();
    [
        ("posix", posix.clone(), format!("posix:{posix}")),
        ("sysv", format!("{:#x}", key(test)), format!("sysv:{:#x}", key(test))),
        ("path", path.clone(), format!("path:{path}")),
    ]
}

#[test]
fn struct_is_read_as_c_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let layout: Layout = TABLE.parse().unwrap();
    for (kind, theirs, ours) in kinds(1, folder.path()) {
        let (vendor, offsets) = Vendor::start(kind, &theirs);
        let expected: Vec<(&str, usize)> = layout.offsets().chain([("sizeof", layout.size())]).collect();
        let found: Vec<(&str, usize)> = offsets.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        assert_eq!(expected, found);
        let region = Region::open(&ours).unwrap();
        assert_eq!(region.source(), ours);
        assert_eq!(region.len().unwrap(), layout.size() as u64);
        assert!(!region.is_empty().unwrap());
        let table = region.read(&layout).unwrap();
        let at = |path: &str| table.at(path).unwrap().clone();
        assert_eq!((at("valid"), at("small"), at("count")), (true.into(), Value::Int(-3), Value::Int(7)));
        assert_eq!((at("celsius"), at("last")), (7.5.into(), 1.75.into()));
        assert_eq!((at("name"), at("blob")), ("oven".into(), Value::Bytes(vec![1, 2, 3].into())));
        let raw = at("raw");
        assert_eq!(raw.as_ndarray().unwrap().elements::<i16>().unwrap()[..], [7, 6, 5, 4, 3, 2, 1, 0]);
        let grid = at("grid");
        let grid = grid.as_ndarray().unwrap();
        assert_eq!(grid.as_ref().shape, [2, 3]);
        assert_eq!(grid.elements::<u16>().unwrap()[..], [0, 10, 20, 30, 40, 50]);
        for (name, dtype, parts) in [("z", DType::C64, [1.0, 2.0]), ("wide", DType::C128, [3.0, -4.0])] {
            let z = at(name);
            let z = z.as_ndarray().unwrap();
            assert_eq!(z.as_ref().dtype, dtype);
            let bytes = z.as_ref().data;
            let got = if dtype == DType::C64 {
                [0, 4].map(|i| f64::from(f32::from_le_bytes(bytes[i..i + 4].try_into().unwrap())))
            } else {
                [0, 8].map(|i| f64::from_le_bytes(bytes[i..i + 8].try_into().unwrap()))
            };
            assert_eq!(got, parts, "{name}");
        }
        let name = offsets.iter().find(|(name, _)| name == "name").unwrap().1 as u64;
        assert_eq!(region.bytes(name, 6).unwrap(), b"oven\0\0");
        assert_eq!(region.bytes(name + 1, 3).unwrap(), b"ven");
        assert_eq!(region.text(name + 1).unwrap(), "ven");
        assert_eq!(region.text(region.len().unwrap()).unwrap(), "");
        let beyond = region.bytes(layout.size() as u64 - 3, 4).unwrap_err();
        assert_eq!((beyond.kind(), beyond.endpoint()), (ErrorKind::OutOfRange, Some(&*ours)));
        assert!(beyond.text().contains(&format!("the memory has {} bytes", layout.size())), "{beyond}");
        assert_eq!(region.bytes(u64::MAX, 2).unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(region.bytes(0, 1 << 40).unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(region.read_at(1, &layout).unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(region.text(1 << 20).unwrap_err().kind(), ErrorKind::OutOfRange);
        drop(vendor);
        // Its owner has removed it; a process that has it open still reads it.
        assert_eq!(region.text(name).unwrap(), "oven");
        assert_eq!(Region::open(&ours).unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn struct_with_counted_writes_is_never_read_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let layout: Layout = TABLE.parse().unwrap();
    for (kind, theirs, ours) in kinds(2, folder.path()) {
        let (mut vendor, _offsets) = Vendor::start(kind, &theirs);
        let region = Region::open(&ours).unwrap();
        vendor.begin("write");
        let (mut whole, mut busy, mut last) = (0, 0, 0);
        while whole < 2000 {
            match region.read_stable(0, &layout, "writes") {
                Ok(table) => {
                    let writes = table.at("writes").unwrap().as_u64().unwrap();
                    assert!(writes >= last && writes % 2 == 0);
                    last = writes;
                    let count = table.at("count").unwrap().as_i64().unwrap();
                    assert_eq!(table.at("celsius").unwrap().as_f64().unwrap(), count as f64 + 0.5);
                    let raw = table.at("raw").unwrap().as_ndarray().unwrap().elements::<i16>().unwrap();
                    assert!(raw.iter().enumerate().all(|(k, raw)| *raw == (count - k as i64) as i16));
                    whole += 1;
                }
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::Stalled, "{e}");
                    busy += 1;
                    assert!(busy < 1_000_000, "the writer never let it be");
                }
            }
        }
        assert_eq!(vendor.answer(), "done");
        vendor.begin("stick");
        assert_eq!(vendor.answer(), "done");
        let error = region.read_stable(0, &layout, "writes").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stalled, "{error}");
        assert_eq!(region.read_stable(0, &layout, "none").unwrap_err().kind(), ErrorKind::Missing);
        assert_eq!(region.read_stable(0, &layout, "celsius").unwrap_err().kind(), ErrorKind::WrongType);
    }
}

#[test]
fn truncated_file_is_an_error_and_no_signal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    fs::write(&path, vec![7; 100_000]).unwrap();
    let region = Region::open(path.to_str().unwrap()).unwrap();
    assert_eq!(region.bytes(90_000, 10_000).unwrap(), [7; 10_000]);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(10).unwrap();
    assert_eq!(region.len().unwrap(), 10);
    assert_eq!(region.bytes(90_000, 10_000).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(region.bytes(0, 10).unwrap(), [7; 10]);
    file.set_len(0).unwrap();
    assert!(region.is_empty().unwrap());
    assert_eq!(region.bytes(0, 1).unwrap_err().kind(), ErrorKind::OutOfRange);
    std::thread::scope(|s| {
        let shrinks = s.spawn(|| {
            for _ in 0..300 {
                file.set_len(1 << 20).unwrap();
                file.set_len(5).unwrap();
            }
        });
        loop {
            let ends = shrinks.is_finished();
            match region.bytes(0, 1 << 20) {
                Ok(bytes) => assert_eq!(bytes.len(), 1 << 20),
                Err(e) => assert_eq!(e.kind(), ErrorKind::OutOfRange, "{e}"),
            }
            if ends {
                break;
            }
        }
    });
}

#[test]
fn text_ends_at_a_nul_or_with_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    let file = File::create(&path).unwrap();
    let long = "wörter ".repeat(3000);
    file.write_all_at(long.as_bytes(), 0).unwrap();
    let region = Region::open(&format!("path:{}", path.display())).unwrap();
    assert_eq!(region.text(0).unwrap(), long);
    file.write_all_at(b"\0", 9000).unwrap();
    assert_eq!(region.text(0).unwrap(), long[..9000]);
    file.write_all_at(b"\xff", 8000).unwrap();
    let error = region.text(0).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::Malformed, Some(8000)));
    let layout: Layout = "char first[9000]".parse().unwrap();
    let error = region.read(&layout).unwrap_err();
    assert_eq!(
        (error.kind(), error.path(), error.offset()),
        (ErrorKind::Malformed, Some("first"), Some(8000))
    );
}

/// 16 MiB, as in docs/security.md.
#[test]
fn end_of_a_text_is_searched_within_its_limit_alone() {
    const LIMIT: u64 = 16 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    let file = File::create(&path).unwrap();
    let region = Region::open(&format!("path:{}", path.display())).unwrap();
    file.write_all_at(&vec![b'a'; LIMIT as usize], 0).unwrap();
    assert_eq!(region.text(0).unwrap().len() as u64, LIMIT, "the memory ends at the limit");
    // The last byte of the search, and later ones.
    for (at, found) in [(LIMIT - 1, true), (LIMIT, false), (LIMIT + 100, false)] {
        file.set_len(LIMIT).unwrap();
        file.write_all_at(&[b'a'; 200], LIMIT - 1).unwrap();
        file.write_all_at(b"\0", at).unwrap();
        match region.text(0) {
            Ok(text) => assert!(found && text.len() as u64 == at, "a text of {} bytes", text.len()),
            Err(error) => assert!(!found && error.kind() == ErrorKind::TooLarge, "{at}: {error}"),
        }
        // From a later start, the end is within the limit again.
        assert_eq!(region.text(101).unwrap().len() as u64, at - 101);
    }
    let error = region.text(0).unwrap_err();
    assert!(error.to_string().contains("read it with bytes"), "{error}");
    // A hole of zeros costs only the bytes that are read.
    file.set_len(1 << 40).unwrap();
    assert_eq!(region.text(1 << 39).unwrap(), "");
}

#[test]
fn memory_longer_than_the_machine_s_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge");
    let file = File::create(&path).unwrap();
    file.set_len(1 << 43).unwrap();
    let region = Region::open(path.to_str().unwrap()).unwrap();
    let error = region.bytes(0, 1 << 43).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    file.write_all_at(&vec![b'x'; 17 << 20], 0).unwrap();
    let error = region.text(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(error.text().contains("16777216"), "{error}");
}

#[test]
fn offsets_at_the_end_of_all_numbers_are_out_of_range() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short");
    fs::write(&path, [0; 16]).unwrap();
    let region = Region::open(path.to_str().unwrap()).unwrap();
    let layout: Layout = "u64 first; u64 count".parse().unwrap();
    for offset in [u64::MAX, u64::MAX - 8, 1 << 63, 9] {
        for error in [
            region.bytes(offset, 8).unwrap_err(),
            region.bytes(8, offset as usize).unwrap_err(),
            region.text(offset).err().unwrap_or_else(|| Error::new(ErrorKind::OutOfRange, "")),
            region.read_at(offset, &layout).unwrap_err(),
            region.read_stable(offset, &layout, "count").unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::OutOfRange, "{offset}: {error}");
        }
    }
}

#[test]
fn posix_name_that_is_a_link_is_not_followed() {
    let name = format!("linkspan-link-{}", id());
    let link = Path::new("/dev/shm").join(&name);
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    let error = Region::open(&format!("posix:/{name}"));
    fs::remove_file(&link).unwrap();
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{error}");
    assert!(error.text().contains("is a link"), "{error}");
}

#[test]
fn file_under_a_lease_blocks_no_program() {
    use std::os::fd::AsRawFd;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leased");
    fs::write(&path, [0; 16]).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    // The holder gets a signal when another process needs the file. It is not SIGIO, which would end this program.
    // SAFETY: plain numbers, and a descriptor that is open.
    unsafe {
        assert_eq!(libc::fcntl(file.as_raw_fd(), 10 /* F_SETSIG */, libc::SIGURG), 0);
        assert_eq!(libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK), 0);
    }
    let error = Region::open(path.to_str().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stalled, "{error}");
    assert!(error.text().contains("lease"), "{error}");
}

#[test]
fn missing_name_is_reported_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").display().to_string();
    for (source, kind, hint) in [
        ("posix:/linkspan-no-such-memory", ErrorKind::NotFound, "start the program"),
        ("sysv:0x7fffff13", ErrorKind::NotFound, "ipcs -m"),
        (&*missing, ErrorKind::NotFound, "start the program"),
        ("posix:", ErrorKind::InvalidEndpoint, "a slash and a name"),
        ("posix:/a/b", ErrorKind::InvalidEndpoint, "a slash and a name"),
        ("posix:/..", ErrorKind::InvalidEndpoint, "a slash and a name"),
        ("sysv:x", ErrorKind::InvalidEndpoint, "32 bits"),
        ("sysv:0x100000000", ErrorKind::InvalidEndpoint, "32 bits"),
        ("sysv:0", ErrorKind::InvalidEndpoint, "private"),
        ("relative", ErrorKind::InvalidEndpoint, "absolute"),
        ("shm:x", ErrorKind::InvalidEndpoint, "posix:/name"),
        ("/dev", ErrorKind::InvalidEndpoint, "regular file"),
        ("/dev/zero", ErrorKind::InvalidEndpoint, "regular file"),
    ] {
        let error = Region::open(source).unwrap_err();
        assert_eq!((error.kind(), error.endpoint()), (kind, Some(source)), "{error}");
        assert!(error.text().contains(hint), "{error}");
    }
}

#[test]
fn memory_of_another_user_may_be_closed_to_us() {
    // SAFETY: reads a number.
    if unsafe { libc::geteuid() } != 0 {
        let error = Region::open("/etc/shadow").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("closed");
    fs::write(&path, "secret").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let source = path.display().to_string();
    // SAFETY: makes a segment of one page under a key of this process, which is removed below.
    let segment =
        unsafe { libc::shmget(key(3).cast_signed(), 4096, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) };
    assert!(segment >= 0);
    let errors = std::thread::spawn(move || {
        // SAFETY: the bare system call changes only this thread, which ends here.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, -1, 65534, -1) }, 0);
        [source, format!("sysv:{}", key(3))].map(|source| Region::open(&source).unwrap_err())
    })
    .join()
    .unwrap();
    // SAFETY: the segment made above.
    unsafe { libc::shmctl(segment, libc::IPC_RMID, std::ptr::null_mut()) };
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.text().contains("mode"), "{error}");
    }
}
