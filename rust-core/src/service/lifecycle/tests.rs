//! A life told step by step.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn order(id: &str, command: Command) -> Order {
    Order { id: id.into(), command, arguments: Value::Null, within: 10 * SECOND, epoch: None }
}

fn service() -> Lifecycle {
    Lifecycle::new(Setup {
        epoch: 7,
        every: Some(SECOND),
        paused: false,
        commands: vec!["BACKUP".into(), "calibrate".into()],
    })
}

fn answers(acts: &[Act]) -> Vec<(String, Outcome, State)> {
    let one = |act: &Act| match act {
        Act::Answer(a) => Some((a.id.to_string(), a.outcome, a.state)),
        _ => None,
    };
    acts.iter().filter_map(one).collect()
}

fn work(next: (Next, Vec<Act>)) -> Command {
    match next.0 {
        Next::Work(work) => work.order.command,
        other => panic!("{other:?}"),
    }
}

fn said(id: &str, outcome: Outcome, state: State) -> (String, Outcome, State) {
    (id.to_owned(), outcome, state)
}

#[test]
fn from_start_to_end() {
    let mut life = service();
    assert_eq!(life.state(), State::Starting);
    assert_eq!(work(life.come(SECOND)), Command::Step);
    assert_eq!(life.state(), State::Running);
    let acts = life.command(order("p", Command::Pause), SECOND);
    assert_eq!(answers(&acts), [said("p", Outcome::Accepted, State::Running)]);
    assert_eq!(life.state(), State::Pausing);
    assert!(life.finish(Ok(Value::Null), 2 * SECOND).is_empty());
    assert_eq!(work(life.come(2 * SECOND)), Command::Pause);
    let acts = life.finish(Ok(Value::Null), 2 * SECOND);
    assert_eq!(answers(&acts), [said("p", Outcome::Done, State::Paused)]);
    assert_eq!(life.come(2 * SECOND).0, Next::Wait(None));
    life.command(order("r", Command::Run), 3 * SECOND);
    assert_eq!(life.state(), State::Paused);
    assert_eq!(work(life.come(3 * SECOND)), Command::Run);
    assert_eq!(
        answers(&life.finish(Ok(Value::Null), 3 * SECOND)),
        [said("r", Outcome::Done, State::Running)]
    );
    life.command(order("s", Command::Shutdown), 3 * SECOND);
    assert_eq!(work(life.come(3 * SECOND)), Command::Shutdown);
    assert_eq!(
        answers(&life.finish(Ok(Value::Null), 3 * SECOND)),
        [said("s", Outcome::Done, State::Stopped)]
    );
    assert_eq!(life.come(3 * SECOND).0, Next::End);
}
