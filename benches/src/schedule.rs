//! The order of measurements: a row's workers take turns, with the floor around each of ours.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::rows::{Case, Row, Unit};
use crate::worker_process::{Outcome, Patience, WorkerProcess};

#[derive(Clone, Debug)]
pub struct Plan {
    /// Turns of each worker.
    pub repetitions: usize,
    /// The approximate length of one turn.
    pub round: Duration,
    /// Measures only rows and curves whose name contains this.
    pub only: Option<String>,
    /// How often a row with an unstable floor is repeated at most.
    pub again: usize,
    /// The longest time of a row, which then uses its measurements so far.
    pub row: Duration,
    /// Whether the curves leave out slow sizes.
    pub quick: bool,
    pub peers: bool,
    /// The end of the run; rows that begin later are reported as not measured.
    pub until: Instant,
}

/// A change of the floor above which the row is measured again.
pub const MOVED: f64 = 0.2;

/// Repetitions of a row that counts instead of timing.
const COUNTS: usize = 3;

/// How much longer a row may take if its workers do not answer.
const LATE: u32 = 5;

impl Plan {
    pub fn wants(&self, what: &str) -> bool {
        self.only.as_ref().is_none_or(|only| what.contains(only.as_str()))
    }
}

pub struct Measured {
    pub row: Row,
    pub ours: Outcome,
    pub floor: Option<Outcome>,
    pub peers: Vec<Outcome>,
    /// How often it was measured, because the floor changed.
    pub attempts: usize,
}

impl Measured {
    pub fn drift(&self) -> f64 {
        self.floor.as_ref().and_then(|floor| floor.as_ref().ok()).map_or(0.0, |floor| floor.drift())
    }
}

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

/// Measures until the floor is stable, within a limit; keeps the run with the most stable floor.
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
    // A hanging worker must not take the others' time.
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
