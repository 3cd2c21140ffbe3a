//! The rows: each rate with a spinning and a parked receiver, with and without a second program.

use crate::rows::{Case, own, peer};

#[derive(Clone, Debug)]
pub struct Row {
    pub what: String,
    /// The messages of a turn.
    pub count: u64,
    /// Whether another program computes on the receiver's processor.
    pub burdened: bool,
    pub floor: Case,
    pub ours: Vec<Case>,
    pub peers: Vec<Case>,
    /// The mark: the largest ratio of p99.9 to the floor's median.
    pub mark: Option<f64>,
}

/// Messages per second, their name, and the messages of a turn.
const RATES: [(u64, &str, u64); 2] = [(10_000, "10 kHz", 2_000), (100_000, "100 kHz", 12_500)];

fn row((rate, name, count): (u64, &str, u64), waits: &str, burdened: bool) -> Row {
    let load = if burdened { "receiver's processor burdened" } else { "idle" };
    let floor = if waits == "spinning" { "copy and spin" } else { "futex and copy" };
    let words = |program: &str| format!("{program} {waits} {rate}");
    Row {
        what: format!("64 B at {name}, {waits}, {load}"),
        count,
        burdened,
        floor: own(floor, &words("floor rate")),
        ours: vec![
            own("channel", &words("ours rate channel")),
            own("publish and recv", &words("ours rate publish")),
        ],
        peers: vec![
            peer("iceoryx2 publish-subscribe", &words("iceoryx2 rate")),
            peer("ZeroMQ PUSH and PULL, ipc", &words("zeromq rate ipc 64")),
        ],
        // With a burden, the scheduler decides, even for the floor.
        mark: (rate == 100_000 && !burdened).then_some(2.0),
    }
}

pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for rate in RATES {
        for waits in ["spinning", "parked"] {
            rows.extend([false, true].map(|burdened| row(rate, waits, burdened)));
        }
    }
    rows
}
