//! Measures the curves point by point and fits their slopes.

use std::time::{Duration, Instant};

use super::plots::Plot;
use crate::rows::own;
use crate::schedule::Plan;
use crate::statistics::{quantile, slope};
use crate::worker_process::{Patience, WorkerProcess};

/// A slope above this is worse than linear. The margin covers the error of a fit over a few points.
const LINEAR: f64 = 1.15;

/// The prefix of a worker's report that the machine is too small for a point.
pub const TOO_LARGE: &str = "does not fit";

#[derive(Clone, Debug)]
pub struct Curve {
    pub label: String,
    pub ours: bool,
    /// The points: the amount, and nanoseconds.
    pub points: Vec<(f64, f64)>,
    pub missing: Vec<(u64, String)>,
}

impl Curve {
    /// Returns the slope of the logarithms over the upper half.
    pub fn slope(&self) -> Option<f64> {
        slope(&self.points)
    }

    /// Whether nothing failed. A point beyond the machine's size or the time has not failed.
    fn is_whole(&self) -> bool {
        let excused = |why: &String| why.starts_with(TOO_LARGE) || why.starts_with("the time was over");
        !self.ours || self.missing.iter().all(|(_, why)| excused(why))
    }
}

/// The judgement of a curve's slope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    TooFewPoints,
    WorseThanLinear,
    /// The floor is steeper than linear, and the ratio to it hardly grows.
    LinearBesideFloor,
    Linear,
    BetterThanLinear,
}

impl Verdict {
    pub const fn text(self) -> &'static str {
        match self {
            Verdict::TooFewPoints => "too few points",
            Verdict::WorseThanLinear => "worse than linear",
            Verdict::LinearBesideFloor => "linear beside its floor",
            Verdict::Linear => "linear",
            Verdict::BetterThanLinear => "better than linear",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Measured {
    pub plot: Plot,
    pub curves: Vec<Curve>,
}

impl Measured {
    fn floor_beside(&self, index: usize) -> Option<&Curve> {
        let label = self.plot.lines.get(index)?.beside?;
        self.curves.iter().find(|curve| !curve.ours && curve.label == label)
    }

    /// Returns the ratios of a curve to its floor, at points where both were measured.
    pub fn ratio(&self, index: usize) -> Option<Vec<(f64, f64)>> {
        let floor = &self.floor_beside(index)?.points;
        let beside = |(x, ours): &(f64, f64)| {
            let (_, floor) = floor.iter().find(|(at, _)| at == x)?;
            Some((*x, ours / floor))
        };
        Some(self.curves[index].points.iter().filter_map(beside).collect())
    }

    pub fn verdict(&self, index: usize) -> Verdict {
        let Some(own) = self.curves[index].slope() else { return Verdict::TooFewPoints };
        if own <= LINEAR {
            return if own > 2.0 - LINEAR { Verdict::Linear } else { Verdict::BetterThanLinear };
        }
        // The ratio's slope is ours minus the floor's. This subtracts the floor's excess over linear, and nothing if
        // the floor is linear.
        match self.ratio(index).and_then(|points| slope(&points)) {
            Some(ratio) if ratio <= LINEAR - 1.0 => Verdict::LinearBesideFloor,
            _ => Verdict::WorseThanLinear,
        }
    }

    /// Whether nothing of ours failed.
    pub fn is_whole(&self) -> bool {
        self.curves.iter().all(Curve::is_whole)
    }
}

const TURN: Duration = Duration::from_secs(60);

const MOST: usize = 5;

/// Turns of each worker if the curves take turns.
const TURNS: usize = 15;

pub fn measure_curves(plots: &[Plot], plan: &Plan) -> Vec<Measured> {
    plots.iter().filter(|plot| plan.wants(plot.what)).map(|plot| measure(plot, plan)).collect()
}

fn measure(plot: &Plot, plan: &Plan) -> Measured {
    let curve = |label: &str, ours| Curve { label: label.into(), ours, points: vec![], missing: vec![] };
    let mut curves: Vec<Curve> = plot.lines.iter().map(|line| curve(line.label, line.ours)).collect();
    let count = if plan.quick { plot.quick } else { plot.points.len() };
    for &x in plot.points.iter().take(count) {
        eprintln!("{}: {x} …", plot.what);
        // After a curve hung once, larger points would hang too.
        let hung = |curve: &Curve| curve.missing.iter().any(|(_, why)| why.starts_with("no answer"));
        let words: Vec<Option<String>> = plot
            .lines
            .iter()
            .zip(&curves)
            .map(|(line, curve)| (!hung(curve)).then(|| format!("growth {} {x}", line.words)))
            .collect();
        let measured = if plot.in_turns {
            points_in_turns(&words, plan)
        } else {
            words.iter().map(|words| words.as_ref().map(|words| point(words, plan))).collect()
        };
        for (curve, measured) in curves.iter_mut().zip(measured) {
            match measured {
                Some(Ok(nanoseconds)) => curve.points.push((x as f64, nanoseconds)),
                Some(Err(why)) => curve.missing.push((x, why)),
                None => curve.missing.push((x, "a smaller one gave no answer".into())),
            }
        }
    }
    Measured { plot: plot.clone(), curves }
}

/// Returns the median of some repetitions of a point.
fn point(words: &str, plan: &Plan) -> Result<f64, String> {
    let (mut worker, started) = started_worker(words, plan.round * 2, plan)?;
    // The first repetition of a fast point only warms up; for a slow point it counts.
    let first_counts = started.elapsed() > Duration::from_millis(200);
    let more = if plan.quick { 1 } else { MOST };
    let enough = Duration::from_millis(if plan.quick { 100 } else { 1000 });
    for _ in 0..more {
        if started.elapsed() > enough && (first_counts || worker.taken.rounds.len() > 1) {
            break;
        }
        worker.take_turn()?;
    }
    Ok(part_of(&worker, first_counts, 0.5))
}

/// Returns the lower quartile of the repetitions of several curves' points.
///
/// The curves take turns, to meet the same other programs. Interruptions add time slices that are independent of the
/// growth, so the least disturbed quarter counts, for floors and for ours.
fn points_in_turns(words: &[Option<String>], plan: &Plan) -> Vec<Option<Result<f64, String>>> {
    let start = |words: &String| started_worker(words, plan.round * 8, plan);
    let mut workers: Vec<_> = words.iter().map(|words| words.as_ref().map(start)).collect();
    for _ in 0..if plan.quick { 1 } else { TURNS } {
        for worker in workers.iter_mut().flatten() {
            let turn = worker.as_mut().map_or(Ok(()), |(worker, _)| worker.take_turn());
            if let Err(why) = turn {
                *worker = Err(why);
            }
        }
    }
    let quartile = |(worker, _): (WorkerProcess, Instant)| part_of(&worker, false, 0.25);
    workers.into_iter().map(|worker| worker.map(|worker| worker.map(quartile))).collect()
}

/// Starts a worker; returns it after its first repetition, with that repetition's start.
///
/// The first repetition determines how many operations fill a moment.
fn started_worker(words: &str, moment: Duration, plan: &Plan) -> Result<(WorkerProcess, Instant), String> {
    let mut worker = WorkerProcess::start(&own("growth", words), Patience { turn: TURN, until: plan.until })?;
    let started = Instant::now();
    worker.take_turn()?;
    let first = worker.taken.rounds.first().copied().unwrap_or(f64::NAN);
    worker.count = (moment.as_nanos() as f64 / first.max(1.0)).clamp(1.0, 1000.0) as u64;
    Ok((worker, started))
}

/// Returns the quantile of the repetitions, with or without the first one.
fn part_of(worker: &WorkerProcess, with_first: bool, part: f64) -> f64 {
    quantile(&worker.taken.rounds[usize::from(!with_first)..], part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(power: f64) -> Curve {
        let points = (0..6).map(|i| 4f64.powi(i)).map(|x| (x, 1000.0 * x.powf(power))).collect();
        Curve { label: "x".into(), ours: true, points, missing: vec![] }
    }

    /// Curves of message sizes: ours over shm, and its floor.
    fn measured(own: Curve, floor: f64) -> Measured {
        let plot = super::super::all().into_iter().find(|plot| plot.file == "message-size.svg").unwrap();
        let beside = plot.lines[0].beside.unwrap();
        let floor = Curve { label: beside.into(), ours: false, ..curve(floor) };
        Measured { plot, curves: vec![own, floor] }
    }

    #[test]
    fn verdict_names_what_is_worse_than_linear() {
        let verdict = |own, floor| measured(curve(own), floor).verdict(0);
        assert_eq!(verdict(2.0, 1.0), Verdict::WorseThanLinear);
        assert_eq!(verdict(1.2, 1.0), Verdict::WorseThanLinear, "the floor is linear");
        assert_eq!(verdict(1.2, 0.5), Verdict::WorseThanLinear, "the floor is better than linear");
        assert_eq!(verdict(1.5, 1.2), Verdict::WorseThanLinear, "the ratio grows");
        assert_eq!(verdict(1.3, 1.2), Verdict::LinearBesideFloor);
        assert_eq!(verdict(1.2, 1.1), Verdict::LinearBesideFloor, "half of the excess is the floor's");
        assert_eq!(verdict(1.0, 1.3), Verdict::Linear);
        assert_eq!(verdict(0.1, 1.0), Verdict::BetterThanLinear);
        let short = Curve { points: curve(1.0).points[..2].to_vec(), ..curve(1.0) };
        assert_eq!(measured(short, 1.0).verdict(0), Verdict::TooFewPoints);
        let mut alone = measured(curve(1.3), 1.2);
        alone.curves.pop();
        assert_eq!(alone.verdict(0), Verdict::WorseThanLinear, "the floor was not measured");
        let points = measured(curve(1.3), 1.0).ratio(0).unwrap();
        assert!((slope(&points).unwrap() - 0.3).abs() < 1e-9);
    }

    #[test]
    fn curve_that_did_not_fit_is_whole_and_one_that_failed_is_not() {
        let missing = |why: &str, ours| Curve { ours, missing: vec![(8, why.into())], ..curve(1.0) };
        assert!(missing("does not fit: 6 GB of memory", true).is_whole());
        assert!(missing("the time was over", true).is_whole());
        assert!(!missing("Disconnected", true).is_whole());
        assert!(missing("a floor may fail", false).is_whole());
    }
}
