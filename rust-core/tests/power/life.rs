//! Lives of a program with power cuts and kills between them.
//!
//! Its calls are recorded and cut off at any step. The library checks the images of its disk; from some of
//! them the next life continues.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::PoisonError;

use super::disk::{Disk, Image, Inode, Step};
use super::facts::Facts;
use super::histories::Random;
use super::mutants::Mutant;
use super::{Kind, trace};
use crate::support::programs::program;

const LIVES: usize = 3;

/// The number of new names in a new place.
const BEGINNING: usize = 16;

/// Numbers of texts that a life has for itself.
const TEXTS: u64 = 1000;

#[derive(Clone, Copy, Default)]
pub struct Count {
    pub lives: usize,
    /// Checked images; each differs from all others of its life.
    pub images: usize,
    /// Images of lives that began with an image.
    pub again: usize,
}

impl Count {
    pub fn add(&mut self, other: Count) {
        self.lives += other.lives;
        self.images += other.images;
        self.again += other.again;
    }
}

pub struct Chain<'a> {
    pub kind: Kind,
    pub seed: u64,
    /// The omission from the record, for a mutant.
    pub mutant: Option<&'a Mutant>,
    pub images: usize,
    /// Cuts and kills the life only during the creation of its storage.
    ///
    /// A second life continues from the first one's image.
    pub beginning: bool,
    /// A separate directory on a quick file system.
    pub folder: &'a Path,
}

impl Chain<'_> {
    /// Runs all lives. The error has the seed, the step and the fault.
    pub fn run(&self) -> Result<Count, String> {
        let mut random = Random::new(self.seed);
        let form = random.below(18) as u64;
        let mut count = Count::default();
        let mut begins = vec![(Disk::empty(), Facts::default())];
        for life in 0..if self.beginning { 2 } else { LIVES } {
            let mut next = Vec::new();
            for (number, (disk, facts)) in begins.into_iter().enumerate() {
                let with_place = |why: String| {
                    format!(
                        "{:?}, life {life}.{number}: {why}\nLINKSPAN_SEED={} plays it again",
                        self.kind, self.seed
                    )
                };
                let (program, root) = self.program(form, random.below(1 << 30), life as u64 * TEXTS);
                let steps = trace::record(&disk, &root, program).map_err(with_place)?;
                std::fs::remove_dir_all(&root).unwrap();
                count.lives += 1;
                let steps = self.mutant.map_or_else(|| steps.clone(), |mutant| mutant.leave_out(&steps));
                let images = if life == 0 { self.images } else { self.images / 2 };
                let cuts = Cuts { chain: self, form, disk, steps, facts };
                let looked = cuts.look(images, &mut random, &mut next).map_err(with_place)?;
                count.images += looked;
                count.again += if life == 0 { 0 } else { looked };
            }
            begins = next;
            // The second life continues from two images, the third from one.
            let keep = if life == 0 { 2 } else { 1 };
            while begins.len() > keep && !self.beginning {
                begins.swap_remove(random.below(begins.len()));
            }
        }
        Ok(count)
    }

    fn program(&self, form: u64, seed: usize, first: u64) -> (Command, PathBuf) {
        let root = self.folder.join("disk");
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir(&root).unwrap();
        let mut program = Command::new(victim());
        let path = match self.kind {
            Kind::File => root.join("lab.file").display().to_string(),
            _ => "lab/x".to_owned(),
        };
        let numbers = [form, seed as u64, first].map(|number| number.to_string());
        program.arg(self.kind.role()).arg(path).args(numbers);
        program.env("LINKSPAN_DIR", self.folder.join("run"));
        program.env("LINKSPAN_STATE_DIR", state(&root));
        (program, root)
    }
}

/// Returns the state directory, which is created at the first use.
pub fn state(root: &Path) -> PathBuf {
    root.join("var/state")
}

fn victim() -> PathBuf {
    program("test-power-victim")
}

/// One life, cut off at any of its steps.
struct Cuts<'a> {
    chain: &'a Chain<'a>,
    form: u64,
    disk: Disk,
    steps: Vec<Step>,
    facts: Facts,
}

impl Cuts<'_> {
    fn look(
        mut self,
        images: usize,
        random: &mut Random,
        next: &mut Vec<(Disk, Facts)>,
    ) -> Result<usize, String> {
        let named = |at: usize| matches!(self.steps[at], Step::Name(_, _, Some(_)));
        let named: Vec<usize> = (0..self.steps.len()).filter(|at| named(*at)).map(|at| at + 1).collect();
        let mut cuts: Vec<usize> = if self.chain.beginning {
            named.iter().take(BEGINNING).flat_map(|at| std::iter::repeat_n(*at, images)).collect()
        } else {
            (0..images).map(|_| random.below(self.steps.len() + 1)).collect()
        };
        cuts.sort_unstable();
        let (mut at, mut seen) = (0, HashSet::new());
        let steps = std::mem::take(&mut self.steps);
        for mut cut in cuts {
            // The two names of a rename change at once.
            if let [.., Step::Name(to, _, Some(_))] = &steps[..cut]
                && let Some(Step::Name(from, _, None)) = steps.get(cut)
                && to == from
            {
                cut += 1;
            }
            let (before, cut) = (at, cut.max(at));
            for step in &steps[at..cut] {
                if let Step::Printed(line) = step {
                    self.facts.add(line);
                }
                self.disk.play(step);
            }
            if self.chain.beginning && cut != before {
                next.push((self.disk.killed(), self.facts.clone()));
            }
            at = cut;
            let image = self.disk.cut(random);
            if !seen.insert((image.hash(), self.facts.count())) {
                continue;
            }
            let live = Live::of(&self.disk);
            if let Err(why) = self.judge(&image, &live, random) {
                // The images of a mutant must be as wrong as the mutant makes them.
                if self.chain.mutant.is_some() {
                    return Err(why);
                }
                let (kept, last) = (self.keep(&image), steps_text(&steps[..cut]));
                return Err(format!(
                    "{why}\nthe image is kept in {}; the last steps before the cut:\n{last}",
                    kept.display()
                ));
            }
            if !self.chain.beginning && random.one_in(4) {
                // Half of the next lives follow a kill without a cut: a later cut may undo their state.
                let disk = if random.one_in(2) { self.disk.killed() } else { image.disk() };
                next.push((disk, self.facts.clone()));
            }
        }
        Ok(seen.len())
    }

    fn judge(&self, image: &Image, live: &Live, random: &mut Random) -> Result<(), String> {
        let root = self.chain.folder.join("image");
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir(&root).unwrap();
        {
            let _quiet = trace::STARTING.read().unwrap_or_else(PoisonError::into_inner);
            image.write(&root);
        }
        self.chain.kind.judge(&root, self.form, &self.facts, live, random)
    }

    /// Keeps a faulty image for inspection.
    fn keep(&self, image: &Image) -> PathBuf {
        let name = format!("linkspan-power-{:?}-{}", self.chain.kind, self.chain.seed);
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        image.write(&path);
        path
    }
}

/// The state that the program itself would have read at the moment of the cut.
pub struct Live {
    pub oldest: u64,
}

impl Live {
    fn of(disk: &Disk) -> Live {
        let number = |name: &str| name.strip_suffix(".segment")?.parse().ok();
        Live { oldest: disk.names().filter_map(number).min().unwrap_or(1) }
    }
}

/// Returns the last steps, for people.
fn steps_text(steps: &[Step]) -> String {
    let mut names: HashMap<Inode, String> = HashMap::new();
    let mut lines = Vec::new();
    for step in steps {
        let of = |inode: &Inode| names.get(inode).cloned().unwrap_or_else(|| format!("({inode})"));
        lines.push(match step {
            Step::NewFile(inode) => format!("new file ({inode})"),
            Step::NewDirectory(inode) => format!("new directory ({inode})"),
            Step::Name(directory, name, Some(inode)) => {
                format!("{}/{name} is ({inode}) {}", of(directory), of(inode))
            }
            Step::Name(directory, name, None) => format!("{}/{name} is gone", of(directory)),
            Step::Write(inode, at, bytes) => format!("{}: {} bytes at {at}", of(inode), bytes.len()),
            Step::Resize(inode, length) => format!("{}: cut to {length}", of(inode)),
            Step::SyncBegins(_, inode) => format!("{}: sync begins", of(inode)),
            Step::SyncEnds(_, inode) => format!("{}: synced", of(inode)),
            Step::Printed(line) => format!("    {line}"),
        });
        if let Step::Name(_, name, Some(inode)) = step {
            names.insert(*inode, name.clone());
        }
    }
    lines.split_off(lines.len().saturating_sub(40)).join("\n")
}
