//! Who plays when: the workers of a row take turns, floor before and after each of ours.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::rows::{Case, Row};
use crate::statistics::Taken;

/// How much is measured.
pub struct Plan {
    /// Turns of each worker.
    pub repetitions: usize,
    /// About how long one turn takes.
    pub round: Duration,
    /// Only the rows whose name contains this.
    pub only: Option<String>,
}

/// What a worker took, or why it could not be measured.
pub type Outcome = Result<Taken, String>;

/// A row with its figures.
pub struct Measured {
    /// The row.
    pub row: Row,
    /// Ours.
    pub ours: Outcome,
    /// The floor.
    pub floor: Outcome,
    /// The others, in the row's order.
    pub peers: Vec<Outcome>,
}

/// Operations in a turn, at most: then even the fastest stay within sight of the others.
const MOST: f64 = 100_000.0;

/// Milliseconds for one turn, or for a worker to start: after so long it hangs.
const PATIENCE: i32 = 25_000;

struct Player {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    count: u64,
    taken: Taken,
}

impl Player {
    fn start(case: &Case) -> Result<Player, String> {
        let mut command = Command::new(&case.program);
        command.args(&case.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", case.program.display()))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("it has no standard input and output".into());
        };
        let taken = Taken { rounds: Vec::new(), singles: Vec::new() };
        let mut player = Player { child, to, from: BufReader::new(from), count: 1, taken };
        let first = player.line()?;
        match first.split_once(' ').unwrap_or((&first, "")) {
            ("ready", _) => Ok(player),
            ("absent", why) => Err(why.to_owned()),
            _ => Err(format!("it said {first:?}")),
        }
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        let mut answer =
            libc::pollfd { fd: self.from.get_ref().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, which is ours and open.
        if self.from.buffer().is_empty() && unsafe { libc::poll(&mut answer, 1, PATIENCE) } == 0 {
            return Err(format!("no answer within {} s", PATIENCE / 1000));
        }
        match self.from.read_line(&mut line) {
            Ok(n) if n > 0 => Ok(line.trim_end().to_owned()),
            _ => Err(self.last_words()),
        }
    }

    /// What a worker that ended said about it.
    fn last_words(&mut self) -> String {
        // It may hang instead of ending; it is ours to end. A failure means that it has ended.
        let _ = self.child.kill();
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            // Half of it is better than none.
            let _ = stderr.read_to_string(&mut said);
        }
        said.trim_end().lines().last().unwrap_or("it ended without a word").to_owned()
    }

    fn round(&mut self) -> Result<(f64, Vec<f64>), String> {
        writeln!(self.to, "{}", self.count).map_err(|_| self.last_words())?;
        let line = self.line()?;
        let numbers: Result<Vec<f64>, _> = line.split(' ').map(str::parse).collect();
        let numbers = numbers.map_err(|_| format!("it said {line:?}"))?;
        let (mean, singles) = numbers.split_first().ok_or("it said nothing")?;
        Ok((*mean, singles.to_vec()))
    }

    /// Finds how many operations fill a turn.
    fn calibrate(&mut self, round: Duration) -> Result<(), String> {
        self.count = 8;
        for _ in 0..2 {
            let (mean, _) = self.round()?;
            self.count = (round.as_nanos() as f64 / mean.max(1.0)).clamp(4.0, MOST) as u64;
        }
        Ok(())
    }

    fn play(&mut self) -> Result<(), String> {
        let (mean, singles) = self.round()?;
        self.taken.rounds.push(mean);
        self.taken.singles.extend(singles);
        Ok(())
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // Fails where it has ended by itself, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures every row.
pub fn conduct(rows: &[Row], plan: &Plan) -> Result<Vec<Measured>> {
    let directory = crate::environment::Directory::new()?;
    let mut measured = Vec::new();
    for row in rows {
        if plan.only.as_ref().is_some_and(|only| !row.what.contains(only.as_str())) {
            continue;
        }
        eprintln!("{} …", row.what);
        measured.push(measure(row, plan));
    }
    drop(directory);
    Ok(measured)
}

fn measure(row: &Row, plan: &Plan) -> Measured {
    let begin = |case: &Case| {
        let mut player = Player::start(case)?;
        player.calibrate(plan.round)?;
        Ok(player)
    };
    let mut floor = begin(&row.floor);
    let mut ours = begin(&row.ours);
    let mut peers: Vec<_> = row.peers.iter().map(begin).collect();
    for _ in 0..plan.repetitions {
        turn(&mut floor);
        turn(&mut ours);
        peers.iter_mut().for_each(turn);
    }
    // Once more, so that every one of ours lies between two.
    turn(&mut floor);
    let figures = |player: Result<Player, String>| {
        player.map(|mut p| std::mem::replace(&mut p.taken, Taken { rounds: Vec::new(), singles: Vec::new() }))
    };
    Measured {
        row: row.clone(),
        ours: figures(ours),
        floor: figures(floor),
        peers: peers.into_iter().map(figures).collect(),
    }
}

fn turn(player: &mut Result<Player, String>) {
    if let Ok(playing) = player
        && let Err(why) = playing.play()
    {
        *player = Err(why);
    }
}
