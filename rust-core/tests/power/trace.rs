//! Records a program's changes of a directory with `strace`, which sees every call.
//!
//! An unknown call that could change a file ends the test. The record is applied to the end and compared with
//! the real files, byte for byte.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::disk::{Disk, Inode, ROOT, Step};

const CALLS: &str = "%file,close,close_range,dup,dup2,dup3,fcntl,lseek,write,writev,pwrite64,pwritev,pwritev2,ftruncate,\
fallocate,fsync,fdatasync,sync,syncfs,sync_file_range,mmap,sendfile,copy_file_range,splice,io_uring_setup,fchdir";

const AT_EMPTY_PATH: i64 = 0x1000;
const O_CREAT: i64 = 0o100;
const O_TRUNC: i64 = 0o1000;
const O_APPEND: i64 = 0o2000;
const O_TMPFILE: i64 = 0o20_000_000;
const DUPLICATES: [i64; 2] = [0, 0x406];
const MAP_SHARED_OR_VALIDATE: i64 = 3;
const PROT_WRITE: i64 = 2;

/// Held while a program is started.
///
/// A starting program holds every file that another thread is writing, and a spool ignores such files.
pub static STARTING: RwLock<()> = RwLock::new(());

/// Runs a program on the contents of a disk; returns its steps there.
pub fn record(disk: &Disk, root: &Path, mut program: Command) -> Result<Vec<Step>, String> {
    disk.now().write(root);
    let log = root.with_extension("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-xx", "-X", "raw", "-s", "16777216", "-e", &format!("trace={CALLS}"), "-o"]);
    strace.arg(&log).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        strace.env(name, value.unwrap_or_default());
    }
    program = strace;
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = {
        let _alone = STARTING.write().unwrap_or_else(PoisonError::into_inner);
        program.spawn()
    };
    let out = started
        .expect("strace has to be installed, see tools/apt.sh")
        .wait_with_output()
        .expect("strace is waited for");
    if !out.status.success() {
        let stderr = String::from_utf8_lossy(&out.stderr);
        return Err(format!("the program did not come to its end: {}: {stderr}", out.status));
    }
    let text = std::fs::read_to_string(&log).unwrap();
    let root = std::fs::canonicalize(root).unwrap();
    let mut recorder = Recorder::new(disk.clone(), root.to_str().unwrap().to_owned());
    text.lines().for_each(|line| recorder.line(line));
    std::fs::remove_file(&log).unwrap();
    if let Some(difference) = recorder.disk.now().differs(&root) {
        panic!("something went past the record: {difference}");
    }
    Ok(recorder.steps)
}

struct Call {
    name: String,
    args: Vec<String>,
}

#[derive(Clone)]
struct Open {
    inode: Inode,
    appends: bool,
    /// Shared by all duplicates.
    offset: Arc<Mutex<usize>>,
}

impl Open {
    fn new(inode: Inode) -> Open {
        Open { inode, appends: false, offset: Arc::default() }
    }
}

struct Recorder {
    disk: Disk,
    steps: Vec<Step>,
    root: String,
    open: HashMap<i64, Open>,
    begun: HashMap<u32, Call>,
}

impl Recorder {
    fn new(disk: Disk, root: String) -> Recorder {
        Recorder { disk, steps: Vec::new(), root, open: HashMap::new(), begun: HashMap::new() }
    }

    fn line(&mut self, line: &str) {
        let (thread, rest) = line.trim_start().split_once(' ').expect("a line begins with the thread");
        let (thread, rest) = (thread.parse().expect("a thread has a number"), rest.trim_start());
        if rest.starts_with("+++") || rest.starts_with("---") {
            return;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let call = self.begun.remove(&thread).unwrap_or_else(|| panic!("nothing to resume: {line}"));
            let result = resumed.rsplit_once(" = ").map_or("?", |(_, result)| result);
            return self.ends(thread, call, result);
        }
        let (name, rest) = rest.split_once('(').unwrap_or_else(|| panic!("no call: {line}"));
        let name = name.to_owned();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            let call = Call { name, args: arguments(begun) };
            self.begins(thread, &call);
            self.begun.insert(thread, call);
            return;
        }
        let (args, result) = rest.rsplit_once(" = ").unwrap_or_else(|| panic!("no result: {line}"));
        let args = args.trim_end().strip_suffix(')').unwrap_or_else(|| panic!("no end: {line}"));
        let call = Call { name, args: arguments(args) };
        self.begins(thread, &call);
        self.ends(thread, call, result);
    }

    fn step(&mut self, step: Step) {
        self.disk.play(&step);
        self.steps.push(step);
    }

    fn begins(&mut self, thread: u32, call: &Call) {
        match call.name.as_str() {
            // Output counts from the start of the call. A sync covers the writes before its start.
            "write" if call.number(0) == 1 => {
                let text = String::from_utf8(call.bytes(1)).expect("it tells text");
                text.lines().for_each(|line| self.step(Step::Printed(line.to_owned())));
            }
            "fsync" | "fdatasync" => {
                if let Some(inode) = self.open.get(&call.number(0)).map(|open| open.inode) {
                    self.step(Step::SyncBegins(thread, inode));
                }
            }
            // Another thread may get this number for another file before the end of this call is seen.
            "close" => drop(self.open.remove(&call.number(0))),
            "close_range" => self.open.retain(|fd, _| *fd < call.number(0) || *fd > call.number(1)),
            _ => {}
        }
    }

    fn ends(&mut self, thread: u32, call: Call, result: &str) {
        let result = number(result.split(' ').next().unwrap_or("?"));
        let Some(result) = result.filter(|result| *result >= 0) else { return };
        let open = |n: usize| self.open.get(&call.number(n)).cloned();
        match call.name.as_str() {
            "openat" => self.opened(&call, call.number(0), 1, call.number(2), result),
            "openat2" => self.opened(&call, call.number(0), 1, call.field(2, "flags="), result),
            "open" => self.opened(&call, -100, 0, call.number(1), result),
            "creat" => self.opened(&call, -100, 0, O_CREAT | O_TRUNC, result),
            "dup" | "dup2" | "dup3" => self.duplicated(open(0), result),
            "fcntl" if DUPLICATES.contains(&call.number(1)) => self.duplicated(open(0), result),
            "lseek" => {
                if let Some(open) = open(0) {
                    *open.offset.lock().unwrap() = result as usize;
                }
            }
            "write" | "writev" => {
                if let Some(open) = open(0) {
                    let mut offset = open.offset.lock().unwrap();
                    if open.appends {
                        *offset = self.disk.length(open.inode);
                    }
                    self.written(open.inode, *offset, call.bytes(1), result as usize);
                    *offset += result as usize;
                }
            }
            "pwrite64" | "pwritev" | "pwritev2" => {
                if let Some(open) = open(0) {
                    self.written(open.inode, call.number(3) as usize, call.bytes(1), result as usize);
                }
            }
            "ftruncate" => {
                if let Some(open) = open(0) {
                    self.step(Step::Resize(open.inode, call.number(1) as usize));
                }
            }
            "truncate" => {
                if let Some((directory, name)) = self.place(-100, &call.text(0)) {
                    let inode = self.disk.look(directory, &name).expect("what is cut is there");
                    self.step(Step::Resize(inode, call.number(1) as usize));
                }
            }
            "fallocate" => {
                let keeps_size = call.number(1) == 1;
                assert!(keeps_size || open(0).is_none(), "fallocate of another kind is not understood");
            }
            "fsync" | "fdatasync" => {
                if let Some(open) = open(0) {
                    self.step(Step::SyncEnds(thread, open.inode));
                }
            }
            "mkdir" => self.made_directory(-100, &call.text(0)),
            "mkdirat" => self.made_directory(call.number(0), &call.text(1)),
            "unlink" | "rmdir" => self.removed(-100, &call.text(0)),
            "unlinkat" => self.removed(call.number(0), &call.text(1)),
            "rename" => self.renamed((-100, call.text(0)), (-100, call.text(1))),
            "renameat" => self.renamed((call.number(0), call.text(1)), (call.number(2), call.text(3))),
            "renameat2" => {
                assert!(call.number(4) & 2 == 0, "an exchange of two names is not understood");
                self.renamed((call.number(0), call.text(1)), (call.number(2), call.text(3)));
            }
            "link" => self.linked((-100, call.text(0)), (-100, call.text(1)), 0),
            "linkat" => {
                let (from, to) = ((call.number(0), call.text(1)), (call.number(2), call.text(3)));
                self.linked(from, to, call.number(4));
            }
            "mmap" => {
                let shared = call.number(3) & MAP_SHARED_OR_VALIDATE != 2 && call.number(2) & PROT_WRITE != 0;
                assert!(
                    !shared || open(4).is_none(),
                    "what is written by way of memory goes past the record"
                );
            }
            "sync" | "syncfs" | "sync_file_range" | "io_uring_setup" => {
                panic!("{} is not understood", call.name)
            }
            "symlink" | "symlinkat" | "mknod" | "mknodat" => {
                let path = call.text(if call.name == "symlink" { 1 } else { call.args.len() - 2 });
                assert!(!path.starts_with(&self.root), "{} of {path} is not understood", call.name);
            }
            "sendfile" | "copy_file_range" | "splice" => {
                let to = if call.name == "sendfile" { 0 } else { 2 };
                assert!(open(to).is_none(), "{} is not understood", call.name);
            }
            _ => {}
        }
    }

    fn duplicated(&mut self, open: Option<Open>, to: i64) {
        match open {
            Some(open) => drop(self.open.insert(to, open)),
            None => drop(self.open.remove(&to)),
        }
    }

    fn written(&mut self, inode: Inode, at: usize, mut bytes: Vec<u8>, count: usize) {
        bytes.truncate(count);
        assert_eq!(bytes.len(), count, "strace shows all that was written");
        self.step(Step::Write(inode, at, bytes.into()));
    }

    /// Returns the directory that contains a path, and the name there.
    fn place(&self, directory: i64, path: &str) -> Option<(Inode, String)> {
        let (mut at, path) = match path.strip_prefix(&self.root) {
            Some(rest) => (ROOT, rest),
            None => match path.strip_prefix("/proc/self/fd/") {
                Some(rest) => {
                    let (fd, rest) = rest.split_once('/').unwrap_or((rest, ""));
                    (self.open.get(&fd.parse().ok()?)?.inode, rest)
                }
                None if path.starts_with('/') => return None,
                None => (self.open.get(&directory)?.inode, path),
            },
        };
        let mut steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty() && *step != ".").collect();
        assert!(!steps.contains(&".."), "{path} climbs");
        let name = steps.pop().unwrap_or_default();
        for step in steps {
            at = self.disk.look(at, step).unwrap_or_else(|| panic!("{step} of {path} is not there"));
        }
        Some((at, name.to_owned()))
    }

    fn target(&self, directory: i64, path: &str) -> Option<Inode> {
        let (at, name) = self.place(directory, path)?;
        if name.is_empty() { Some(at) } else { self.disk.look(at, &name) }
    }

    fn opened(&mut self, call: &Call, directory: i64, path: usize, flags: i64, fd: i64) {
        let path = call.text(path);
        if path == ".." {
            let above = self.open.get(&directory).and_then(|open| self.disk.above(open.inode));
            self.duplicated(above.map(Open::new), fd);
            return;
        }
        let Some((at, name)) = self.place(directory, &path) else {
            self.open.remove(&fd);
            return;
        };
        let found = if name.is_empty() { Some(at) } else { self.disk.look(at, &name) };
        let inode = match found {
            _ if flags & O_TMPFILE != 0 => {
                let inode = self.disk.next();
                self.step(Step::NewFile(inode));
                inode
            }
            Some(inode) => {
                if flags & O_TRUNC != 0 {
                    self.step(Step::Resize(inode, 0));
                }
                inode
            }
            None => {
                assert!(flags & O_CREAT != 0, "{path} was opened and is not there");
                let inode = self.disk.next();
                self.step(Step::NewFile(inode));
                self.step(Step::Name(at, name, Some(inode)));
                inode
            }
        };
        self.open.insert(fd, Open { appends: flags & O_APPEND != 0, ..Open::new(inode) });
    }

    fn made_directory(&mut self, directory: i64, path: &str) {
        if let Some((at, name)) = self.place(directory, path) {
            let inode = self.disk.next();
            self.step(Step::NewDirectory(inode));
            self.step(Step::Name(at, name, Some(inode)));
        }
    }

    fn removed(&mut self, directory: i64, path: &str) {
        if let Some((at, name)) = self.place(directory, path) {
            self.step(Step::Name(at, name, None));
        }
    }

    fn renamed(&mut self, from: (i64, String), to: (i64, String)) {
        let (from, to) = (self.place(from.0, &from.1), self.place(to.0, &to.1));
        let (Some((from, old)), Some((to, new))) = (&from, &to) else {
            assert!(from.is_none() && to.is_none(), "a rename leaves the directory: {from:?} {to:?}");
            return;
        };
        let inode = self.disk.look(*from, old).expect("what is renamed is there");
        // Two names of one file: rename(2) leaves both.
        if self.disk.look(*to, new) == Some(inode) {
            return;
        }
        self.step(Step::Name(*to, new.clone(), Some(inode)));
        self.step(Step::Name(*from, old.clone(), None));
    }

    fn linked(&mut self, from: (i64, String), to: (i64, String), flags: i64) {
        let Some((to, name)) = self.place(to.0, &to.1) else { return };
        let by_descriptor = flags & AT_EMPTY_PATH != 0 && from.1.is_empty();
        let inode = if by_descriptor {
            self.open.get(&from.0).map(|open| open.inode)
        } else {
            self.target(from.0, &from.1)
        };
        self.step(Step::Name(to, name, Some(inode.expect("what is linked is there"))));
    }
}

impl Call {
    fn number(&self, n: usize) -> i64 {
        number(&self.args[n]).unwrap_or_else(|| panic!("{}: {} is no number", self.name, self.args[n]))
    }

    fn field(&self, n: usize, name: &str) -> i64 {
        let rest = self.args[n].split_once(name).map_or("", |(_, rest)| rest);
        number(rest.split([',', '}']).next().unwrap_or("")).expect("a field is a number")
    }

    fn bytes(&self, n: usize) -> Vec<u8> {
        assert!(!self.args[n].contains("..."), "strace shows all of {}", self.name);
        let strings = self.args[n].split('"').skip(1).step_by(2);
        strings
            .flat_map(|hex| hex.split("\\x").skip(1))
            .map(|hex| u8::from_str_radix(hex, 16).unwrap())
            .collect()
    }

    fn text(&self, n: usize) -> String {
        String::from_utf8(self.bytes(n)).expect("a path is text")
    }
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(u64::cast_signed),
        None => text.parse().ok(),
    }
}

/// Returns the arguments of a call: the texts between commas outside brackets. Strings are hexadecimal.
fn arguments(text: &str) -> Vec<String> {
    let (mut all, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' | b'{' | b'(' => depth += 1,
            b']' | b'}' | b')' => depth -= 1,
            b',' if depth == 0 => {
                all.push(text[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    all.push(text[start..].trim().to_owned());
    all
}
