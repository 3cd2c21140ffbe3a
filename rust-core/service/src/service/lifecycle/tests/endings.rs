//! SHUTDOWN, signals, failures, and the time after the end.

use super::*;

#[test]
fn signal_is_a_shutdown_without_an_answer() {
    let mut lifecycle = stepping();
    lifecycle.command(request("p", Command::Pause), Duration::ZERO);
    let actions = lifecycle.terminate(Duration::ZERO);
    assert_eq!(answers(&actions), [("p", Outcome::Failed, State::Stopping)]);
    assert_eq!(error(&actions).0, ErrorKind::Cancelled);
    assert!(actions.contains(&Action::Changed) && !actions.contains(&Action::Cancel));
    // The program is in a step.
    assert_eq!(lifecycle.next_task_due(), None);
    lifecycle.finish(Ok(Value::Null), Duration::ZERO);
    assert_eq!(lifecycle.next_task_due(), Some(Duration::ZERO));
    assert_eq!(work(lifecycle.next_task(Duration::ZERO)), Command::Shutdown);
    assert_eq!(answers(&lifecycle.finish(Ok(Value::Null), Duration::ZERO)), []);
    assert_eq!(lifecycle.state(), State::Stopped);
    assert!(lifecycle.terminate(Duration::ZERO).is_empty());
    assert_eq!(lifecycle.next_task(Duration::ZERO).0, Next::End);
}

/// Services with an accepted SHUTDOWN, for each activity of the program.
fn stopping() -> [(&'static str, Lifecycle, bool); 5] {
    let zero = Duration::ZERO;
    let mut starting = service();
    starting.command(request("s", Command::Shutdown), zero);
    let mut stepping = stepping();
    stepping.command(request("s", Command::Shutdown), zero);
    let mut backup = running();
    backup.command(request("b", Command::Backup), zero);
    work(backup.next_task(zero));
    backup.command(request("s", Command::Shutdown), zero);
    let mut waits = running();
    waits.command(request("s", Command::Shutdown), zero);
    let mut leaving = running();
    leaving.command(request("s", Command::Shutdown), zero);
    assert_eq!(work(leaving.next_task(zero)), Command::Shutdown);
    [
        ("starting", starting, true),
        ("stepping", stepping, true),
        ("backup", backup, true),
        ("waits", waits, false),
        ("leaving", leaving, true),
    ]
}

#[test]
fn second_shutdown_or_signal_cancels_the_current_step() {
    for by_signal in [false, true] {
        for (name, mut lifecycle, busy) in stopping() {
            assert!(!lifecycle.is_cancelled(), "{name}");
            let actions = if by_signal {
                lifecycle.terminate(SECOND)
            } else {
                lifecycle.command(request("s2", Command::Shutdown), SECOND)
            };
            assert_eq!((lifecycle.is_cancelled(), actions.contains(&Action::Cancel)), (busy, busy), "{name}");
            assert_eq!(lifecycle.state(), State::Stopping, "{name}");
            let mut answers = Vec::new();
            for _ in 0..3 {
                let actions = lifecycle.finish(Ok(Value::Null), SECOND);
                answers.extend(all_answers(&actions).map(|a| (a.id.to_string(), a.outcome)));
                lifecycle.next_task(SECOND);
            }
            assert_eq!(lifecycle.state(), State::Stopped, "{name}");
            assert!(answers.contains(&("s".into(), Outcome::Done)), "{name}: {answers:?}");
            assert_eq!(answers.contains(&("s2".into(), Outcome::Done)), !by_signal, "{name}: {answers:?}");
        }
    }
}

#[test]
fn second_shutdown_skips_waiting_commands() {
    let mut lifecycle = stepping_with_data();
    for (id, command) in [("b", Command::Backup), ("d", Command::GetData), ("s", Command::Shutdown)] {
        lifecycle.command(request(id, command), SECOND);
    }
    let actions = lifecycle.terminate(SECOND);
    assert_eq!(
        answers(&actions),
        [("b", Outcome::Failed, State::Stopping), ("d", Outcome::Done, State::Stopping)]
    );
    lifecycle.finish(Err(Error::new(ErrorKind::Cancelled, "given up")), SECOND);
    assert_eq!(work(lifecycle.next_task(SECOND)), Command::Shutdown);
    assert!(!lifecycle.is_cancelled(), "what is given up is what was under way then");
}

#[test]
fn shutdown_during_the_start_is_the_first_command() {
    let mut lifecycle = service();
    let actions = lifecycle.command(request("s", Command::Shutdown), Duration::ZERO);
    assert_eq!(answers(&actions), [("s", Outcome::Accepted, State::Starting)]);
    assert_eq!(lifecycle.state(), State::Stopping);
    let Next::Work(work) = lifecycle.next_task(SECOND).0 else { panic!("no work") };
    assert_eq!((work.request.command, work.before), (Command::Shutdown, State::Ready));
    assert_eq!(lifecycle.state(), State::Stopping);
    lifecycle.finish(Ok(Value::Null), SECOND);
    assert_eq!((lifecycle.state(), lifecycle.counts().steps), (State::Stopped, 0));
}

#[test]
fn shutdown_that_fails_ends_it_failed() {
    let mut lifecycle = stepping_with_data();
    lifecycle.finish(Ok(Value::Null), SECOND);
    lifecycle.command(request("s", Command::Shutdown), SECOND);
    assert_eq!(work(lifecycle.next_task(SECOND)), Command::Shutdown);
    lifecycle.command(request("d", Command::GetData), SECOND);
    lifecycle.command(request("s2", Command::Shutdown), SECOND);
    lifecycle.command(request("d2", Command::GetData), SECOND);
    let actions = lifecycle.finish(Err(broken()), SECOND);
    assert_eq!(
        answers(&actions),
        [
            ("s", Outcome::Failed, State::Failed),
            ("s2", Outcome::Failed, State::Failed),
            ("d2", Outcome::Done, State::Failed),
        ]
    );
    let kinds: Vec<_> = all_answers(&actions).take(2).map(|a| a.failure.clone().unwrap().kind).collect();
    assert_eq!(kinds, ["NoSpace", "NoSpace"], "both commands get the same error");
    assert_eq!(lifecycle.reason(), "the disk is full");
    assert_eq!(lifecycle.next_task(SECOND).0, Next::End);
    // The transitions of FAILED are over, and the refusal has the current state.
    for (id, command) in [("r", Command::Run), ("s3", Command::Shutdown)] {
        let actions = lifecycle.command(request(id, command), SECOND);
        let (kind, text) = error(&actions);
        assert_eq!((answer(&actions).outcome, kind), (Outcome::Rejected, ErrorKind::InvalidState));
        assert!(text.contains("ended") && text.contains("FAILED"), "{text}");
    }
    assert!(lifecycle.terminate(SECOND).is_empty());
    assert!(lifecycle.terminate(SECOND).is_empty());
}

#[test]
fn ended_service_answers_everything_and_begins_nothing() {
    let mut lifecycle = stepping_with_data();
    lifecycle.finish(Ok(Value::Null), SECOND);
    lifecycle.command(request("s", Command::Shutdown), SECOND);
    work(lifecycle.next_task(SECOND));
    lifecycle.command(request("s2", Command::Shutdown), SECOND);
    lifecycle.command(request("d", Command::GetData), SECOND);
    let actions = lifecycle.finish(Ok(Value::Null), SECOND);
    assert_eq!(
        answers(&actions),
        [
            ("s", Outcome::Done, State::Stopped),
            ("s2", Outcome::Done, State::Stopped),
            ("d", Outcome::Done, State::Stopped),
        ]
    );
    assert_eq!(all_answers(&actions).last().unwrap().value, data(1));
    assert_eq!(lifecycle.next_due(), None);
    assert_eq!(
        answer(&lifecycle.command(request("late", Command::GetData), SECOND)).outcome,
        Outcome::Rejected
    );
    assert_eq!(answer(&lifecycle.command(request("s", Command::Shutdown), SECOND)).outcome, Outcome::Done);
    assert_eq!(error(&lifecycle.command(cancel("c", None), SECOND)).0, ErrorKind::NotFound);
    assert!(matches!(lifecycle.command(request("l", Command::Log), SECOND)[..], [Action::Ask(_)]));
    assert_eq!(lifecycle.next_task(SECOND).0, Next::End);
    lifecycle.fail(&broken(), SECOND);
    assert_eq!(lifecycle.state(), State::Stopped, "what has ended stays as it ended");
}

#[test]
fn failure_is_possible_in_every_state_but_final_ones() {
    for state in State::ALL {
        let mut lifecycle = service_in(state);
        let actions = lifecycle.fail(&broken(), SECOND);
        let then = if matches!(state, State::Stopping | State::Stopped) { state } else { State::Failed };
        assert_eq!((lifecycle.state(), lifecycle.reason()), (then, "the disk is full"), "{state:?}");
        assert!(actions.contains(&Action::Changed), "{state:?}: the reason is another one");
        if matches!(state, State::Pausing | State::Checkpointing) {
            assert_eq!(answers(&actions), [("way", Outcome::Failed, State::Failed)]);
            assert!(error(&actions).1.contains("failed"), "{actions:?}");
        } else {
            assert_eq!(answers(&actions), []);
        }
        lifecycle.finish(Ok(Value::Null), SECOND);
        let next = lifecycle.next_task(SECOND).0;
        match state {
            State::Stopping => {
                let Next::Work(work) = next else { panic!("{next:?}") };
                assert_eq!((work.request.command, work.before), (Command::Shutdown, State::Failed));
                lifecycle.finish(Ok(Value::Null), SECOND);
                assert_eq!(lifecycle.state(), State::Stopped);
            }
            State::Stopped => assert_eq!(next, Next::End),
            _ => {
                assert_eq!(next, Next::Wait, "{state:?}: no step in FAILED");
                assert_eq!(lifecycle.next_task_due(), None, "{state:?}: no step in FAILED");
            }
        }
    }
}

#[test]
fn state_reached_after_a_failure_does_not_count() {
    for command in [Command::Pause, Command::Run, Command::Checkpoint] {
        let mut lifecycle = service_in(if command == Command::Run { State::Paused } else { State::Running });
        lifecycle.command(request("it", command.clone()), SECOND);
        assert_eq!(work(lifecycle.next_task(SECOND)), command);
        lifecycle.fail(&broken(), SECOND);
        let actions = lifecycle.finish(Ok(Value::Null), SECOND);
        assert_eq!(answers(&actions), [("it", Outcome::Done, State::Failed)], "{command:?}");
        assert_eq!(
            (lifecycle.state(), lifecycle.reason()),
            (State::Failed, "the disk is full"),
            "{command:?}"
        );
    }
}

#[test]
fn run_retries_after_failure() {
    let mut lifecycle = service_in(State::Failed);
    lifecycle.command(request("r", Command::Run), SECOND);
    assert_eq!((lifecycle.state(), lifecycle.reason()), (State::Failed, "the disk is full"));
    work(lifecycle.next_task(SECOND));
    lifecycle.finish(Ok(Value::Null), SECOND);
    assert_eq!((lifecycle.state(), lifecycle.reason()), (State::Running, ""));
    assert_eq!(work(lifecycle.next_task(SECOND)), Command::Step);
}

#[test]
fn next_task_with_open_task_abandons_it() {
    let mut lifecycle = running();
    lifecycle.command(request("p", Command::Pause), SECOND);
    work(lifecycle.next_task(SECOND));
    let (next, actions) = lifecycle.next_task(SECOND);
    assert_eq!((answer(&actions).outcome, error(&actions).0), (Outcome::Failed, ErrorKind::Internal));
    assert_eq!((work((next, Vec::new())), lifecycle.state()), (Command::Step, State::Running));
    lifecycle.next_task(SECOND);
    assert_eq!(lifecycle.counts().steps, 2, "a step that is left counts as done");
}

#[test]
fn program_that_ends_leaves_no_command_unanswered() {
    for state in State::ALL {
        let mut lifecycle = service_in(state);
        lifecycle.command(request("o", own()), SECOND);
        lifecycle.command(request("s2", Command::Shutdown), SECOND);
        let before = lifecycle.state();
        if state == State::Failed {
            assert_eq!(before, State::Stopping);
        }
        let actions = lifecycle.close(SECOND);
        let then = if state == State::Failed { State::Failed } else { State::Stopped };
        assert_eq!(lifecycle.state(), then, "{state:?}");
        assert_eq!(lifecycle.next_due(), None);
        let open: Vec<_> = ["way", "o", "s2"]
            .into_iter()
            .filter(|id| {
                let answered = answer(&lifecycle.command(request(id, own()), SECOND));
                !answered.outcome.is_final()
            })
            .collect();
        assert!(open.is_empty(), "{state:?}: {open:?}, {actions:?}");
        assert_eq!(lifecycle.next_task(SECOND).0, Next::End);
        assert!(lifecycle.close(SECOND).is_empty());
    }
    let mut lifecycle = running();
    lifecycle.command(request("b", Command::Backup), SECOND);
    work(lifecycle.next_task(SECOND));
    lifecycle.command(request("b2", Command::Backup), SECOND);
    let actions = lifecycle.close(SECOND);
    let kinds: Vec<_> = all_answers(&actions).map(|a| a.failure.clone().unwrap().kind).collect();
    assert_eq!(kinds, ["Internal", "Cancelled"]);
}

#[test]
fn reason_can_be_set_while_the_state_stays() {
    let mut lifecycle = running();
    assert_eq!(lifecycle.set_reason("no light"), [Action::Changed]);
    assert_eq!((lifecycle.state(), lifecycle.reason()), (State::Running, "no light"));
    lifecycle.set_reason("");
    assert_eq!(lifecycle.reason(), "");
    // Every report contains it and must fit into one message.
    lifecycle.set_reason(&"é".repeat(1 << 20));
    assert!((4000..5000).contains(&lifecycle.reason().len()));
    lifecycle.fail(&Error::new(ErrorKind::NoSpace, "full ".repeat(1 << 20)), SECOND);
    assert!((4000..5000).contains(&lifecycle.reason().len()));
}

#[test]
fn second_shutdown_or_signal_before_an_idle_program_fetched_the_first_cancels_it() {
    for by_signal in [false, true] {
        let mut lifecycle = running();
        lifecycle.command(request("s", Command::Shutdown), Duration::ZERO);
        if by_signal {
            lifecycle.terminate(SECOND);
        } else {
            lifecycle.command(request("s2", Command::Shutdown), SECOND);
        }
        let (next, actions) = lifecycle.next_task(SECOND);
        assert!(matches!(next, Next::Work(_)) && actions.contains(&Action::Cancel), "{actions:?}");
        assert!(lifecycle.is_cancelled());
        lifecycle.finish(Ok(Value::Null), SECOND);
        assert!(!lifecycle.is_cancelled());
        assert_eq!(lifecycle.state(), State::Stopped);
    }
}
