//! Tests of single rules of the lifecycle; `properties` tests them in random histories.

mod commands;
mod endings;
mod times;

use super::super::command::Outcome;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn request(id: &str, command: Command) -> CommandRequest {
    CommandRequest { id: id.into(), command, arguments: Value::Null, within: 10 * SECOND, epoch: None }
}

fn within(id: &str, command: Command, within: Duration) -> CommandRequest {
    CommandRequest { within, ..request(id, command) }
}

fn cancel(id: &str, wanted: Option<&str>) -> CommandRequest {
    let arguments = wanted.map_or(Value::Null, |id| Value::map([("id", id)]));
    CommandRequest { arguments, ..request(id, Command::Cancel) }
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

fn stepping() -> Lifecycle {
    let mut lifecycle = service();
    assert_eq!(work(lifecycle.next_task(Duration::ZERO)), Command::Step);
    assert_eq!(lifecycle.state(), State::Running);
    lifecycle
}

/// Returns when a program that must wait at `now` is woken for its next task.
fn waits(lifecycle: &mut Lifecycle, now: Duration) -> Option<Duration> {
    assert_eq!(lifecycle.next_task(now).0, Next::Wait);
    lifecycle.next_task_due()
}

fn running() -> Lifecycle {
    let mut lifecycle = stepping();
    assert!(lifecycle.finish(Ok(Value::Null), Duration::ZERO).is_empty());
    assert_eq!(waits(&mut lifecycle, Duration::ZERO), Some(SECOND));
    lifecycle
}

/// Returns a service in this state at time zero.
///
/// In a transitional state the program is in a step, and the open command has the id `way`.
fn service_in(state: State) -> Lifecycle {
    let zero = Duration::ZERO;
    let mut lifecycle = match state {
        State::Starting => service(),
        State::Ready => {
            let mut lifecycle = Lifecycle::new(Setup { paused: true, ..service().setup().clone() });
            assert_eq!(waits(&mut lifecycle, zero), None);
            lifecycle
        }
        State::Pausing | State::Checkpointing | State::Stopping => stepping(),
        State::Running | State::Paused | State::Stopped | State::Failed => running(),
    };
    match state {
        State::Starting | State::Ready | State::Running => {}
        State::Pausing => drop(lifecycle.command(request("way", Command::Pause), zero)),
        State::Checkpointing => drop(lifecycle.command(request("way", Command::Checkpoint), zero)),
        State::Stopping => drop(lifecycle.command(request("way", Command::Shutdown), zero)),
        State::Paused | State::Stopped => {
            let command = if state == State::Paused { Command::Pause } else { Command::Shutdown };
            lifecycle.command(request("way", command), zero);
            work(lifecycle.next_task(zero));
            lifecycle.finish(Ok(Value::Null), zero);
        }
        State::Failed => drop(lifecycle.fail(&broken(), zero)),
    }
    assert_eq!(lifecycle.state(), state);
    lifecycle
}

fn broken() -> Error {
    Error::new(ErrorKind::NoSpace, "the disk is full")
}

fn answers(actions: &[Action]) -> Vec<(&str, Outcome, State)> {
    all_answers(actions).map(|a| (&*a.id, a.outcome, a.state)).collect()
}

fn all_answers(actions: &[Action]) -> impl Iterator<Item = &Answer> {
    actions.iter().filter_map(|action| match action {
        Action::Answer(answer) => Some(answer),
        _ => None,
    })
}

fn answer(actions: &[Action]) -> Answer {
    let all: Vec<_> = all_answers(actions).collect();
    assert_eq!(all.len(), 1, "{actions:?}");
    all[0].clone()
}

fn error(actions: &[Action]) -> (ErrorKind, String) {
    let error = answer(actions).into_result().unwrap_err();
    (error.kind(), error.text().to_owned())
}

fn work(next: (Next, Vec<Action>)) -> Command {
    match next.0 {
        Next::Work(work) => work.request.command,
        other => panic!("{other:?}"),
    }
}

fn data(rows: u64) -> Value {
    Value::map([("rows", rows)])
}

fn stepping_with_data() -> Lifecycle {
    let mut lifecycle = running();
    lifecycle.command(request("first", Command::GetData), Duration::ZERO);
    assert_eq!(work(lifecycle.next_task(Duration::ZERO)), Command::GetData);
    let actions = lifecycle.finish(Ok(data(1)), Duration::ZERO);
    assert_eq!(answer(&actions).value, data(1));
    assert_eq!(work(lifecycle.next_task(SECOND)), Command::Step);
    lifecycle
}

#[test]
fn from_start_to_end() {
    let mut lifecycle = service();
    assert_eq!(lifecycle.state(), State::Starting);
    assert_eq!(work(lifecycle.next_task(SECOND)), Command::Step);
    assert_eq!(lifecycle.state(), State::Running);
    let actions = lifecycle.command(request("p", Command::Pause), SECOND);
    assert_eq!(answers(&actions), [("p", Outcome::Accepted, State::Running)]);
    assert_eq!((lifecycle.state(), lifecycle.since()), (State::Pausing, SECOND));
    assert!(lifecycle.finish(Ok(Value::Null), 2 * SECOND).is_empty());
    assert_eq!(work(lifecycle.next_task(2 * SECOND)), Command::Pause);
    let actions = lifecycle.finish(Ok(Value::Null), 2 * SECOND);
    assert_eq!(answers(&actions), [("p", Outcome::Done, State::Paused)]);
    assert_eq!(waits(&mut lifecycle, 2 * SECOND), None);
    lifecycle.command(request("r", Command::Run), 3 * SECOND);
    assert_eq!(lifecycle.state(), State::Paused);
    assert_eq!(work(lifecycle.next_task(3 * SECOND)), Command::Run);
    let actions = lifecycle.finish(Ok(Value::Null), 3 * SECOND);
    assert_eq!(answers(&actions), [("r", Outcome::Done, State::Running)]);
    lifecycle.command(request("s", Command::Shutdown), 3 * SECOND);
    assert_eq!(work(lifecycle.next_task(3 * SECOND)), Command::Shutdown);
    let actions = lifecycle.finish(Ok(Value::Null), 3 * SECOND);
    assert_eq!(answers(&actions), [("s", Outcome::Done, State::Stopped)]);
    assert_eq!(lifecycle.next_task(3 * SECOND).0, Next::End);
    let counts = lifecycle.counts();
    assert_eq!((counts.accepted, counts.done, counts.steps, counts.longest_step), (3, 3, 1, SECOND));
}
