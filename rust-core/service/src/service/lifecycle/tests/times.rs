//! Deadlines, and the times of steps.

use super::*;

#[test]
fn command_not_begun_in_time_is_withdrawn() {
    for (state, command) in [
        (State::Running, Command::Pause),
        (State::Running, Command::Checkpoint),
        (State::Running, Command::Backup),
        (State::Ready, Command::Run),
        (State::Failed, Command::Run),
        (State::Paused, Command::Run),
        (State::Paused, Command::Config),
    ] {
        let mut lifecycle = service_in(state);
        lifecycle.command(within("it", command.clone(), 2 * SECOND), SECOND);
        assert_eq!(lifecycle.next_due(), Some(3 * SECOND));
        assert!(lifecycle.tick(seconds(2.999)).is_empty());
        let actions = lifecycle.tick(3 * SECOND);
        let (kind, text) = error(&actions);
        assert_eq!(answers(&actions), [("it", Outcome::Failed, state)]);
        assert_eq!(kind, ErrorKind::Timeout);
        assert!(text.contains(command.name()) && text.contains(state.name()), "{text}");
        assert_eq!((lifecycle.state(), lifecycle.next_due()), (state, None), "{command:?}");
        assert!(
            !matches!(lifecycle.next_task(3 * SECOND).0, Next::Work(Work { request, .. }) if request.command == command)
        );
        lifecycle.finish(Ok(Value::Null), 3 * SECOND);
        let again = if state == State::Running { Command::Pause } else { Command::Run };
        let actions = lifecycle.command(request("again", again), 3 * SECOND);
        assert_eq!(answer(&actions).outcome, Outcome::Accepted);
    }
}

#[test]
fn command_under_way_continues_after_its_deadline() {
    for (command, then) in [
        (Command::Pause, State::Paused),
        (Command::Checkpoint, State::Running),
        (Command::Shutdown, State::Stopped),
        (Command::Backup, State::Running),
    ] {
        let mut lifecycle = running();
        lifecycle.command(within("it", command.clone(), 2 * SECOND), Duration::ZERO);
        let meanwhile = lifecycle.state();
        assert_eq!(work(lifecycle.next_task(SECOND)), command);
        let actions = lifecycle.tick(2 * SECOND);
        let (kind, text) = error(&actions);
        assert_eq!(answers(&actions), [("it", Outcome::Failed, meanwhile)]);
        assert_eq!(kind, ErrorKind::Timeout);
        assert!(text.contains("still under way"), "{text}");
        assert_eq!((lifecycle.state(), lifecycle.next_due()), (meanwhile, None));
        assert!(lifecycle.tick(9 * SECOND).is_empty());
        let actions = lifecycle.finish(Ok(Value::Null), 10 * SECOND);
        assert_eq!((answers(&actions), lifecycle.state()), (vec![], then), "{command:?}");
        assert_eq!(error(&lifecycle.command(request("it", command), 10 * SECOND)).0, ErrorKind::Timeout);
        assert_eq!((lifecycle.counts().done, lifecycle.counts().failed), (0, 1));
    }
}

#[test]
fn late_command_under_way_is_not_begun_again_after_its_answer_is_dropped() {
    let mut lifecycle = running();
    lifecycle.command(within("b", Command::Backup, SECOND), Duration::ZERO);
    work(lifecycle.next_task(Duration::ZERO));
    lifecycle.tick(SECOND);
    // Many later answers displace this answer from the cache.
    for i in 0..2000 {
        lifecycle.command(cancel(&i.to_string(), Some("nothing")), SECOND);
    }
    let actions = lifecycle.command(request("b", Command::Backup), 5 * SECOND);
    let (kind, text) = error(&actions);
    assert_eq!((answer(&actions).outcome, kind), (Outcome::Failed, ErrorKind::Timeout));
    assert!(text.contains("BACKUP is still under way after 5.0 s"), "{text}");
    lifecycle.finish(Ok(Value::Null), 5 * SECOND);
    assert!(
        matches!(lifecycle.next_task(5 * SECOND).0, Next::Work(Work { request, .. }) if request.command == Command::Step)
    );
}

#[test]
fn shutdown_not_begun_in_time_still_ends_the_service() {
    let mut lifecycle = stepping();
    lifecycle.command(within("s", Command::Shutdown, SECOND), Duration::ZERO);
    let actions = lifecycle.tick(SECOND);
    assert_eq!(answers(&actions), [("s", Outcome::Failed, State::Stopping)]);
    assert_eq!((error(&actions).0, lifecycle.state()), (ErrorKind::Timeout, State::Stopping));
    assert_eq!(lifecycle.next_due(), None);
    assert_eq!(error(&lifecycle.command(request("s", Command::Shutdown), SECOND)).0, ErrorKind::Timeout);
    assert!(!lifecycle.is_cancelled(), "the same SHUTDOWN again is not a second one");
    lifecycle.finish(Ok(Value::Null), 3 * SECOND);
    assert_eq!(work(lifecycle.next_task(3 * SECOND)), Command::Shutdown);
    assert_eq!(answers(&lifecycle.finish(Ok(Value::Null), 3 * SECOND)), []);
    assert_eq!(lifecycle.state(), State::Stopped);
}

#[test]
fn data_during_a_long_step_are_the_newest_known_ones_in_time() {
    let mut lifecycle = stepping_with_data();
    // A quarter of the time, at most a second, is reserved for the answer's transfer.
    lifecycle.command(within("short", Command::GetData, 2 * SECOND), SECOND);
    lifecycle.command(within("long", Command::GetData, 20 * SECOND), SECOND);
    assert_eq!(lifecycle.next_due(), Some(seconds(2.5)));
    assert!(lifecycle.tick(seconds(2.499)).is_empty());
    let actions = lifecycle.tick(seconds(2.5));
    assert_eq!(answers(&actions), [("short", Outcome::Done, State::Running)]);
    assert_eq!(answer(&actions).value, data(1));
    assert_eq!(lifecycle.next_due(), Some(20 * SECOND));
    assert_eq!(answer(&lifecycle.tick(20 * SECOND)).value, data(1));
    lifecycle.finish(Ok(Value::Null), 20 * SECOND);
    assert_eq!(work(lifecycle.next_task(20 * SECOND)), Command::Step);
}

#[test]
fn slow_get_data_returns_newest_known_data() {
    let mut lifecycle = stepping_with_data();
    lifecycle.finish(Ok(Value::Null), SECOND);
    lifecycle.command(within("d", Command::GetData, 2 * SECOND), SECOND);
    assert_eq!(work(lifecycle.next_task(SECOND)), Command::GetData);
    assert_eq!(answer(&lifecycle.tick(3 * SECOND)).value, data(1));
    assert_eq!(answers(&lifecycle.finish(Ok(data(2)), 4 * SECOND)), []);
    lifecycle.command(within("e", Command::GetData, Duration::ZERO), 4 * SECOND);
    assert_eq!(answer(&lifecycle.tick(4 * SECOND)).value, data(2), "what came late is known from then on");
}

#[test]
fn request_for_data_times_out_without_data() {
    let mut lifecycle = stepping();
    lifecycle.command(within("d", Command::GetData, 4 * SECOND), Duration::ZERO);
    assert_eq!(lifecycle.next_due(), Some(4 * SECOND));
    assert!(lifecycle.tick(seconds(3.999)).is_empty());
    let actions = lifecycle.tick(4 * SECOND);
    let (kind, text) = error(&actions);
    assert_eq!(kind, ErrorKind::Timeout);
    assert!(text.contains("nothing is known yet") && text.contains("STEP"), "{text}");
    lifecycle.finish(Ok(Value::Null), 4 * SECOND);
    lifecycle.command(request("e", Command::GetData), 4 * SECOND);
    work(lifecycle.next_task(4 * SECOND));
    lifecycle.finish(Err(broken()), 4 * SECOND);
    lifecycle.command(within("f", Command::GetData, Duration::ZERO), 4 * SECOND);
    assert_eq!(error(&lifecycle.tick(4 * SECOND)).0, ErrorKind::Timeout);
}

#[test]
fn command_late_when_fetched_is_not_begun() {
    let mut lifecycle = stepping();
    lifecycle.command(within("b", Command::Backup, SECOND), Duration::ZERO);
    lifecycle.finish(Ok(Value::Null), SECOND);
    let (next, actions) = lifecycle.next_task(SECOND);
    assert_eq!(error(&actions).0, ErrorKind::Timeout);
    assert!(matches!(next, Next::Work(Work { request, .. }) if request.command == Command::Step));
}

#[test]
fn command_without_end_is_never_due() {
    let mut lifecycle = stepping();
    lifecycle.command(within("b", Command::Backup, Duration::MAX), SECOND);
    assert_eq!(lifecycle.next_due(), None);
    assert!(lifecycle.tick(Duration::MAX - SECOND).is_empty());
    lifecycle.terminate(SECOND);
    assert_eq!(lifecycle.next_due(), None);
}

fn steps(lifecycle: &mut Lifecycle, mut now: Duration, lengths: &[f64]) -> Vec<f64> {
    let mut begun = Vec::new();
    for length in lengths {
        loop {
            match lifecycle.next_task(now).0 {
                Next::Wait => {
                    let until = lifecycle.next_task_due().unwrap();
                    assert!(until > now, "no caller waits for a time that has passed");
                    now = until;
                }
                Next::Work(work) => break assert_eq!(work.request.command, Command::Step),
                other => panic!("{other:?}"),
            }
        }
        begun.push(now.as_secs_f64());
        now += seconds(*length);
        lifecycle.finish(Ok(Value::Null), now);
    }
    begun
}

#[test]
fn steps_keep_to_their_period_and_missed_ones_are_not_made_up_for() {
    let mut lifecycle = service();
    let lengths = [0.1, 0.9, 1.0, 3.5, 0.1, 0.1, 0.1];
    assert_eq!(steps(&mut lifecycle, Duration::ZERO, &lengths), [0.0, 1.0, 2.0, 3.0, 6.5, 7.0, 8.0]);
    assert_eq!(lifecycle.counts().steps, 7);
    assert_eq!(lifecycle.counts().longest_step, seconds(3.5));
}

#[test]
fn steps_after_a_pause_begin_without_a_burst() {
    let mut lifecycle = running();
    lifecycle.command(request("p", Command::Pause), SECOND);
    work(lifecycle.next_task(SECOND));
    lifecycle.finish(Ok(Value::Null), SECOND);
    assert_eq!(waits(&mut lifecycle, 60 * SECOND), None);
    lifecycle.command(request("r", Command::Run), seconds(60.25));
    work(lifecycle.next_task(seconds(60.25)));
    lifecycle.finish(Ok(Value::Null), seconds(60.5));
    assert_eq!(steps(&mut lifecycle, seconds(60.5), &[0.0, 0.0, 0.0]), [60.5, 61.5, 62.5]);
}

#[test]
fn checkpoint_and_withdrawn_commands_keep_the_cadence() {
    let mut lifecycle = running();
    lifecycle.command(request("c", Command::Checkpoint), seconds(0.5));
    work(lifecycle.next_task(seconds(0.5)));
    lifecycle.finish(Ok(Value::Null), seconds(2.25));
    assert_eq!(steps(&mut lifecycle, seconds(2.25), &[0.0, 0.0]), [2.25, 3.0]);
}

#[test]
fn steps_without_a_pause_between_them_and_no_steps_at_all() {
    let mut lifecycle = Lifecycle::new(Setup { every: Some(Duration::ZERO), ..Setup::default() });
    assert_eq!(steps(&mut lifecycle, Duration::ZERO, &[0.5, 0.5, 0.5]), [0.0, 0.5, 1.0]);
    let mut lifecycle = Lifecycle::new(Setup { every: None, ..Setup::default() });
    assert_eq!(waits(&mut lifecycle, SECOND), None);
    assert_eq!(lifecycle.state(), State::Running);
}
