//! The order of measurements: the workers of a row take turns, with the floor before and after each of ours.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::rows::{Case, Row, Unit};
use crate::worker_process::{Outcome, Patience, WorkerProcess};

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Turns of each worker.
    pub repetitions: usize,
    /// About how long one turn takes.
    pub round: Duration,
    /// Measures only the rows and curves whose name contains this.
    pub only: Option<String>,
    /// How often a row is measured again at most, because its floor changed.
    pub again: usize,
    /// How long a row may take; after that it uses the measurements that it has.
    pub row: Duration,
    /// Whether the curves end before sizes that take long.
    pub quick: bool,
    /// Whether the peers are measured as well.
    pub peers: bool,
    /// The end of the run: rows that have not begun by then are reported as not measured.
    pub until: Instant,
}

/// If the floor changed by more than this during a row, the row is measured again.
pub const MOVED: f64 = 0.2;

/// Repetitions of a row that counts instead of timing.
const COUNTS: usize = 3;

/// How much longer a row may take if its workers do not answer.
const LATE: u32 = 5;

impl Plan {
    /// Whether a name was asked for.
    pub fn wants(&self, what: &str) -> bool {
        self.only.as_ref().is_none_or(|only| what.contains(only.as_str()))
    }
}

/// A row with its figures.
pub struct Measured {
    /// The row.
    pub row: Row,
    /// Ours.
    pub ours: Outcome,
    /// The floor, if there is one.
    pub floor: Option<Outcome>,
    /// The peers, in the row's order.
    pub peers: Vec<Outcome>,
    /// How often it was measured, because the floor changed.
    pub attempts: usize,
}

impl Measured {
    /// How far the floor changed.
    pub fn drift(&self) -> f64 {
        self.floor.as_ref().and_then(|floor| floor.as_ref().ok()).map_or(0.0, |floor| floor.drift())
    }
}

/// Measures every row of the plan.
pub fn measure_rows(rows: &[Row], plan: &Plan) -> Vec<Measured> {
    let wanted = rows.iter().filter(|row| plan.wants(&row.what));
    wanted
        .map(|row| {
            eprintln!("{} …", row.what);
            let mut row = row.clone();
            row.peers.retain(|_| plan.peers);
            steady(plan, || measure(&row, plan))
        })
        .collect()
}

/// Measures until the floor is stable, a bounded number of times; the run with the most stable floor is kept.
fn steady(plan: &Plan, mut measure: impl FnMut() -> Measured) -> Measured {
    let mut best = measure();
    for attempt in 2..=1 + plan.again {
        if best.drift() <= MOVED || Instant::now() >= plan.until {
            break;
        }
        let next = measure();
        if next.drift() < best.drift() && next.ours.is_ok() {
            best = next;
        }
        best.attempts = attempt;
    }
    best
}

fn measure(row: &Row, plan: &Plan) -> Measured {
    // A worker that hangs must not take the time of the others.
    let patience = Patience { turn: plan.row * 2, until: plan.until.min(Instant::now() + plan.row * LATE) };
    let counts = row.unit != Unit::Time;
    let begin = |case: &Case| {
        let mut worker = WorkerProcess::start(case, patience)?;
        if !counts {
            worker.calibrate(plan.round)?;
        } else if row.unit == Unit::CpuPerMillion {
            worker.count = 100;
        }
        Ok(worker)
    };
    let mut floor = row.floor.as_ref().map(begin);
    let mut ours = begin(&row.ours);
    let mut peers: Vec<_> = row.peers.iter().map(begin).collect();
    let repetitions = if counts { plan.repetitions.min(COUNTS) } else { plan.repetitions };
    let started = Instant::now();
    for repetition in 0..repetitions {
        if repetition > 2 && started.elapsed() > plan.row || patience.is_over() {
            break;
        }
        floor.iter_mut().for_each(turn);
        turn(&mut ours);
        peers.iter_mut().for_each(turn);
    }
    // Once more, so that each of ours is between two measurements of the floor.
    floor.iter_mut().for_each(turn);
    Measured {
        row: row.clone(),
        ours: figures(ours),
        floor: floor.map(figures),
        peers: peers.into_iter().map(figures).collect(),
        attempts: 1,
    }
}

fn figures(worker: Result<WorkerProcess, String>) -> Outcome {
    let taken = worker.map(|mut p| std::mem::take(&mut p.taken))?;
    if taken.rounds.is_empty() { Err("the time was over".into()) } else { Ok(taken) }
}

fn turn(worker: &mut Result<WorkerProcess, String>) {
    if let Ok(running) = worker
        && let Err(why) = running.take_turn()
    {
        *worker = Err(why);
    }
}
