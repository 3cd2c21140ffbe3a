//! Simulates power cuts of a recorder.
//!
//! The test traces a recorder and builds states of the disk that a cut can leave. Synced messages must be readable in
//! each state without a repair, and the next recorder must continue from it. `LINKSPAN_IMAGES` sets the number of
//! images (1,000 mean 400 draws here, with repetitions).

#[path = "../../../../rust-core/tests/power/disk.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod disk;
#[path = "../../../../rust-core/tests/power/trace.rs"]
mod trace;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use self::disk::{Disk, Step};
use crate::histories;
use crate::histories::Random;
use crate::lab::{Lab, recorded, seed};

const MESSAGES: u64 = 500;

fn wanted() -> usize {
    std::env::var("LINKSPAN_IMAGES").map_or(1_000, |n| n.parse::<usize>().expect("a number")) * 2 / 5
}

#[test]
fn recording_after_power_loss_opens_and_has_what_was_synced() {
    let mut random = Random::new(seed());
    let (lives, mut images, mut continued) = (6, 0, 0);
    // A fast machine makes larger writes, which leave fewer images.
    for life in 0..5 * lives {
        if life >= lives && images >= 40 && continued > 0 {
            break;
        }
        let compression = *random.pick(&["none", "zstd", "lz4"]);
        let words = ["--sync", "0.005", "--compression", compression, "--split", "60KiB"];
        let mut lab = Lab::new();
        let root = lab.place("disk");
        std::fs::create_dir(&root).unwrap();
        // The recorder's files do not include its standard output.
        let recorder = lab.recorder(&root, MESSAGES, &words);
        let steps = std::thread::scope(|scope| {
            scope.spawn(|| lab.send(MESSAGES, Duration::from_millis(2)));
            trace::record(&Disk::empty(), &root, recorder)
        });
        let steps = steps.unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        let place = lab.place("image");
        let read = |image: &disk::Image| {
            std::fs::create_dir(&place).unwrap();
            image.write(&place);
            let found = recorded(&place);
            std::fs::remove_dir_all(&place).unwrap();
            found
        };
        let whole = (1..=MESSAGES).collect::<BTreeSet<_>>();
        let mut disk = Disk::empty();
        let (mut begun, mut synced, mut seen) = (BTreeSet::new(), BTreeSet::new(), HashSet::new());
        let (draws, of) = (wanted(), steps.len() * lives);
        let mut due = 0;
        for (at, step) in steps.iter().enumerate() {
            if let Step::SyncBegins(..) = step {
                begun = read(&disk.now()).unwrap();
            }
            disk.play(step);
            if let Step::SyncEnds(..) = step {
                synced.extend(begun.iter().copied());
            }
            due += draws;
            while due >= of {
                due -= of;
                let image = disk.cut(&mut random);
                if !seen.insert(image.hash()) {
                    continue;
                }
                images += 1;
                let found = read(&image).unwrap_or_else(|why| panic!("life {life}, step {at}: {why}"));
                let lost: Vec<_> = synced.difference(&found).collect();
                assert!(
                    lost.is_empty(),
                    "life {life}, step {at} of {}: {lost:?} were synced, and are lost",
                    steps.len()
                );
                assert!(found.is_subset(&whole), "life {life}, step {at}: {found:?}");
                if random.one_in(12) && found.len() < whole.len() {
                    continued += 1;
                    std::fs::create_dir(&place).unwrap();
                    image.write(&place);
                    // The journal delivers all messages again. The recorder adds the messages after the image's last
                    // one.
                    lab.forget();
                    let out = lab
                        .recorder(&place, MESSAGES - found.last().copied().unwrap_or(0), &words)
                        .output()
                        .unwrap();
                    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
                    assert!(
                        out.status.success(),
                        "life {life}, step {at}: the next recorder: {}: {errors}",
                        out.status
                    );
                    let behind = recorded(&place).unwrap();
                    let last = found.last().copied().unwrap_or(0);
                    let expected: BTreeSet<_> = found.iter().copied().chain(last + 1..=MESSAGES).collect();
                    assert_eq!(behind, expected, "life {life}, step {at}: {errors}");
                    std::fs::remove_dir_all(&place).unwrap();
                }
            }
        }
        assert_eq!(synced, whole, "what was closed was synced");
    }
    println!("{images} images of {lives} lives, {continued} of them continued");
    assert!(images >= 40 && continued > 0, "only {images} images");
}
