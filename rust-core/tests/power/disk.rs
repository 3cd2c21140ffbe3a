//! The certain and the possible contents of a disk, and its images after a power cut.
//!
//! The model is that of ALICE (Pillai et al., 2014) and of the crash tests of SQLite and redb. The choice of
//! states follows CrashMonkey (Mohan et al., 2018).
//!
//! - The contents of a file: each page of 4,096 bytes written since the file's last sync has the contents
//!   after any of those writes, or before them. Sometimes each sector of 512 bytes does so separately. A
//!   sector is whole.
//! - Its length: any length since the last sync. Unwritten bytes read as zeros.
//! - A directory: each name changed since the directory's last sync has the meaning after any of those
//!   changes, or before them, independently of other names. But a rename never leaves a file under both its
//!   names.
//! - `fsync` and `fdatasync` write only the earlier changes of that file or directory to the disk: neither a
//!   file's name with the file, nor an order among several.
//!
//! A real file system keeps more. The model omits modes, owners and times. Deleted contents never show
//! through in a hole (`data=writeback` of ext4 may do that).

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use super::histories::Random;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// The number of a file or directory.
pub type Inode = usize;

/// The directory that contains everything.
pub const ROOT: Inode = 0;

/// A program's change of the disk, or its output.
#[derive(Clone, Debug)]
pub enum Step {
    NewFile(Inode),
    NewDirectory(Inode),
    /// A name in a directory gets this meaning, or none.
    Name(Inode, String, Option<Inode>),
    Write(Inode, usize, Arc<[u8]>),
    Resize(Inode, usize),
    /// A sync by this thread begins.
    SyncBegins(u32, Inode),
    SyncEnds(u32, Inode),
    Printed(String),
}

#[derive(Clone)]
enum Change {
    Write(usize, Arc<[u8]>),
    Resize(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Change::Write(at, bytes) => {
                let end = at + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*at..end].copy_from_slice(bytes);
            }
            Change::Resize(length) => to.resize(*length, 0),
        }
    }
}

#[derive(Clone, Default)]
struct File {
    stable: Vec<u8>,
    live: Vec<u8>,
    pending: Vec<Change>,
    /// How many changes precede the pending ones.
    done: usize,
}

#[derive(Clone, Default)]
struct Directory {
    stable: BTreeMap<String, Inode>,
    live: BTreeMap<String, Inode>,
    pending: Vec<(String, Option<Inode>)>,
    done: usize,
}

#[derive(Clone)]
enum Object {
    File(File),
    Directory(Directory),
}

/// A disk with its history since the last syncs.
#[derive(Clone)]
pub struct Disk {
    objects: Vec<Object>,
    /// Syncs that have begun: the thread, and how many changes they cover.
    syncs: HashMap<u32, usize>,
}

impl Disk {
    pub fn empty() -> Disk {
        Disk { objects: vec![Object::Directory(Directory::default())], syncs: HashMap::new() }
    }

    pub fn next(&self) -> Inode {
        self.objects.len()
    }

    fn file(&mut self, inode: Inode) -> &mut File {
        match &mut self.objects[inode] {
            Object::File(file) => file,
            Object::Directory(_) => panic!("{inode} is a directory"),
        }
    }

    fn directory(&self, inode: Inode) -> &Directory {
        match &self.objects[inode] {
            Object::Directory(directory) => directory,
            Object::File(_) => panic!("{inode} is a file"),
        }
    }

    pub fn look(&self, directory: Inode, name: &str) -> Option<Inode> {
        self.directory(directory).live.get(name).copied()
    }

    pub fn above(&self, directory: Inode) -> Option<Inode> {
        self.objects.iter().position(|object| match object {
            Object::Directory(above) => above.live.values().any(|inode| *inode == directory),
            Object::File(_) => false,
        })
    }

    pub fn length(&self, inode: Inode) -> usize {
        match &self.objects[inode] {
            Object::File(file) => file.live.len(),
            Object::Directory(_) => 0,
        }
    }

    pub fn play(&mut self, step: &Step) {
        match step {
            Step::NewFile(inode) => {
                assert_eq!(*inode, self.next());
                self.objects.push(Object::File(File::default()));
            }
            Step::NewDirectory(inode) => {
                assert_eq!(*inode, self.next());
                self.objects.push(Object::Directory(Directory::default()));
            }
            Step::Name(directory, name, target) => {
                let Object::Directory(directory) = &mut self.objects[*directory] else {
                    panic!("{name} in a file")
                };
                match target {
                    Some(target) => directory.live.insert(name.clone(), *target),
                    None => directory.live.remove(name),
                };
                directory.pending.push((name.clone(), *target));
            }
            Step::Write(inode, at, bytes) => self.change(*inode, Change::Write(*at, bytes.clone())),
            Step::Resize(inode, length) => self.change(*inode, Change::Resize(*length)),
            Step::SyncBegins(thread, inode) => {
                let covers = match &self.objects[*inode] {
                    Object::File(file) => file.done + file.pending.len(),
                    Object::Directory(directory) => directory.done + directory.pending.len(),
                };
                self.syncs.insert(*thread, covers);
            }
            Step::SyncEnds(thread, inode) => {
                let covers = self.syncs.remove(thread).expect("a sync that ends has begun");
                self.settle(*inode, covers);
            }
            Step::Printed(_) => {}
        }
    }

    fn change(&mut self, inode: Inode, change: Change) {
        let file = self.file(inode);
        change.apply(&mut file.live);
        file.pending.push(change);
    }

    fn settle(&mut self, inode: Inode, covers: usize) {
        match &mut self.objects[inode] {
            Object::File(file) => {
                let count = covers.saturating_sub(file.done);
                file.done += count;
                file.pending.drain(..count).for_each(|change| change.apply(&mut file.stable));
            }
            Object::Directory(directory) => {
                let count = covers.saturating_sub(directory.done);
                directory.done += count;
                for (name, target) in directory.pending.drain(..count) {
                    match target {
                        Some(target) => directory.stable.insert(name, target),
                        None => directory.stable.remove(&name),
                    };
                }
            }
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        let directories = self.objects.iter().filter_map(|object| match object {
            Object::Directory(directory) => Some(&directory.live),
            Object::File(_) => None,
        });
        directories.flat_map(|live| live.keys().map(String::as_str))
    }

    pub fn now(&self) -> Image {
        Image::of(self, &mut Keep::All)
    }

    /// Returns the disk of a killed program: all changes are there, but not certain.
    pub fn killed(&self) -> Disk {
        Disk { objects: self.objects.clone(), syncs: HashMap::new() }
    }

    /// Returns a possible image after a power cut now.
    pub fn cut(&self, random: &mut Random) -> Image {
        let lost = *random.pick(&[0, 1, 1, 4, 8, 12, 15, 16]);
        Image::of(self, &mut Keep::Some { lost, random })
    }
}

/// The part of the unsynced changes that is kept.
enum Keep<'a> {
    All,
    /// This many sixteenths are lost.
    Some {
        lost: usize,
        random: &'a mut Random,
    },
}

impl Keep<'_> {
    /// Chooses a state; the last state is the newest.
    fn choose(&mut self, states: usize) -> usize {
        let Keep::Some { lost, random } = self else { return states - 1 };
        if random.below(16) < *lost { random.below(states) } else { states - 1 }
    }

    fn entries(&mut self, directory: &Directory) -> BTreeMap<String, Inode> {
        let mut states: BTreeMap<&String, Vec<Option<Inode>>> = BTreeMap::new();
        for (name, target) in &directory.pending {
            let before = || vec![directory.stable.get(name).copied()];
            states.entry(name).or_insert_with(before).push(*target);
        }
        let mut entries = directory.stable.clone();
        for (name, states) in states {
            match states[self.choose(states.len())] {
                Some(target) => entries.insert(name.clone(), target),
                None => entries.remove(name),
            };
        }
        // A rename is one transaction: it never leaves a file under its old name also.
        for (name, inode) in entries.clone() {
            let is_old = directory.live.get(&name) != Some(&inode);
            if is_old && entries.values().filter(|other| **other == inode).count() > 1 {
                entries.remove(&name);
            }
        }
        entries
    }

    fn contents(&mut self, file: &File) -> Vec<u8> {
        let Keep::Some { lost, random } = self else { return file.live.clone() };
        if file.pending.is_empty() || random.below(16) >= *lost {
            return file.live.clone();
        }
        if random.one_in(4) {
            return file.stable.clone();
        }
        let mut states = vec![file.stable.clone()];
        for change in &file.pending {
            let mut next = states[states.len() - 1].clone();
            change.apply(&mut next);
            states.push(next);
        }
        let length = random.pick(&states).len();
        let mut contents = vec![0; length];
        let piece = if random.one_in(3) { SECTOR } else { PAGE };
        for start in (0..length).step_by(piece) {
            let end = (start + piece).min(length);
            let state = random.pick(&states);
            if let Some(there) = state.get(start..end.min(state.len())) {
                contents[start..start + there.len()].copy_from_slice(there);
            }
        }
        contents
    }
}

#[derive(Clone)]
pub struct Image {
    /// Files by their numbers, with their contents.
    files: BTreeMap<Inode, Vec<u8>>,
    tree: Tree,
}

#[derive(Clone, Default)]
struct Tree {
    files: BTreeMap<String, Inode>,
    directories: BTreeMap<String, Tree>,
}

impl Image {
    fn of(disk: &Disk, keep: &mut Keep<'_>) -> Image {
        let mut files = BTreeMap::new();
        let tree = tree(disk, ROOT, keep, &mut files);
        Image { files, tree }
    }

    /// Returns an equal number for images with equal contents.
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.tree.hash(&self.files, &mut hasher);
        hasher.finish()
    }

    pub fn disk(&self) -> Disk {
        let mut disk = Disk::empty();
        disk.add(ROOT, &self.tree, &self.files, &mut HashMap::new());
        disk
    }

    /// Writes it into an empty directory, files in the order of their creation.
    pub fn write(&self, to: &Path) {
        let mut paths: BTreeMap<Inode, Vec<std::path::PathBuf>> = BTreeMap::new();
        self.tree.make(to, &mut paths);
        for (inode, paths) in paths {
            std::fs::write(&paths[0], &self.files[&inode]).unwrap();
            for other in &paths[1..] {
                std::fs::hard_link(&paths[0], other).unwrap();
            }
        }
    }

    /// Returns the difference between this and a directory, if any.
    pub fn differs(&self, from: &Path) -> Option<String> {
        self.tree.differs(from, &self.files)
    }
}

impl Disk {
    fn add(
        &mut self,
        into: Inode,
        tree: &Tree,
        files: &BTreeMap<Inode, Vec<u8>>,
        known: &mut HashMap<Inode, Inode>,
    ) {
        let mut entries = BTreeMap::new();
        for (name, inode) in &tree.files {
            let next = self.next();
            let own = *known.entry(*inode).or_insert(next);
            if own == next {
                let contents = files[inode].clone();
                let file = File { stable: contents.clone(), live: contents, ..File::default() };
                self.objects.push(Object::File(file));
            }
            entries.insert(name.clone(), own);
        }
        for (name, below) in &tree.directories {
            let own = self.next();
            self.objects.push(Object::Directory(Directory::default()));
            self.add(own, below, files, known);
            entries.insert(name.clone(), own);
        }
        self.objects[into] =
            Object::Directory(Directory { stable: entries.clone(), live: entries, ..Directory::default() });
    }
}

fn tree(disk: &Disk, at: Inode, keep: &mut Keep<'_>, files: &mut BTreeMap<Inode, Vec<u8>>) -> Tree {
    let directory = disk.directory(at);
    let entries = match keep {
        Keep::All => directory.live.clone(),
        Keep::Some { .. } => keep.entries(directory),
    };
    let mut tree = Tree::default();
    let mut seen: HashMap<Inode, String> = HashMap::new();
    for (name, inode) in entries {
        match &disk.objects[inode] {
            Object::File(file) => {
                files.entry(inode).or_insert_with(|| keep.contents(file));
                tree.files.insert(name, inode);
            }
            Object::Directory(_) => {
                // A directory has one name: either the name of an undone rename, or the other name.
                if let Some(other) = seen.get(&inode) {
                    if keep.choose(2) == 0 {
                        continue;
                    }
                    tree.directories.remove(other);
                }
                seen.insert(inode, name.clone());
                let below = self::tree(disk, inode, keep, files);
                tree.directories.insert(name, below);
            }
        }
    }
    tree
}

impl Tree {
    fn hash(&self, files: &BTreeMap<Inode, Vec<u8>>, hasher: &mut DefaultHasher) {
        for (name, inode) in &self.files {
            (name, &files[inode]).hash(hasher);
        }
        for (name, below) in &self.directories {
            name.hash(hasher);
            below.hash(files, hasher);
        }
        "end".hash(hasher);
    }

    fn make(&self, to: &Path, paths: &mut BTreeMap<Inode, Vec<std::path::PathBuf>>) {
        for (name, inode) in &self.files {
            paths.entry(*inode).or_default().push(to.join(name));
        }
        for (name, below) in &self.directories {
            let path = to.join(name);
            std::fs::create_dir(&path).unwrap();
            below.make(&path, paths);
        }
    }

    fn differs(&self, from: &Path, files: &BTreeMap<Inode, Vec<u8>>) -> Option<String> {
        let mut names: Vec<String> = std::fs::read_dir(from)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        let mut expected: Vec<&String> = self.files.keys().chain(self.directories.keys()).collect();
        expected.sort_unstable();
        if names.iter().collect::<Vec<_>>() != expected {
            return Some(format!("{} holds {names:?}, the record says {expected:?}", from.display()));
        }
        let wrong = self
            .files
            .iter()
            .find(|(name, inode)| std::fs::read(from.join(name)).ok().as_ref() != files.get(inode));
        if let Some((name, _)) = wrong {
            return Some(format!("{} holds other bytes than the record says", from.join(name).display()));
        }
        self.directories.iter().find_map(|(name, below)| below.differs(&from.join(name), files))
    }
}
