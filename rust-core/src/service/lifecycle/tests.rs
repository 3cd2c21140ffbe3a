//! Each rule of a service's life by itself; `properties` tries them in random histories.

mod commands;
mod endings;
mod times;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn order(id: &str, command: Command) -> Order {
    Order { id: id.into(), command, arguments: Value::Null, within: 10 * SECOND, epoch: None }
}

fn within(id: &str, command: Command, within: Duration) -> Order {
    Order { within, ..order(id, command) }
}

/// CANCEL of this command, or of what is under way.
fn cancel(id: &str, wanted: Option<&str>) -> Order {
    let arguments = wanted.map_or(Value::Null, |id| Value::map([("id", id)]));
    Order { arguments, ..order(id, Command::Cancel) }
}

fn own() -> Command {
    Command::Own("calibrate".into())
}

fn service() -> Lifecycle {
    Lifecycle::new(Setup {
        epoch: 7,
        every: Some(SECOND),
        paused: false,
        commands: vec!["CONFIG".into(), "BACKUP".into(), "calibrate".into()],
    })
}

/// RUNNING at time zero, and in its first step.
fn stepping() -> Lifecycle {
    let mut life = service();
    assert_eq!(work(life.come(Duration::ZERO)), Command::Step);
    assert_eq!(life.state(), State::Running);
    life
}

/// RUNNING at time zero; its program waits for what comes.
fn running() -> Lifecycle {
    let mut life = stepping();
    assert!(life.finish(Ok(Value::Null), Duration::ZERO).is_empty());
    assert_eq!(life.come(Duration::ZERO).0, Next::Wait(Some(SECOND)));
    life
}

/// In this state at time zero. Where it passes through one, the program is at a step, and what leads on is `way`.
fn service_in(state: State) -> Lifecycle {
    let zero = Duration::ZERO;
    let mut life = match state {
        State::Starting => service(),
        State::Ready => {
            let mut life = Lifecycle::new(Setup { paused: true, ..service().setup().clone() });
            assert_eq!(life.come(zero).0, Next::Wait(None));
            life
        }
        State::Pausing | State::Checkpointing | State::Stopping => stepping(),
        State::Running | State::Paused | State::Stopped | State::Failed => running(),
    };
    match state {
        State::Starting | State::Ready | State::Running => {}
        State::Pausing => drop(life.command(order("way", Command::Pause), zero)),
        State::Checkpointing => drop(life.command(order("way", Command::Checkpoint), zero)),
        State::Stopping => drop(life.command(order("way", Command::Shutdown), zero)),
        State::Paused | State::Stopped => {
            let command = if state == State::Paused { Command::Pause } else { Command::Shutdown };
            life.command(order("way", command), zero);
            work(life.come(zero));
            life.finish(Ok(Value::Null), zero);
        }
        State::Failed => drop(life.fail(&broken(), zero)),
    }
    assert_eq!(life.state(), state);
    life
}

fn broken() -> Error {
    Error::new(ErrorKind::NoSpace, "the disk is full")
}

/// What the answers say: id, outcome, the state that they tell.
fn answers(acts: &[Act]) -> Vec<(&str, Outcome, State)> {
    all_answers(acts).map(|a| (&*a.id, a.outcome, a.state)).collect()
}

fn all_answers(acts: &[Act]) -> impl Iterator<Item = &Answer> {
    acts.iter().filter_map(|act| match act {
        Act::Answer(answer) => Some(answer),
        _ => None,
    })
}

/// The one answer among these acts.
fn answer(acts: &[Act]) -> Answer {
    let all: Vec<_> = all_answers(acts).collect();
    assert_eq!(all.len(), 1, "{acts:?}");
    all[0].clone()
}

/// The error that the one answer among these acts tells.
fn error(acts: &[Act]) -> (ErrorKind, String) {
    let error = answer(acts).into_result().unwrap_err();
    (error.kind(), error.text().to_owned())
}

fn work(next: (Next, Vec<Act>)) -> Command {
    match next.0 {
        Next::Work(work) => work.order.command,
        other => panic!("{other:?}"),
    }
}

fn data(rows: u64) -> Value {
    Value::map([("rows", rows)])
}

/// A service at time zero that has been asked for its data once, and is in a step.
fn stepping_with_data() -> Lifecycle {
    let mut life = running();
    life.command(order("first", Command::GetData), Duration::ZERO);
    assert_eq!(work(life.come(Duration::ZERO)), Command::GetData);
    let acts = life.finish(Ok(data(1)), Duration::ZERO);
    assert_eq!(answer(&acts).value, data(1));
    assert_eq!(work(life.come(SECOND)), Command::Step);
    life
}

#[test]
fn from_start_to_end() {
    let mut life = service();
    assert_eq!(life.state(), State::Starting);
    assert_eq!(work(life.come(SECOND)), Command::Step);
    assert_eq!(life.state(), State::Running);
    let acts = life.command(order("p", Command::Pause), SECOND);
    assert_eq!(answers(&acts), [("p", Outcome::Accepted, State::Running)]);
    assert_eq!((life.state(), life.since()), (State::Pausing, SECOND));
    assert!(life.finish(Ok(Value::Null), 2 * SECOND).is_empty());
    assert_eq!(work(life.come(2 * SECOND)), Command::Pause);
    let acts = life.finish(Ok(Value::Null), 2 * SECOND);
    assert_eq!(answers(&acts), [("p", Outcome::Done, State::Paused)]);
    assert_eq!(life.come(2 * SECOND).0, Next::Wait(None));
    life.command(order("r", Command::Run), 3 * SECOND);
    assert_eq!(life.state(), State::Paused);
    assert_eq!(work(life.come(3 * SECOND)), Command::Run);
    let acts = life.finish(Ok(Value::Null), 3 * SECOND);
    assert_eq!(answers(&acts), [("r", Outcome::Done, State::Running)]);
    life.command(order("s", Command::Shutdown), 3 * SECOND);
    assert_eq!(work(life.come(3 * SECOND)), Command::Shutdown);
    let acts = life.finish(Ok(Value::Null), 3 * SECOND);
    assert_eq!(answers(&acts), [("s", Outcome::Done, State::Stopped)]);
    assert_eq!(life.come(3 * SECOND).0, Next::End);
    let counts = life.counts();
    assert_eq!((counts.accepted, counts.done, counts.steps, counts.longest_step), (3, 3, 1, SECOND));
}
