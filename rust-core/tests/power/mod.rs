//! Power cuts: a recorded program writes a journal, a durable spool or a durable file, and its disk is cut.
//!
//! The disk gets a state that a cut at any moment may leave. The library must find everything there that was
//! promised to the program.
//!
//! | topic | module |
//! |---|---|
//! | the program, its messages and its output | `victim`, `text`, `facts` |
//! | the record of its calls | `trace` |
//! | the model of a disk, and the effects of a cut | `disk` |
//! | consecutive lives, each beginning with an image of the previous one | `life` |
//! | the checks of an image | `journal`, `spool`, `file` |
//! | proof that a forgotten sync is found | `mutants` |
//!
//! `LINKSPAN_SEED` repeats one chain of lives, `LINKSPAN_IMAGES` sets the number of images (1,000).

#[path = "../../engine/src/histories.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod histories;

mod disk;
mod facts;
mod file;
mod journal;
mod life;
mod mutants;
mod spool;
#[allow(dead_code, reason = "the victim needs the rest")]
mod text;
mod trace;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::support::alone::one_at_a_time;
use facts::Facts;
use histories::{Random, given_seed};
use life::{Chain, Count, Live};
use mutants::{MUTANTS, RARE};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A journal: new segments, retention, named readers, several sending threads.
    Journal,
    Serve,
    Channel,
    /// A file, renamed to its name or written in place.
    File,
}

impl Kind {
    fn role(self) -> &'static str {
        match self {
            Kind::Journal => "journal",
            Kind::Serve => "serve",
            Kind::Channel => "channel",
            Kind::File => "file",
        }
    }

    fn judge(
        self,
        root: &Path,
        form: u64,
        facts: &Facts,
        live: &Live,
        random: &mut Random,
    ) -> Result<(), String> {
        match self {
            Kind::Journal => journal::judge(root, form, facts, live, random),
            Kind::Serve => spool::judge_requests(root, form, facts, random.one_in(2)),
            Kind::Channel => spool::judge_channel(root, facts),
            Kind::File => file::judge(root, form, facts),
        }
    }
}

/// The most images that are drawn in the first life of a chain; half as many in the others.
const IMAGES: usize = 160;
const FEWEST: usize = 10;
/// The images of a daily run, if `LINKSPAN_IMAGES` gives no other number.
const DAILY: usize = 1_000;
/// Images at each moment of the beginning of a life; more in longer runs.
const AT_BEGINNING: usize = 10;

fn wanted() -> usize {
    std::env::var("LINKSPAN_IMAGES").map_or(DAILY, |n| n.parse().expect("a number"))
}

/// Returns a directory with fast syncs.
fn quick() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if tempfile::tempdir_in(&memory).is_ok() { memory } else { std::env::temp_dir() }
}

/// Returns a random seed, which is printed, or the given one.
fn seed() -> u64 {
    let fresh =
        || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 % 1_000_000_000 * 1000;
    given_seed().unwrap_or_else(fresh)
}

/// Runs chains of lives up to a number of images, or one chain for a given seed.
fn survives(kind: Kind, share: usize) {
    let wanted = wanted() * share / 100;
    let threads = 2 * std::thread::available_parallelism().map_or(2, usize::from);
    // A chain has about four times as many images as its first life.
    let images = (wanted / (4 * threads)).clamp(FEWEST, IMAGES);
    let (begin, began) = (seed(), Instant::now());
    println!("{kind:?}: seeds from {begin} on");
    let (next, total, failed) = (AtomicU64::new(begin), Mutex::new(Count::default()), Mutex::new(None));
    let is_over = || failed.lock().unwrap().is_some() || total.lock().unwrap().images >= wanted;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let folder = tempfile::tempdir_in(quick()).unwrap();
                while !is_over() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let folder = folder.path();
                    let chain = Chain { kind, seed, mutant: None, images, beginning: false, folder };
                    match chain.run() {
                        Ok(count) => total.lock().unwrap().add(count),
                        Err(why) => drop(failed.lock().unwrap().get_or_insert(why)),
                    }
                    if given_seed().is_some() {
                        break;
                    }
                }
            });
        }
    });
    if let Some(why) = failed.into_inner().unwrap() {
        panic!("{why}");
    }
    let Count { lives, images, again } = total.into_inner().unwrap();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{kind:?}: {images} images of {lives} lives, {again} of them after a second or third cut, {:.0} a second",
        images as f64 / seconds
    );
}

#[test]
fn journal_after_power_loss_keeps_what_was_acknowledged() {
    let _alone = one_at_a_time();
    survives(Kind::Journal, 40);
}

#[test]
fn durable_spool_with_requests_after_power_loss_keeps_what_was_acknowledged() {
    let _alone = one_at_a_time();
    survives(Kind::Serve, 25);
}

#[test]
fn durable_spool_with_channel_after_power_loss_keeps_what_was_acknowledged() {
    let _alone = one_at_a_time();
    survives(Kind::Channel, 20);
}

#[test]
fn durable_file_after_power_loss_holds_the_newest_acknowledged_value() {
    let _alone = one_at_a_time();
    survives(Kind::File, 15);
}

/// In a whole life a cut between two new names is rare.
#[test]
fn place_that_was_being_made_when_the_power_went_can_be_used() {
    let _alone = one_at_a_time();
    let seed = seed();
    println!("seed {seed}");
    let images = if wanted() > DAILY { 3 * AT_BEGINNING } else { AT_BEGINNING };
    std::thread::scope(|scope| {
        for kind in [Kind::Journal, Kind::Serve, Kind::Channel, Kind::File] {
            scope.spawn(move || {
                let folder = tempfile::tempdir_in(quick()).unwrap();
                let folder = folder.path();
                let chain = Chain { kind, seed, mutant: None, images, beginning: true, folder };
                match chain.run() {
                    Ok(count) => println!("{kind:?}: {} images", count.images),
                    Err(why) => panic!("{why}"),
                }
            });
        }
    });
}

#[test]
fn forgotten_syncs_are_found() {
    let _alone = one_at_a_time();
    let (begin, survivors) = (seed(), Mutex::new(Vec::new()));
    println!("seeds from {begin} on");
    // Each day tries another third of the mutants that are found soon.
    let every = wanted() > DAILY;
    let of = if every { 1 } else { 3 };
    let among = MUTANTS.iter().filter(|mutant| every || !RARE.contains(&mutant.name));
    let left = Mutex::new(among.skip(begin as usize / 1000 % of).step_by(of));
    let find = || {
        let folder = tempfile::tempdir_in(quick()).unwrap();
        let next = || left.lock().unwrap().next();
        while let Some(mutant) = next() {
            let mut images = 0;
            let found = (begin..begin + 60).find_map(|seed| {
                let (kind, folder) = (mutant.kind, folder.path());
                let chain =
                    Chain { kind, seed, mutant: Some(mutant), images: IMAGES, beginning: false, folder };
                match chain.run() {
                    Ok(count) => {
                        images += count.images;
                        None
                    }
                    Err(why) => Some(why),
                }
            });
            match found {
                Some(why) => {
                    println!(
                        "{}: {images} images, then {}",
                        mutant.name,
                        why.lines().next().unwrap_or_default()
                    )
                }
                None => survivors.lock().unwrap().push(format!("{} ({images} images)", mutant.name)),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(find);
        }
    });
    let survivors = survivors.into_inner().unwrap();
    assert!(survivors.is_empty(), "no test noticed that these were not synced: {}", survivors.join(", "));
}
