//! Who is measured when: the workers of a row take turns, floor before and after each of ours.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::player::{Outcome, Patience, Player};
use crate::rows::{Case, Row, Unit};

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Turns of each worker.
    pub repetitions: usize,
    /// About how long one turn takes.
    pub round: Duration,
    /// Only the rows and curves whose name contains this.
    pub only: Option<String>,
    /// How often a row is measured again whose floor moved, at most.
    pub again: usize,
    /// How long a row may take; from then on it makes do with what it has.
    pub row: Duration,
    /// Whether the curves stop at sizes that take a moment.
    pub quick: bool,
    /// Whether the peers are measured as well.
    pub peers: bool,
    /// The end of the run: what has not begun by then is named as not measured.
    pub until: Instant,
}

/// A floor that moved by more than this while its row was measured makes the row be measured again.
pub const MOVED: f64 = 0.2;

/// Repetitions of a row that counts instead of timing.
const COUNTS: usize = 3;

/// How much longer a row may take whose workers do not answer.
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
    /// The floor, where there is one.
    pub floor: Option<Outcome>,
    /// The others, in the row's order.
    pub peers: Vec<Outcome>,
    /// How often it was measured because the floor moved.
    pub attempts: usize,
}

impl Measured {
    /// How far the floor moved.
    pub fn drift(&self) -> f64 {
        self.floor.as_ref().and_then(|floor| floor.as_ref().ok()).map_or(0.0, |floor| floor.drift())
    }
}

/// Measures every row that is wanted.
pub fn conduct(rows: &[Row], plan: &Plan) -> Vec<Measured> {
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

/// Measures until the floor stands still, a bounded number of times; the run whose floor moved least is kept.
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
    // One that hangs must not take the time of the others.
    let patience = Patience { turn: plan.row * 2, until: plan.until.min(Instant::now() + plan.row * LATE) };
    let counts = row.unit != Unit::Time;
    let begin = |case: &Case| {
        let mut player = Player::start(case, patience)?;
        if !counts {
            player.calibrate(plan.round)?;
        } else if row.unit == Unit::CpuPerMillion {
            player.count = 100;
        }
        Ok(player)
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
    // Once more, so that every one of ours lies between two.
    floor.iter_mut().for_each(turn);
    Measured {
        row: row.clone(),
        ours: figures(ours),
        floor: floor.map(figures),
        peers: peers.into_iter().map(figures).collect(),
        attempts: 1,
    }
}

fn figures(player: Result<Player, String>) -> Outcome {
    let taken = player.map(|mut p| std::mem::take(&mut p.taken))?;
    if taken.rounds.is_empty() { Err("the time was over".into()) } else { Ok(taken) }
}

fn turn(player: &mut Result<Player, String>) {
    if let Ok(playing) = player
        && let Err(why) = playing.play()
    {
        *player = Err(why);
    }
}
