//! iceoryx2 on the benchmark's work, set up like its own benchmarks. Byte slices are loaned, for publish-subscribe
//! and request-response, with busy waiting. See `benchmarks/` in https://github.com/eclipse-iceoryx/iceoryx2.
//!
//! `linkspan-bench-iceoryx2 CASE BYTES` answers lines on its standard input as `benches/src/worker.rs` describes, and
//! `linkspan-bench-iceoryx2 rate spinning|parked RATE` as `benches/src/rate/worker.rs` does.

mod far;
mod near;
#[path = "../../../src/rate/pace.rs"]
mod pace;
mod rate;
mod worker;

use iceoryx2::prelude::*;

/// Every error ends as a line of text.
pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Messages between two acknowledgements of one-way traffic, as in the other workers.
pub const BLOCK: u64 = 4096;
/// The first byte of a round's last message: the far end then stops spinning.
pub const END: u8 = 255;

/// The names of the two directions between one worker's processes.
pub fn ways(near: u32) -> Result<(ServiceName, ServiceName)> {
    Ok((
        format!("bench-{near}-there").as_str().try_into()?,
        format!("bench-{near}-back").as_str().try_into()?,
    ))
}

/// Names for this run in a separate directory, to share nothing with other programs.
pub fn config(near: u32) -> Result<Config> {
    let mut config = Config::default();
    config.global.prefix = prefix(near).as_str().try_into()?;
    if let Ok(directory) = std::env::var("LINKSPAN_DIR") {
        config.global.set_root_path(&Path::new(directory.as_bytes())?);
    }
    Ok(config)
}

fn prefix(near: u32) -> String {
    format!("linkspan-bench-iceoryx2-{near}-")
}

/// Removes the segments that outlive the last node.
fn clean() -> Result<()> {
    let prefix = prefix(std::process::id());
    for entry in std::fs::read_dir("/dev/shm")?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    set_log_level(LogLevel::Fatal);
    let outcome = match words.as_slice() {
        ["far", "rate", waits, near] => rate::receive_rounds(waits, near),
        ["rate", waits, rate] => rate::work(waits, rate).and_then(|()| clean()),
        ["far", case, bytes, near] => far::answer(case, bytes, near),
        [case, bytes] => near::work(case, bytes).and_then(|()| clean()),
        _ => Err(
            "usage: linkspan-bench-iceoryx2 publish|view|request|stream BYTES, or rate spinning|parked RATE"
                .into(),
        ),
    };
    if let Err(error) = outcome {
        eprintln!("iceoryx2: {error}");
        std::process::exit(1);
    }
}
