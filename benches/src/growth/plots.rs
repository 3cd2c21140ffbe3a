//! The plots: each has an axis, points and curves.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    Number,
    Bytes,
}

/// One curve. The point is appended to the worker's arguments.
#[derive(Clone, Debug)]
pub struct Line {
    pub label: &'static str,
    pub words: &'static str,
    /// Whether it is ours and its slope is judged; otherwise it is a floor.
    pub ours: bool,
    /// The label of the floor with equal memory and number of sleepers. If the kernel makes this floor steeper than
    /// linear, the ratio to it is judged.
    pub beside: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Plot {
    pub what: &'static str,
    pub file: &'static str,
    pub axis: Axis,
    pub points: Vec<u64>,
    /// The number of points in a quick run.
    pub quick: usize,
    /// Whether the curves take turns at each point, as rows do, because other programs affect them most. Their
    /// workers then exist together.
    pub in_turns: bool,
    pub lines: Vec<Line>,
}

const fn ours(label: &'static str, words: &'static str) -> Line {
    Line { label, words, ours: true, beside: None }
}

const fn ours_beside(label: &'static str, words: &'static str, floor: &'static str) -> Line {
    Line { label, words, ours: true, beside: Some(floor) }
}

/// The labels of floors that curves are judged against.
const NEW_MEMORY: &str = "the same, read into new memory";
const ONE_FUTEX: &str = "so many threads asleep in one futex, woken by one call";
const EACH_SOCKET: &str = "write to each of so many sockets";
const SYNCED: &str = "written with fdatasync";
const READ: &str = "read with read";

const fn floor(label: &'static str, words: &'static str) -> Line {
    Line { label, words, ours: false, beside: None }
}

/// Points from `first`, each a multiple of the previous one, and `last`.
fn points(first: u64, factor: u64, last: u64) -> Vec<u64> {
    let growing = std::iter::successors(Some(first), |x| x.checked_mul(factor)).take_while(|x| *x < last);
    growing.chain([last]).collect()
}

const MEGABYTE: u64 = 1 << 20;

pub fn all() -> Vec<Plot> {
    vec![
        Plot {
            what: "growth: connections opened, all together",
            file: "connections-opened.svg",
            axis: Axis::Number,
            points: points(1, 4, 1000),
            quick: 4,
            in_turns: false,
            lines: vec![
                ours("shm", "open shm"),
                ours("unix", "open unix"),
                floor("connect of sockets", "open-floor"),
            ],
        },
        Plot {
            what: "growth: a call on each of so many connections, all together",
            file: "connections-called.svg",
            axis: Axis::Number,
            points: points(1, 4, 1000),
            quick: 4,
            in_turns: false,
            lines: vec![
                ours("shm", "call shm"),
                ours("unix", "call unix"),
                floor("sockets and epoll", "call-floor"),
            ],
        },
        Plot {
            what: "growth: round trip of a message of so many bytes, parked",
            file: "message-size.svg",
            axis: Axis::Bytes,
            points: points(8, 8, 1 << 30),
            quick: 7,
            in_turns: false,
            lines: vec![
                ours_beside("shm", "size shm", NEW_MEMORY),
                ours_beside("unix", "size unix", NEW_MEMORY),
                floor("write and read of a socket", "size-floor"),
                floor(NEW_MEMORY, "size-floor-new"),
            ],
        },
        Plot {
            what: "growth: one message to so many parked subscribers, until all have it",
            file: "subscribers.svg",
            axis: Axis::Number,
            points: points(1, 2, 256),
            quick: 5,
            in_turns: true,
            lines: vec![
                ours_beside("shm", "subscribers shm", ONE_FUTEX),
                ours_beside("unix", "subscribers unix", EACH_SOCKET),
                floor(ONE_FUTEX, "subscribers-floor-futex"),
                floor(EACH_SOCKET, "subscribers-floor"),
            ],
        },
        Plot {
            what: "growth: a spool's backlog, all of it",
            file: "spool-backlog.svg",
            axis: Axis::Number,
            points: [points(1, 8, 4096), vec![100_000]].concat(),
            quick: 3,
            in_turns: false,
            lines: vec![
                ours("sent", "spool-sent"),
                ours("received", "spool-received"),
                ours("the first received", "spool-first"),
                floor("files listed, read, unlinked", "spool-floor"),
            ],
        },
        Plot {
            what: "growth: a journal, all of it",
            file: "journal-size.svg",
            axis: Axis::Bytes,
            points: points(MEGABYTE, 8, 4096 * MEGABYTE),
            quick: 2,
            in_turns: false,
            lines: vec![
                ours_beside("published", "journal-published", SYNCED),
                ours_beside("read from the first message", "journal-read", READ),
                ours("the newest message read", "journal-newest"),
                floor(SYNCED, "journal-floor-written"),
                floor(READ, "journal-floor-read"),
            ],
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_ascend_and_end_with_the_last() {
        assert_eq!(points(1, 4, 1000), [1, 4, 16, 64, 256, 1000]);
        for plot in all() {
            assert!(plot.points.windows(2).all(|pair| pair[0] < pair[1]), "{}", plot.what);
            assert!(plot.points.len() >= 5, "{}: too few points for a slope", plot.what);
            for beside in plot.lines.iter().filter_map(|line| line.beside) {
                let is_floor = |line: &Line| !line.ours && line.label == beside;
                assert!(plot.lines.iter().any(is_floor), "{}: no floor is {beside}", plot.what);
            }
        }
    }
}
