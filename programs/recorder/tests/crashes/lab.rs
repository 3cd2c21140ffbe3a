//! Makes a journal and its recorders, and reads their recordings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan::{Options, Publisher, Value};
use linkspan_recording::{Entry, Reader, parts};

use crate::histories::given_seed;

pub const FILE: &str = "run.mcap";

/// A folder with a journal and a runtime directory.
pub struct Lab {
    folder: tempfile::TempDir,
    pub journal: PathBuf,
    sent: u64,
}

/// Returns the body of a message, specific to its number. Bodies have several lengths, and some compress.
pub fn body(number: u64) -> Vec<u8> {
    let length = match number % 7 {
        0 => 9_000,
        1 => 0,
        2 => 300,
        _ => 40,
    };
    let byte = |i: u64| if number.is_multiple_of(2) { number as u8 } else { (number * 31 + i * i) as u8 };
    (0..length).map(byte).collect()
}

/// Returns a folder with fast syncs.
fn quick() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if tempfile::tempdir_in(&memory).is_ok() { memory } else { std::env::temp_dir() }
}

impl Lab {
    pub fn new() -> Lab {
        let folder = tempfile::tempdir_in(quick()).unwrap();
        let journal = folder.path().join("journal/log");
        std::fs::create_dir(folder.path().join("journal")).unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        Lab { folder, journal, sent: 0 }
    }

    /// Makes a lab with a copy of the journal that nobody received from.
    pub fn of(other: &Lab) -> Lab {
        let lab = Lab::new();
        let from = other.journal.parent().unwrap();
        copy(from, lab.journal.parent().unwrap());
        Lab { sent: other.sent, ..lab }
    }

    /// Makes the journal forget its consumers.
    pub fn forget(&self) {
        for entry in std::fs::read_dir(&self.journal).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "consumer") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn send(&mut self, count: u64, pause: Duration) {
        let publisher =
            Publisher::new(&format!("journal:{}", self.journal.display()), &Options::default()).unwrap();
        for number in self.sent + 1..=self.sent + count {
            publisher.send(&Value::Bytes(body(number).into())).unwrap();
            std::thread::sleep(pause);
        }
        publisher.close(Duration::from_secs(30)).unwrap();
        self.sent += count;
    }

    /// Returns a recorder of the journal, which ends after `count` messages.
    pub fn recorder(&self, folder: &Path, count: u64, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_linkspan-record"));
        command
            .arg("record")
            .arg(format!("journal:{}", self.journal.display()))
            .arg("-o")
            .arg(folder.join(FILE))
            .args(["--messages", &count.to_string(), "--for", "20", "--quiet"])
            .args(words);
        for (name, place) in [("LINKSPAN_DIR", "run"), ("LINKSPAN_STATE_DIR", "state")] {
            command.env(name, self.place(place));
        }
        // No controller runs at this address.
        command.env("LINKSPAN_CONTROLLER", format!("unix:{}", self.place("run/controller").display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if target.extension().is_some_and(|ending| ending == "consumer") {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Returns the numbers of the recorded messages and checks their bodies. Empty for a folder without a recording.
pub fn recorded(folder: &Path) -> Result<BTreeSet<u64>, String> {
    let base = folder.join(FILE);
    let files: Vec<_> = parts::existing(&base)
        .into_iter()
        .map(|part| part.path)
        // A file is ignored until its first bytes are on the disk.
        .filter(|path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(mcap_magic())))
        .collect();
    if files.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut reader =
        Reader::of(files, linkspan_recording::reader::Limits::default()).map_err(|e| e.to_string())?;
    let mut numbers = BTreeSet::new();
    while let Some(entry) = reader.read().map_err(|e| e.to_string())? {
        let Entry::Message(message) = entry else { continue };
        let value = linkspan::codec::decode(message.body, message.channel.encoding().unwrap());
        let Ok(Value::Bytes(bytes)) = value else {
            return Err(format!("message {}: {value:?}", message.number));
        };
        if *bytes != body(message.number)[..] {
            return Err(format!("message {} has the bytes of another one", message.number));
        }
        if !message.channel.repeated && !numbers.insert(message.number) {
            return Err(format!("message {} is there twice", message.number));
        }
    }
    Ok(numbers)
}

fn mcap_magic() -> &'static [u8] {
    b"\x89MCAP0\r\n"
}

/// Returns the given seed or a random one, and prints it.
pub fn seed() -> u64 {
    let fresh = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 % 1_000_000_000;
    let seed = given_seed().unwrap_or_else(fresh);
    println!("LINKSPAN_SEED={seed} plays it again");
    seed
}
