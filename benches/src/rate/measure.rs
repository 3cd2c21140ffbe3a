//! The order of measurements: a row's workers take turns, and each fills a histogram.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::burden::Burden;
use super::rows::Row;
use crate::Result;
use crate::rows::Case;
use crate::schedule::Plan;
use crate::worker_process::{Patience, WorkerProcess};

/// The longest time of a worker's turn: normally part of a second, more if a peer cannot keep the rate.
const TURN: Duration = Duration::from_secs(8);
/// The longest time of a row: twice its time on idle processors.
const ROW: Duration = Duration::from_secs(15);
/// The longest distinguished latency; a longer one counts as this.
const LONGEST: u64 = 60_000_000_000;
/// Turns of other rows per turn of these rows.
const FEWER: usize = 4;
/// How many times fewer messages a quick run sends.
const QUICK: u64 = 5;

#[derive(Clone, Debug)]
pub struct Figures {
    /// The latencies in nanoseconds, with three digits.
    pub histogram: Histogram<u64>,
    pub sent: u64,
    /// Messages sent more than an interval late.
    pub late: u64,
    pub lost: u64,
}

impl Figures {
    pub fn new() -> Result<Figures, String> {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3).map_err(|e| format!("a histogram: {e}"))?;
        Ok(Figures { histogram, sent: 0, late: 0, lost: 0 })
    }

    pub fn add(&mut self, sent: u64, late: u64, took: &[f64]) {
        self.sent += sent;
        self.late += late;
        self.lost += sent.saturating_sub(took.len() as u64);
        took.iter().for_each(|took| self.histogram.saturating_record((*took as u64).max(1)));
    }

    /// Returns this quantile of the latencies; `None` if fewer than one message exceeds it.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let beyond = self.histogram.len() as f64 * (1.0 - part);
        // 10,000 × (1 − 0.9999) is slightly less than 1.
        (beyond > 0.999).then(|| self.histogram.value_at_quantile(part) as f64)
    }

    pub fn max(&self) -> f64 {
        self.histogram.max() as f64
    }
}

/// The figures of a case, or why it could not be measured.
pub type Outcome = Result<Figures, String>;

pub struct Measured {
    pub row: Row,
    pub floor: Outcome,
    pub ours: Vec<Outcome>,
    pub peers: Vec<Outcome>,
}

struct Turns {
    worker: WorkerProcess,
    figures: Figures,
}

impl Turns {
    fn start(case: &Case, count: u64, patience: Patience) -> Result<Turns, String> {
        let mut worker = WorkerProcess::start(case, patience)?;
        worker.count = count;
        Ok(Turns { worker, figures: Figures::new()? })
    }

    fn take(&mut self) -> Result<(), String> {
        let (late, took) = self.worker.round()?;
        self.figures.add(self.worker.count, late as u64, &took);
        Ok(())
    }
}

pub fn measure_rates(rows: &[Row], plan: &Plan) -> Vec<Measured> {
    let wanted = rows.iter().filter(|row| plan.wants(&row.what));
    wanted
        .map(|row| {
            eprintln!("{} …", row.what);
            let mut row = row.clone();
            row.peers.retain(|_| plan.peers);
            measure(row, plan)
        })
        .collect()
}

fn measure(row: Row, plan: &Plan) -> Measured {
    let patience = Patience { turn: TURN, until: plan.until.min(Instant::now() + ROW) };
    let count = if plan.quick { row.count / QUICK } else { row.count };
    let cases = std::iter::once(&row.floor).chain(&row.ours).chain(&row.peers);
    let mut workers: Vec<_> = cases.map(|case| Turns::start(case, count, patience)).collect();
    // The workers have connected by now.
    let burden = row.burdened.then(Burden::start).transpose();
    for _ in 0..plan.repetitions.div_ceil(FEWER) {
        if patience.is_over() {
            break;
        }
        for worker in &mut workers {
            if let Ok(turns) = worker
                && let Err(why) = turns.take()
            {
                *worker = Err(why);
            }
        }
    }
    let mut outcomes = workers.into_iter().map(|worker| {
        let figures = worker?.figures;
        burden.as_ref().map_err(String::clone)?;
        if figures.histogram.is_empty() { Err("no message arrived".into()) } else { Ok(figures) }
    });
    let floor = outcomes.next().unwrap_or_else(|| Err("it was not started".into()));
    let ours = outcomes.by_ref().take(row.ours.len()).collect();
    let peers = outcomes.collect();
    Measured { row, floor, ours, peers }
}
