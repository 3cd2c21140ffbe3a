//! What is accepted, refused, repeated, cancelled.

use super::*;

/// What each state makes of each command, written down apart from the code: `=` accepted and nothing changes; a state is the
/// one that it is in at once; `!` cancels; `-` refused; `*` answered by the library.
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

/// Where a command has led once it is done.
fn leads_to(command: &Command, from: State) -> Option<State> {
    match command {
        Command::Pause => Some(State::Paused),
        Command::Run => Some(State::Running),
        Command::Checkpoint => Some(from),
        Command::Shutdown => Some(State::Stopped),
        _ => None,
    }
}

/// The program does all that there is to do; gives the final answer to an id, and the state then.
fn carry_out(life: &mut Lifecycle, id: &str) -> (Outcome, State) {
    let zero = Duration::ZERO;
    for _ in 0..5 {
        let mut actions = life.finish(Ok(Value::Null), zero);
        actions.extend(life.next_task(zero).1);
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
            let mut life = service_in(state);
            let actions = life.command(request("it", command.clone()), zero);
            if expected == "*" {
                match command {
                    // There is something under way in those states where the program is at a step or starts.
                    Command::Cancel => assert!(answer(&actions).outcome.is_final(), "{here}"),
                    _ => assert_eq!(actions, [Action::Ask(request("it", command))], "{here}"),
                }
                assert_eq!(life.state(), state, "{here}");
                continue;
            }
            let told = all_answers(&actions).next().unwrap().clone();
            assert_eq!((&*told.id, told.state), ("it", state), "{here}");
            if expected == "-" {
                assert_eq!(told.outcome, Outcome::Rejected, "{here}");
                let (kind, text) = error(&actions);
                assert_eq!(kind, ErrorKind::InvalidState, "{here}");
                assert!(text.contains(state.name()) && text.contains(name), "{here}: {text}");
                assert_eq!(life.state(), state, "{here}");
                assert!(!actions.contains(&Action::Wake) && !actions.contains(&Action::Changed), "{here}");
                continue;
            }
            assert_eq!(told.outcome, Outcome::Accepted, "{here}");
            assert!(actions.contains(&Action::Wake), "{here}");
            let now = if matches!(expected, "=" | "!") { state.name() } else { expected };
            assert_eq!(life.state().name(), now, "{here}");
            assert_eq!(
                actions.contains(&Action::Changed),
                life.state() != state || expected == "!",
                "{here}"
            );
            assert_eq!(actions.contains(&Action::Cancel), expected == "!", "{here}");
            // Where SHUTDOWN waits already, GET_DATA comes too late for the program, and nothing is known yet.
            if (state, &command) == (State::Stopping, &Command::GetData) {
                assert_eq!(carry_out(&mut life, "it"), (Outcome::Failed, State::Stopped), "{here}");
                continue;
            }
            let (outcome, then) = carry_out(&mut life, "it");
            assert_eq!(outcome, Outcome::Done, "{here}");
            if let Some(expected) = leads_to(&command, state) {
                assert_eq!((then, life.state()), (expected, expected), "{here}");
            }
        }
    }
}

#[test]
fn a_command_that_the_service_does_not_name_is_refused_with_those_that_it_does() {
    let mut life = Lifecycle::new(Setup { commands: vec!["zero".into()], ..Setup::default() });
    life.next_task(Duration::ZERO);
    for (i, command) in [Command::Config, Command::Backup, own(), Command::Step].into_iter().enumerate() {
        let actions = life.command(request(&i.to_string(), command.clone()), Duration::ZERO);
        assert_eq!(answer(&actions).outcome, Outcome::Rejected, "{command:?}");
        let (kind, text) = error(&actions);
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(command == Command::Step || text.contains(command.name()) && text.contains("zero"), "{text}");
    }
    assert_eq!(life.counts().rejected, 4);
}

#[test]
fn only_one_thing_leads_elsewhere_at_a_time_and_shutdown_always_may() {
    // RUN changes no state until it is done, so that the table alone would let another one in.
    let mut life = service_in(State::Ready);
    life.command(request("r", Command::Run), Duration::ZERO);
    for (id, command) in [("p", Command::Pause), ("r2", Command::Run), ("c", Command::Checkpoint)] {
        let actions = life.command(request(id, command), Duration::ZERO);
        let (kind, text) = error(&actions);
        assert_eq!((answer(&actions).outcome, kind), (Outcome::Rejected, ErrorKind::InvalidState));
        assert!(text.contains("RUN is under way") && text.contains("READY"), "{text}");
    }
    // What was not begun gives way, and its sender is told in which state.
    let actions = life.command(request("s", Command::Shutdown), Duration::ZERO);
    assert_eq!(
        answers(&actions),
        [("s", Outcome::Accepted, State::Ready), ("r", Outcome::Failed, State::Stopping)]
    );
    assert_eq!(work(life.next_task(Duration::ZERO)), Command::Shutdown);
}

#[test]
fn what_was_told_before_comes_first_also_before_shutdown() {
    let mut life = stepping();
    for (id, command) in
        [("b", Command::Backup), ("o", own()), ("p", Command::Pause), ("s", Command::Shutdown)]
    {
        life.command(request(id, command), Duration::ZERO);
    }
    life.finish(Ok(Value::Null), Duration::ZERO);
    for expected in [Command::Backup, own(), Command::Shutdown] {
        assert_eq!(work(life.next_task(Duration::ZERO)), expected);
        assert_eq!(life.running(), Some((&expected, Duration::ZERO)));
        life.finish(Ok(Value::Null), Duration::ZERO);
    }
    assert_eq!(life.state(), State::Stopped);
}

#[test]
fn a_shutdown_that_comes_while_it_pauses_finds_it_paused() {
    let mut life = running();
    life.command(request("p", Command::Pause), Duration::ZERO);
    assert_eq!(work(life.next_task(Duration::ZERO)), Command::Pause);
    life.command(request("s", Command::Shutdown), Duration::ZERO);
    assert_eq!(life.state(), State::Stopping);
    let actions = life.finish(Ok(Value::Null), Duration::ZERO);
    assert_eq!(answers(&actions), [("p", Outcome::Done, State::Stopping)]);
    let Next::Work(work) = life.next_task(Duration::ZERO).0 else { panic!("no work") };
    assert_eq!((work.request.command, work.before), (Command::Shutdown, State::Paused));
}

#[test]
fn a_task_says_where_it_comes_from() {
    for (state, command) in [
        (State::Ready, Command::Run),
        (State::Paused, Command::Run),
        (State::Failed, Command::Run),
        (State::Running, Command::Checkpoint),
        (State::Ready, Command::Checkpoint),
        (State::Paused, Command::Shutdown),
        (State::Running, Command::Shutdown),
    ] {
        let mut life = service_in(state);
        life.command(within("it", command.clone(), 3 * SECOND), SECOND);
        let Next::Work(work) = life.next_task(SECOND).0 else { panic!("no work") };
        assert_eq!((work.before, work.due, work.request.command), (state, 4 * SECOND, command));
    }
}

#[test]
fn a_hook_that_fails_leaves_the_state_and_tells_its_error() {
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
        let mut life = service_in(state);
        life.command(request("it", command.clone()), Duration::ZERO);
        life.next_task(Duration::ZERO);
        let actions = life.finish(Err(broken()), Duration::ZERO);
        assert_eq!(answers(&actions), [("it", Outcome::Failed, then)], "{command:?}");
        assert_eq!(error(&actions), (ErrorKind::NoSpace, "the disk is full".into()));
        assert_eq!(life.state(), then, "{command:?}");
        // The way is free again.
        if then == State::Running {
            let actions = life.command(request("next", Command::Pause), Duration::ZERO);
            assert_eq!(answer(&actions).outcome, Outcome::Accepted);
        }
    }
}

#[test]
fn a_repeated_id_is_never_carried_out_again() {
    let mut life = stepping();
    let zero = Duration::ZERO;
    // Under way, first waiting, then begun: still accepted.
    assert_eq!(answer(&life.command(request("b", Command::Backup), zero)).outcome, Outcome::Accepted);
    assert_eq!(answer(&life.command(request("b", Command::Backup), zero)).outcome, Outcome::Accepted);
    life.finish(Ok(Value::Null), zero);
    assert_eq!(work(life.next_task(zero)), Command::Backup);
    let actions = life.command(request("b", Command::Backup), zero);
    assert_eq!((answers(&actions), actions.len()), (vec![("b", Outcome::Accepted, State::Running)], 1));
    let done = answer(&life.finish(Ok(data(3)), zero));
    assert_eq!((done.outcome, &done.value), (Outcome::Done, &data(3)));
    // After it: the same answer, with the state of then, whatever else is said this time.
    life.command(request("p", Command::Pause), zero);
    let again = CommandRequest { arguments: data(4), epoch: Some(9), ..request("b", Command::Shutdown) };
    assert_eq!(life.command(again, zero), [Action::Answer(done)]);
    assert_eq!(work(life.next_task(zero)), Command::Pause);
    life.finish(Err(broken()), zero);
    assert_eq!(error(&life.command(request("p", Command::Pause), zero)).0, ErrorKind::NoSpace);
    assert_eq!(life.next_task(zero).0, Next::Wait(Some(SECOND)));
    assert_eq!((life.counts().accepted, life.counts().repeated), (2, 4));
}

#[test]
fn what_was_refused_once_stays_refused() {
    let mut life = service_in(State::Paused);
    let refused = answer(&life.command(request("p", Command::Pause), Duration::ZERO));
    life.command(request("r", Command::Run), Duration::ZERO);
    life.next_task(Duration::ZERO);
    life.finish(Ok(Value::Null), Duration::ZERO);
    assert_eq!(life.state(), State::Running);
    assert_eq!(life.command(request("p", Command::Pause), Duration::ZERO), [Action::Answer(refused)]);
    assert_eq!(life.state(), State::Running);
    assert_eq!((life.counts().rejected, life.counts().repeated), (1, 1));
}

#[test]
fn another_epoch_is_refused_and_changes_nothing_of_what_is_known() {
    let mut life = running();
    let other = |id: &str| CommandRequest { epoch: Some(6), ..request(id, Command::Pause) };
    let (kind, text) = error(&life.command(other("x"), Duration::ZERO));
    assert_eq!(kind, ErrorKind::InvalidState);
    assert!(text.contains("incarnation"), "{text}");
    assert_eq!(life.state(), State::Running);
    // One that is under way keeps its one answer.
    life.command(CommandRequest { epoch: Some(7), ..request("p", Command::Pause) }, Duration::ZERO);
    assert_eq!(answer(&life.command(other("p"), Duration::ZERO)).outcome, Outcome::Accepted);
    work(life.next_task(Duration::ZERO));
    let done = answer(&life.finish(Ok(Value::Null), Duration::ZERO));
    assert_eq!(done.outcome, Outcome::Done);
    assert_eq!(life.command(other("p"), Duration::ZERO), [Action::Answer(done)]);
}

#[test]
fn cancel_withdraws_what_waits() {
    let mut life = stepping();
    life.command(request("p", Command::Pause), Duration::ZERO);
    assert_eq!(life.state(), State::Pausing);
    let actions = life.command(cancel("c", Some("p")), SECOND);
    assert_eq!(
        answers(&actions),
        [("p", Outcome::Failed, State::Running), ("c", Outcome::Done, State::Running)]
    );
    assert_eq!(all_answers(&actions).next().unwrap().failure.as_ref().unwrap().kind, "Cancelled");
    assert_eq!(all_answers(&actions).nth(1).unwrap().value, Value::map([("cancelled", "withdrawn")]));
    assert_eq!((life.state(), life.since()), (State::Running, SECOND));
    assert!(!life.is_cancelled() && !actions.contains(&Action::Cancel));
    life.finish(Ok(Value::Null), SECOND);
    assert_eq!(work(life.next_task(SECOND)), Command::Step);
    // CANCEL is a word of the library's: it is in no sum of commands, and repeated it does nothing.
    assert_eq!((life.counts().accepted, life.counts().done, life.counts().failed), (1, 0, 1));
    let again = life.command(cancel("c", None), SECOND);
    assert_eq!((answers(&again), again.len()), (vec![("c", Outcome::Done, State::Running)], 1));
    assert!(!life.is_cancelled());
}

#[test]
fn cancel_asks_to_give_up_what_is_under_way() {
    for wanted in [None, Some("b")] {
        let mut life = running();
        life.command(request("b", Command::Backup), Duration::ZERO);
        work(life.next_task(Duration::ZERO));
        assert!(!life.is_cancelled());
        let actions = life.command(cancel("c", wanted), Duration::ZERO);
        assert!(actions.contains(&Action::Cancel) && life.is_cancelled());
        assert_eq!(answer(&actions).value, Value::map([("cancelled", "asked")]));
        // Whether it is given up is the program's; the next task begins afresh.
        let actions = life.finish(Err(Error::new(ErrorKind::Cancelled, "given up")), Duration::ZERO);
        assert_eq!((error(&actions).0, life.is_cancelled()), (ErrorKind::Cancelled, false));
        assert_eq!(work(life.next_task(SECOND)), Command::Step);
        assert!(!life.is_cancelled());
    }
}

#[test]
fn a_step_that_is_given_up_is_no_failure_but_one_that_fails_by_itself_is() {
    let mut life = stepping();
    let actions = life.command(request("c", Command::Cancel), Duration::ZERO);
    assert!(actions.contains(&Action::Cancel));
    life.finish(Err(broken()), Duration::ZERO);
    assert_eq!((life.state(), life.reason(), life.counts().steps), (State::Running, "", 0));
    assert_eq!(work(life.next_task(SECOND)), Command::Step);
    life.finish(Err(broken()), SECOND);
    assert_eq!((life.state(), life.reason()), (State::Failed, "the disk is full"));
}

#[test]
fn cancel_of_what_is_not_there_says_so_and_cancels_nothing_else() {
    let mut life = stepping();
    life.command(request("s", Command::Shutdown), Duration::ZERO);
    for (id, wanted, kind, outcome) in [
        ("1", Value::from("gone"), ErrorKind::NotFound, Outcome::Failed),
        ("2", Value::from("s"), ErrorKind::InvalidState, Outcome::Failed),
        ("3", Value::from(7u64), ErrorKind::WrongType, Outcome::Rejected),
        ("4", Value::map([("ident", "s")]), ErrorKind::Missing, Outcome::Rejected),
        ("5", Value::from(""), ErrorKind::OutOfRange, Outcome::Rejected),
    ] {
        let actions = life
            .command(CommandRequest { arguments: wanted, ..request(id, Command::Cancel) }, Duration::ZERO);
        assert_eq!((answer(&actions).outcome, error(&actions).0, actions.len()), (outcome, kind, 1), "{id}");
    }
    assert!(!life.is_cancelled());
    let mut idle = running();
    assert_eq!(error(&idle.command(request("c", Command::Cancel), Duration::ZERO)).0, ErrorKind::NotFound);
    let empty = CommandRequest { arguments: Value::Map(Default::default()), ..request("e", Command::Cancel) };
    assert!(
        stepping().command(empty, Duration::ZERO).contains(&Action::Cancel),
        "an empty map names nothing"
    );
}

#[test]
fn where_too_many_wait_others_are_refused_and_control_still_answers() {
    let mut life = stepping();
    for i in 0..QUEUE {
        let actions = life.command(request(&i.to_string(), Command::GetData), Duration::ZERO);
        assert_eq!(answer(&actions).outcome, Outcome::Accepted);
    }
    let actions = life.command(request("more", Command::Backup), Duration::ZERO);
    assert_eq!((answer(&actions).outcome, error(&actions).0), (Outcome::Rejected, ErrorKind::Full));
    // A state that refuses it says so, and not that there is no room.
    let actions = life.command(request("run", Command::Run), Duration::ZERO);
    assert_eq!(error(&actions).0, ErrorKind::InvalidState);
    assert!(matches!(life.command(request("st", Command::Status), Duration::ZERO)[..], [Action::Ask(_)]));
    let actions = life.command(cancel("c", Some("5")), Duration::ZERO);
    assert_eq!(answers(&actions).len(), 2);
    // SHUTDOWN gets through again and again, and still there is an end.
    life.command(request("5'", Command::GetData), Duration::ZERO);
    let actions = life.command(request("s", Command::Shutdown), Duration::ZERO);
    assert_eq!(answer(&actions).outcome, Outcome::Accepted);
    let outcomes: Vec<_> = (0..3 * QUEUE)
        .map(|i| {
            let actions = life.command(request(&format!("s{i}"), Command::Shutdown), Duration::ZERO);
            all_answers(&actions).next().unwrap().outcome
        })
        .collect();
    let accepted = outcomes.iter().filter(|outcome| **outcome == Outcome::Accepted).count();
    assert_eq!(accepted, 2 * QUEUE - 1);
    assert_eq!(outcomes.last(), Some(&Outcome::Rejected));
}

#[test]
fn looks_at_the_data_displace_no_other_answer() {
    let mut life = running();
    life.command(request("b", Command::Backup), Duration::ZERO);
    work(life.next_task(Duration::ZERO));
    let done = answer(&life.finish(Ok(Value::Null), Duration::ZERO));
    for i in 0..2000 {
        life.command(request(&format!("d{i}"), Command::GetData), Duration::ZERO);
        work(life.next_task(Duration::ZERO));
        life.finish(Ok(data(i)), Duration::ZERO);
    }
    assert_eq!(life.command(request("b", Command::Backup), Duration::ZERO), [Action::Answer(done)]);
    let last = life.command(request("d1999", Command::GetData), Duration::ZERO);
    assert_eq!(answer(&last).value, data(1999));
}
