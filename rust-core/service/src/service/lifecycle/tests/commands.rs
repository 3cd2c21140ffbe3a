//! Commands that are accepted, refused, repeated, cancelled.

use super::*;

/// The effect of each command in each state, independent of the code.
///
/// `=` accepted without a change; a state: entered at once; `!` cancels; `-` refused; `*` answered by the library.
const TABLE: [(&str, &str); 13] = [
    //              STARTING READY RUNNING PAUSING PAUSED CHECKPOINTING STOPPING STOPPED FAILED
    ("GET_DATA", "-        =     =       =       =      =             =        -       -"),
    ("PAUSE", "   -     PAUSING PAUSING -       -      -             -        -       -"),
    ("RUN", "     -      READY  -       -       PAUSED -             -        -       FAILED"),
    ("CHECKPOINT", "- CHECKPOINTING CHECKPOINTING - -    -             -        -       -"),
    ("SHUTDOWN", "STOPPING STOPPING STOPPING STOPPING STOPPING STOPPING ! - STOPPING"),
    ("CONFIG", "  -        =     =       -       =      -             -        -       -"),
    ("BACKUP", "  -        =     =       -       =      -             -        -       -"),
    ("calibrate", "-       =     =       -       =      -             -        -       -"),
    ("STATUS", "  * * * * * * * * *"),
    ("DESCRIBE", "* * * * * * * * *"),
    ("STATS", "   * * * * * * * * *"),
    ("LOG", "     * * * * * * * * *"),
    ("CANCEL", "  * * * * * * * * *"),
];

fn leads_to(command: &Command, from: State) -> Option<State> {
    match command {
        Command::Pause => Some(State::Paused),
        Command::Run => Some(State::Running),
        Command::Checkpoint => Some(from),
        Command::Shutdown => Some(State::Stopped),
        _ => None,
    }
}

/// Runs the program until no task is left. Returns the final answer to an id, and the state then.
fn carry_out(lifecycle: &mut Lifecycle, id: &str) -> (Outcome, State) {
    let zero = Duration::ZERO;
    for _ in 0..5 {
        let mut actions = lifecycle.finish(Ok(Value::Null), zero);
        actions.extend(lifecycle.next_task(zero).1);
        if let Some(answer) = all_answers(&actions).find(|answer| *answer.id == *id) {
            return (answer.outcome, answer.state);
        }
    }
    panic!("{id} is never answered");
}

#[test]
fn every_command_in_every_state() {
    let zero = Duration::ZERO;
    for (name, row) in TABLE {
        let row: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(row.len(), State::ALL.len(), "{name}");
        for (state, expected) in State::ALL.into_iter().zip(row) {
            let here = format!("{name} in {}: {expected}", state.name());
            let command = Command::from_name(name).unwrap();
            let mut lifecycle = service_in(state);
            let actions = lifecycle.command(request("it", command.clone()), zero);
            if expected == "*" {
                match command {
                    Command::Cancel => assert!(answer(&actions).outcome.is_final(), "{here}"),
                    _ => assert_eq!(actions, [Action::Ask(request("it", command))], "{here}"),
                }
                assert_eq!(lifecycle.state(), state, "{here}");
                continue;
            }
            let answer = all_answers(&actions).next().unwrap().clone();
            assert_eq!((&*answer.id, answer.state), ("it", state), "{here}");
            if expected == "-" {
                assert_eq!(answer.outcome, Outcome::Rejected, "{here}");
                let (kind, text) = error(&actions);
                assert_eq!(kind, ErrorKind::InvalidState, "{here}");
                assert!(text.contains(state.name()) && text.contains(name), "{here}: {text}");
                assert_eq!(lifecycle.state(), state, "{here}");
                assert!(!actions.contains(&Action::Changed), "{here}");
                continue;
            }
            assert_eq!(answer.outcome, Outcome::Accepted, "{here}");
            let due = lifecycle.running().is_none().then_some(Duration::ZERO);
            assert_eq!(lifecycle.next_task_due(), due, "{here}");
            let now = if matches!(expected, "=" | "!") { state.name() } else { expected };
            assert_eq!(lifecycle.state().name(), now, "{here}");
            assert_eq!(
                actions.contains(&Action::Changed),
                lifecycle.state() != state || expected == "!",
                "{here}"
            );
            assert_eq!(actions.contains(&Action::Cancel), expected == "!", "{here}");
            // While SHUTDOWN waits, GET_DATA is too late for the program, and no data is known yet.
            if (state, &command) == (State::Stopping, &Command::GetData) {
                assert_eq!(carry_out(&mut lifecycle, "it"), (Outcome::Failed, State::Stopped), "{here}");
                continue;
            }
            let (outcome, then) = carry_out(&mut lifecycle, "it");
            assert_eq!(outcome, Outcome::Done, "{here}");
            if let Some(expected) = leads_to(&command, state) {
                assert_eq!((then, lifecycle.state()), (expected, expected), "{here}");
            }
        }
    }
}

#[test]
fn unknown_command_is_refused_with_the_known_ones() {
    let mut lifecycle = Lifecycle::new(Setup { commands: vec!["zero".into()], ..Setup::default() });
    lifecycle.next_task(Duration::ZERO);
    for (i, command) in [Command::Config, Command::Backup, own(), Command::Step].into_iter().enumerate() {
        let actions = lifecycle.command(request(&i.to_string(), command.clone()), Duration::ZERO);
        assert_eq!(answer(&actions).outcome, Outcome::Rejected, "{command:?}");
        let (kind, text) = error(&actions);
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(command == Command::Step || text.contains(command.name()) && text.contains("zero"), "{text}");
    }
    assert_eq!(lifecycle.counts().rejected, 4);
}

#[test]
fn only_one_transition_is_open_at_a_time_beside_shutdown() {
    // RUN changes the state only when it is done, so the table would admit another transition.
    let mut lifecycle = service_in(State::Ready);
    lifecycle.command(request("r", Command::Run), Duration::ZERO);
    for (id, command) in [("p", Command::Pause), ("r2", Command::Run), ("c", Command::Checkpoint)] {
        let actions = lifecycle.command(request(id, command), Duration::ZERO);
        let (kind, text) = error(&actions);
        assert_eq!((answer(&actions).outcome, kind), (Outcome::Rejected, ErrorKind::InvalidState));
        assert!(text.contains("RUN is under way") && text.contains("READY"), "{text}");
    }
    let actions = lifecycle.command(request("s", Command::Shutdown), Duration::ZERO);
    assert_eq!(
        answers(&actions),
        [("s", Outcome::Accepted, State::Ready), ("r", Outcome::Failed, State::Stopping)]
    );
    assert_eq!(work(lifecycle.next_task(Duration::ZERO)), Command::Shutdown);
}

#[test]
fn earlier_commands_come_first_even_before_shutdown() {
    let mut lifecycle = stepping();
    for (id, command) in
        [("b", Command::Backup), ("o", own()), ("p", Command::Pause), ("s", Command::Shutdown)]
    {
        lifecycle.command(request(id, command), Duration::ZERO);
    }
    lifecycle.finish(Ok(Value::Null), Duration::ZERO);
    for expected in [Command::Backup, own(), Command::Shutdown] {
        assert_eq!(work(lifecycle.next_task(Duration::ZERO)), expected);
        assert_eq!(lifecycle.running(), Some((&expected, Duration::ZERO)));
        lifecycle.finish(Ok(Value::Null), Duration::ZERO);
    }
    assert_eq!(lifecycle.state(), State::Stopped);
}

#[test]
fn shutdown_during_a_pause_finds_the_service_paused() {
    let mut lifecycle = running();
    lifecycle.command(request("p", Command::Pause), Duration::ZERO);
    assert_eq!(work(lifecycle.next_task(Duration::ZERO)), Command::Pause);
    lifecycle.command(request("s", Command::Shutdown), Duration::ZERO);
    assert_eq!(lifecycle.state(), State::Stopping);
    let actions = lifecycle.finish(Ok(Value::Null), Duration::ZERO);
    assert_eq!(answers(&actions), [("p", Outcome::Done, State::Stopping)]);
    let Next::Work(work) = lifecycle.next_task(Duration::ZERO).0 else { panic!("no work") };
    assert_eq!((work.request.command, work.before), (Command::Shutdown, State::Paused));
}

#[test]
fn task_has_its_source() {
    for (state, command) in [
        (State::Ready, Command::Run),
        (State::Paused, Command::Run),
        (State::Failed, Command::Run),
        (State::Running, Command::Checkpoint),
        (State::Ready, Command::Checkpoint),
        (State::Paused, Command::Shutdown),
        (State::Running, Command::Shutdown),
    ] {
        let mut lifecycle = service_in(state);
        lifecycle.command(within("it", command.clone(), 3 * SECOND), SECOND);
        let Next::Work(work) = lifecycle.next_task(SECOND).0 else { panic!("no work") };
        assert_eq!((work.before, work.due, work.request.command), (state, 4 * SECOND, command));
    }
}

#[test]
fn failing_hook_keeps_the_state_and_reports_its_error() {
    for (state, command, then) in [
        (State::Running, Command::Pause, State::Running),
        (State::Ready, Command::Pause, State::Ready),
        (State::Ready, Command::Run, State::Ready),
        (State::Paused, Command::Run, State::Paused),
        (State::Failed, Command::Run, State::Failed),
        (State::Running, Command::Checkpoint, State::Running),
        (State::Paused, Command::Backup, State::Paused),
        (State::Running, Command::GetData, State::Running),
        (State::Running, Command::Shutdown, State::Failed),
    ] {
        let mut lifecycle = service_in(state);
        lifecycle.command(request("it", command.clone()), Duration::ZERO);
        lifecycle.next_task(Duration::ZERO);
        let actions = lifecycle.finish(Err(broken()), Duration::ZERO);
        assert_eq!(answers(&actions), [("it", Outcome::Failed, then)], "{command:?}");
        assert_eq!(error(&actions), (ErrorKind::NoSpace, "the disk is full".into()));
        assert_eq!(lifecycle.state(), then, "{command:?}");
        if then == State::Running {
            let actions = lifecycle.command(request("next", Command::Pause), Duration::ZERO);
            assert_eq!(answer(&actions).outcome, Outcome::Accepted);
        }
    }
}

#[test]
fn repeated_id_is_never_carried_out_again() {
    let mut lifecycle = stepping();
    let zero = Duration::ZERO;
    assert_eq!(answer(&lifecycle.command(request("b", Command::Backup), zero)).outcome, Outcome::Accepted);
    assert_eq!(answer(&lifecycle.command(request("b", Command::Backup), zero)).outcome, Outcome::Accepted);
    lifecycle.finish(Ok(Value::Null), zero);
    assert_eq!(work(lifecycle.next_task(zero)), Command::Backup);
    let actions = lifecycle.command(request("b", Command::Backup), zero);
    assert_eq!((answers(&actions), actions.len()), (vec![("b", Outcome::Accepted, State::Running)], 1));
    let done = answer(&lifecycle.finish(Ok(data(3)), zero));
    assert_eq!((done.outcome, &done.value), (Outcome::Done, &data(3)));
    // Afterwards the answer is repeated with its old state, even if the repeated command differs.
    lifecycle.command(request("p", Command::Pause), zero);
    let again = CommandRequest { arguments: data(4), epoch: Some(9), ..request("b", Command::Shutdown) };
    assert_eq!(lifecycle.command(again, zero), [Action::Answer(done)]);
    assert_eq!(work(lifecycle.next_task(zero)), Command::Pause);
    lifecycle.finish(Err(broken()), zero);
    assert_eq!(error(&lifecycle.command(request("p", Command::Pause), zero)).0, ErrorKind::NoSpace);
    assert_eq!(waits(&mut lifecycle, zero), Some(SECOND));
    assert_eq!((lifecycle.counts().accepted, lifecycle.counts().repeated), (2, 4));
}

#[test]
fn refused_command_stays_refused() {
    let mut lifecycle = service_in(State::Paused);
    let refused = answer(&lifecycle.command(request("p", Command::Pause), Duration::ZERO));
    lifecycle.command(request("r", Command::Run), Duration::ZERO);
    lifecycle.next_task(Duration::ZERO);
    lifecycle.finish(Ok(Value::Null), Duration::ZERO);
    assert_eq!(lifecycle.state(), State::Running);
    assert_eq!(lifecycle.command(request("p", Command::Pause), Duration::ZERO), [Action::Answer(refused)]);
    assert_eq!(lifecycle.state(), State::Running);
    assert_eq!((lifecycle.counts().rejected, lifecycle.counts().repeated), (1, 1));
}

#[test]
fn another_epoch_is_refused_and_changes_nothing_of_what_is_known() {
    let mut lifecycle = running();
    let other = |id: &str| CommandRequest { epoch: Some(6), ..request(id, Command::Pause) };
    let (kind, text) = error(&lifecycle.command(other("x"), Duration::ZERO));
    assert_eq!(kind, ErrorKind::InvalidState);
    assert!(text.contains("incarnation"), "{text}");
    assert_eq!(lifecycle.state(), State::Running);
    lifecycle.command(CommandRequest { epoch: Some(7), ..request("p", Command::Pause) }, Duration::ZERO);
    assert_eq!(answer(&lifecycle.command(other("p"), Duration::ZERO)).outcome, Outcome::Accepted);
    work(lifecycle.next_task(Duration::ZERO));
    let done = answer(&lifecycle.finish(Ok(Value::Null), Duration::ZERO));
    assert_eq!(done.outcome, Outcome::Done);
    assert_eq!(lifecycle.command(other("p"), Duration::ZERO), [Action::Answer(done)]);
}

#[test]
fn cancel_withdraws_queued_command() {
    let mut lifecycle = stepping();
    lifecycle.command(request("p", Command::Pause), Duration::ZERO);
    assert_eq!(lifecycle.state(), State::Pausing);
    let actions = lifecycle.command(cancel("c", Some("p")), SECOND);
    assert_eq!(
        answers(&actions),
        [("p", Outcome::Failed, State::Running), ("c", Outcome::Done, State::Running)]
    );
    assert_eq!(all_answers(&actions).next().unwrap().failure.as_ref().unwrap().kind, "Cancelled");
    assert_eq!(all_answers(&actions).nth(1).unwrap().value, Value::map([("cancelled", "withdrawn")]));
    assert_eq!((lifecycle.state(), lifecycle.since()), (State::Running, SECOND));
    assert!(!lifecycle.is_cancelled() && !actions.contains(&Action::Cancel));
    lifecycle.finish(Ok(Value::Null), SECOND);
    assert_eq!(work(lifecycle.next_task(SECOND)), Command::Step);
    // The library answers CANCEL: no counter includes it, and a repeated CANCEL does nothing.
    assert_eq!((lifecycle.counts().accepted, lifecycle.counts().done, lifecycle.counts().failed), (1, 0, 1));
    let again = lifecycle.command(cancel("c", None), SECOND);
    assert_eq!((answers(&again), again.len()), (vec![("c", Outcome::Done, State::Running)], 1));
    assert!(!lifecycle.is_cancelled());
}

#[test]
fn cancel_requests_the_end_of_the_current_step() {
    for wanted in [None, Some("b")] {
        let mut lifecycle = running();
        lifecycle.command(request("b", Command::Backup), Duration::ZERO);
        work(lifecycle.next_task(Duration::ZERO));
        assert!(!lifecycle.is_cancelled());
        let actions = lifecycle.command(cancel("c", wanted), Duration::ZERO);
        assert!(actions.contains(&Action::Cancel) && lifecycle.is_cancelled());
        assert_eq!(answer(&actions).value, Value::map([("cancelled", "asked")]));
        let actions = lifecycle.finish(Err(Error::new(ErrorKind::Cancelled, "given up")), Duration::ZERO);
        assert_eq!((error(&actions).0, lifecycle.is_cancelled()), (ErrorKind::Cancelled, false));
        assert_eq!(work(lifecycle.next_task(SECOND)), Command::Step);
        assert!(!lifecycle.is_cancelled());
    }
}

#[test]
fn cancelled_step_is_no_failure_and_a_failing_one_is() {
    let mut lifecycle = stepping();
    let actions = lifecycle.command(request("c", Command::Cancel), Duration::ZERO);
    assert!(actions.contains(&Action::Cancel));
    lifecycle.finish(Err(broken()), Duration::ZERO);
    assert_eq!((lifecycle.state(), lifecycle.reason(), lifecycle.counts().steps), (State::Running, "", 0));
    assert_eq!(work(lifecycle.next_task(SECOND)), Command::Step);
    lifecycle.finish(Err(broken()), SECOND);
    assert_eq!((lifecycle.state(), lifecycle.reason()), (State::Failed, "the disk is full"));
}

#[test]
fn cancel_of_an_unknown_command_is_reported_and_cancels_nothing() {
    let mut lifecycle = stepping();
    lifecycle.command(request("s", Command::Shutdown), Duration::ZERO);
    for (id, wanted, kind, outcome) in [
        ("1", Value::from("gone"), ErrorKind::NotFound, Outcome::Failed),
        ("2", Value::from("s"), ErrorKind::InvalidState, Outcome::Failed),
        ("3", Value::from(7u64), ErrorKind::WrongType, Outcome::Rejected),
        ("4", Value::map([("ident", "s")]), ErrorKind::Missing, Outcome::Rejected),
        ("5", Value::from(""), ErrorKind::OutOfRange, Outcome::Rejected),
    ] {
        let actions = lifecycle
            .command(CommandRequest { arguments: wanted, ..request(id, Command::Cancel) }, Duration::ZERO);
        assert_eq!((answer(&actions).outcome, error(&actions).0, actions.len()), (outcome, kind, 1), "{id}");
    }
    assert!(!lifecycle.is_cancelled());
    let mut idle = running();
    assert_eq!(error(&idle.command(request("c", Command::Cancel), Duration::ZERO)).0, ErrorKind::NotFound);
    let empty = CommandRequest { arguments: Value::Map(Default::default()), ..request("e", Command::Cancel) };
    assert!(
        stepping().command(empty, Duration::ZERO).contains(&Action::Cancel),
        "an empty map names nothing"
    );
}

#[test]
fn full_queue_refuses_commands_and_still_answers_control() {
    let mut lifecycle = stepping();
    for i in 0..QUEUE {
        let actions = lifecycle.command(request(&i.to_string(), Command::GetData), Duration::ZERO);
        assert_eq!(answer(&actions).outcome, Outcome::Accepted);
    }
    let actions = lifecycle.command(request("more", Command::Backup), Duration::ZERO);
    assert_eq!((answer(&actions).outcome, error(&actions).0), (Outcome::Rejected, ErrorKind::Full));
    let actions = lifecycle.command(request("run", Command::Run), Duration::ZERO);
    assert_eq!(error(&actions).0, ErrorKind::InvalidState);
    assert!(matches!(
        lifecycle.command(request("st", Command::Status), Duration::ZERO)[..],
        [Action::Ask(_)]
    ));
    let actions = lifecycle.command(cancel("c", Some("5")), Duration::ZERO);
    assert_eq!(answers(&actions).len(), 2);
    lifecycle.command(request("5'", Command::GetData), Duration::ZERO);
    let actions = lifecycle.command(request("s", Command::Shutdown), Duration::ZERO);
    assert_eq!(answer(&actions).outcome, Outcome::Accepted);
    let outcomes: Vec<_> = (0..3 * QUEUE)
        .map(|i| {
            let actions = lifecycle.command(request(&format!("s{i}"), Command::Shutdown), Duration::ZERO);
            all_answers(&actions).next().unwrap().outcome
        })
        .collect();
    let accepted = outcomes.iter().filter(|outcome| **outcome == Outcome::Accepted).count();
    assert_eq!(accepted, 2 * QUEUE - 1);
    assert_eq!(outcomes.last(), Some(&Outcome::Rejected));
}

#[test]
fn get_data_displaces_no_other_answer() {
    let mut lifecycle = running();
    lifecycle.command(request("b", Command::Backup), Duration::ZERO);
    work(lifecycle.next_task(Duration::ZERO));
    let done = answer(&lifecycle.finish(Ok(Value::Null), Duration::ZERO));
    for i in 0..2000 {
        lifecycle.command(request(&format!("d{i}"), Command::GetData), Duration::ZERO);
        work(lifecycle.next_task(Duration::ZERO));
        lifecycle.finish(Ok(data(i)), Duration::ZERO);
    }
    assert_eq!(lifecycle.command(request("b", Command::Backup), Duration::ZERO), [Action::Answer(done)]);
    let last = lifecycle.command(request("d1999", Command::GetData), Duration::ZERO);
    assert_eq!(answer(&last).value, data(1999));
}

#[test]
fn command_that_arrives_after_its_deadline_is_rejected_and_never_carried_out() {
    for state in [State::Ready, State::Running, State::Paused] {
        for command in [Command::Pause, Command::Run, Command::Shutdown, Command::GetData, own()] {
            let mut life = service_in(state);
            let before = *life.counts();
            let actions = life.late_command(&request("a", command.clone()), seconds(1.5), SECOND);
            let [Action::Answer(answer)] = &actions[..] else { panic!("{actions:?}") };
            let failure = answer.failure.as_ref().unwrap();
            assert_eq!((answer.outcome, &*failure.kind), (Outcome::Rejected, "Timeout"), "{failure:?}");
            assert!(failure.text.contains("1.500 s after its time was over"), "{failure:?}");
            assert_eq!(life.state(), state, "{command:?}");
            assert!(!matches!(life.next_task(SECOND).0, Next::Work(work) if work.request.command == command));
            assert_eq!((life.counts().late, life.counts().rejected), (before.late + 1, before.rejected + 1));
            assert_eq!(life.command(request("a", command), SECOND), actions);
        }
    }
}

#[test]
fn late_repetition_of_a_command_that_was_in_time_gets_the_answer_of_that_one() {
    let mut life = running();
    life.command(request("a", own()), Duration::ZERO);
    let known = life.late_command(&request("a", own()), SECOND, SECOND);
    let [Action::Answer(answer)] = &known[..] else { panic!("{known:?}") };
    assert_eq!((answer.outcome, life.counts().late), (Outcome::Accepted, 0));
}
