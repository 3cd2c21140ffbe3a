//! Deadlines, and the cadence of steps.

use super::*;

#[test]
fn one_that_was_not_begun_in_time_is_withdrawn() {
    for (state, command) in [
        (State::Running, Command::Pause),
        (State::Running, Command::Checkpoint),
        (State::Running, Command::Backup),
        (State::Ready, Command::Run),
        (State::Failed, Command::Run),
        (State::Paused, Command::Run),
        (State::Paused, Command::Config),
    ] {
        let mut life = service_in(state);
        life.command(within("it", command.clone(), 2 * SECOND), SECOND);
        assert_eq!(life.next_due(), Some(3 * SECOND));
        assert!(life.tick(seconds(2.999)).is_empty());
        let actions = life.tick(3 * SECOND);
        let (kind, text) = error(&actions);
        assert_eq!(answers(&actions), [("it", Outcome::Failed, state)]);
        assert_eq!(kind, ErrorKind::Timeout);
        assert!(text.contains(command.name()) && text.contains(state.name()), "{text}");
        assert_eq!((life.state(), life.next_due()), (state, None), "{command:?}");
        // It does not come up later, and others may lead elsewhere again.
        assert!(
            !matches!(life.next_task(3 * SECOND).0, Next::Work(Work { request, .. }) if request.command == command)
        );
        life.finish(Ok(Value::Null), 3 * SECOND);
        let again = if state == State::Running { Command::Pause } else { Command::Run };
        let actions = life.command(request("again", again), 3 * SECOND);
        assert_eq!(answer(&actions).outcome, Outcome::Accepted);
    }
}

#[test]
fn one_whose_time_passes_while_it_is_carried_out_goes_on() {
    for (command, then) in [
        (Command::Pause, State::Paused),
        (Command::Checkpoint, State::Running),
        (Command::Shutdown, State::Stopped),
        (Command::Backup, State::Running),
    ] {
        let mut life = running();
        life.command(within("it", command.clone(), 2 * SECOND), Duration::ZERO);
        let meanwhile = life.state();
        assert_eq!(work(life.next_task(SECOND)), command);
        let actions = life.tick(2 * SECOND);
        let (kind, text) = error(&actions);
        assert_eq!(answers(&actions), [("it", Outcome::Failed, meanwhile)]);
        assert_eq!(kind, ErrorKind::Timeout);
        assert!(text.contains("still under way"), "{text}");
        assert_eq!((life.state(), life.next_due()), (meanwhile, None));
        assert!(life.tick(9 * SECOND).is_empty());
        // The state becomes what it becomes, and there is no second answer.
        let actions = life.finish(Ok(Value::Null), 10 * SECOND);
        assert_eq!((answers(&actions), life.state()), (vec![], then), "{command:?}");
        assert_eq!(error(&life.command(request("it", command), 10 * SECOND)).0, ErrorKind::Timeout);
        assert_eq!((life.counts().done, life.counts().failed), (0, 1));
    }
}

#[test]
fn one_that_is_late_and_under_way_is_not_begun_again_when_its_answer_is_forgotten() {
    let mut life = running();
    life.command(within("b", Command::Backup, SECOND), Duration::ZERO);
    work(life.next_task(Duration::ZERO));
    life.tick(SECOND);
    // So many others are answered meanwhile that this answer is kept no more.
    for i in 0..2000 {
        life.command(cancel(&i.to_string(), Some("nothing")), SECOND);
    }
    let actions = life.command(request("b", Command::Backup), 5 * SECOND);
    let (kind, text) = error(&actions);
    assert_eq!((answer(&actions).outcome, kind), (Outcome::Failed, ErrorKind::Timeout));
    assert!(text.contains("BACKUP is still under way after 5.0 s"), "{text}");
    life.finish(Ok(Value::Null), 5 * SECOND);
    assert!(
        matches!(life.next_task(5 * SECOND).0, Next::Work(Work { request, .. }) if request.command == Command::Step)
    );
}

#[test]
fn a_shutdown_that_was_not_begun_in_time_still_ends_it() {
    let mut life = stepping();
    life.command(within("s", Command::Shutdown, SECOND), Duration::ZERO);
    let actions = life.tick(SECOND);
    assert_eq!(answers(&actions), [("s", Outcome::Failed, State::Stopping)]);
    assert_eq!((error(&actions).0, life.state()), (ErrorKind::Timeout, State::Stopping));
    assert_eq!(life.next_due(), None);
    assert_eq!(error(&life.command(request("s", Command::Shutdown), SECOND)).0, ErrorKind::Timeout);
    assert!(!life.is_cancelled(), "the same SHUTDOWN again is not a second one");
    life.finish(Ok(Value::Null), 3 * SECOND);
    assert_eq!(work(life.next_task(3 * SECOND)), Command::Shutdown);
    assert_eq!(answers(&life.finish(Ok(Value::Null), 3 * SECOND)), []);
    assert_eq!(life.state(), State::Stopped);
}

#[test]
fn data_in_a_long_step_are_the_newest_that_are_known_and_come_in_time() {
    let mut life = stepping_with_data();
    // A quarter of the time is kept for the way back, and never more than a second.
    life.command(within("short", Command::GetData, 2 * SECOND), SECOND);
    life.command(within("long", Command::GetData, 20 * SECOND), SECOND);
    assert_eq!(life.next_due(), Some(seconds(2.5)));
    assert!(life.tick(seconds(2.499)).is_empty());
    let actions = life.tick(seconds(2.5));
    assert_eq!(answers(&actions), [("short", Outcome::Done, State::Running)]);
    assert_eq!(answer(&actions).value, data(1));
    assert_eq!(life.next_due(), Some(20 * SECOND));
    assert_eq!(answer(&life.tick(20 * SECOND)).value, data(1));
    // The program is not bothered with what is answered.
    life.finish(Ok(Value::Null), 20 * SECOND);
    assert_eq!(work(life.next_task(20 * SECOND)), Command::Step);
}

#[test]
fn data_that_are_long_in_coming_are_the_newest_known_before() {
    let mut life = stepping_with_data();
    life.finish(Ok(Value::Null), SECOND);
    life.command(within("d", Command::GetData, 2 * SECOND), SECOND);
    assert_eq!(work(life.next_task(SECOND)), Command::GetData);
    assert_eq!(answer(&life.tick(3 * SECOND)).value, data(1));
    assert_eq!(answers(&life.finish(Ok(data(2)), 4 * SECOND)), []);
    life.command(within("e", Command::GetData, Duration::ZERO), 4 * SECOND);
    assert_eq!(answer(&life.tick(4 * SECOND)).value, data(2), "what came late is known from then on");
}

#[test]
fn where_no_data_are_known_yet_the_time_passes() {
    let mut life = stepping();
    life.command(within("d", Command::GetData, 4 * SECOND), Duration::ZERO);
    assert_eq!(life.next_due(), Some(4 * SECOND));
    assert!(life.tick(seconds(3.999)).is_empty());
    let actions = life.tick(4 * SECOND);
    let (kind, text) = error(&actions);
    assert_eq!(kind, ErrorKind::Timeout);
    assert!(text.contains("nothing is known yet") && text.contains("STEP"), "{text}");
    // Data that could not be had are no data.
    life.finish(Ok(Value::Null), 4 * SECOND);
    life.command(request("e", Command::GetData), 4 * SECOND);
    work(life.next_task(4 * SECOND));
    life.finish(Err(broken()), 4 * SECOND);
    life.command(within("f", Command::GetData, Duration::ZERO), 4 * SECOND);
    assert_eq!(error(&life.tick(4 * SECOND)).0, ErrorKind::Timeout);
}

#[test]
fn what_is_late_when_the_program_comes_is_not_begun() {
    let mut life = stepping();
    life.command(within("b", Command::Backup, SECOND), Duration::ZERO);
    life.finish(Ok(Value::Null), SECOND);
    let (next, actions) = life.next_task(SECOND);
    assert_eq!(error(&actions).0, ErrorKind::Timeout);
    assert!(matches!(next, Next::Work(Work { request, .. }) if request.command == Command::Step));
}

#[test]
fn a_command_without_end_is_never_due() {
    let mut life = stepping();
    life.command(within("b", Command::Backup, Duration::MAX), SECOND);
    assert_eq!(life.next_due(), None);
    assert!(life.tick(Duration::MAX - SECOND).is_empty());
    life.terminate(SECOND);
    assert_eq!(life.next_due(), None);
}

/// The times at which steps begin, for a program that always comes at once, with steps of this length each.
fn steps(life: &mut Lifecycle, mut now: Duration, lengths: &[f64]) -> Vec<f64> {
    let mut begun = Vec::new();
    for length in lengths {
        loop {
            match life.next_task(now).0 {
                Next::Wait(Some(until)) => {
                    assert!(until > now, "nobody is sent to wait for what has passed");
                    now = until;
                }
                Next::Work(work) => break assert_eq!(work.request.command, Command::Step),
                other => panic!("{other:?}"),
            }
        }
        begun.push(now.as_secs_f64());
        now += seconds(*length);
        life.finish(Ok(Value::Null), now);
    }
    begun
}

#[test]
fn steps_keep_to_their_period_and_missed_ones_are_not_made_up_for() {
    let mut life = service();
    let lengths = [0.1, 0.9, 1.0, 3.5, 0.1, 0.1, 0.1];
    assert_eq!(steps(&mut life, Duration::ZERO, &lengths), [0.0, 1.0, 2.0, 3.0, 6.5, 7.0, 8.0]);
    assert_eq!(life.counts().steps, 7);
    assert_eq!(life.counts().longest_step, seconds(3.5));
}

#[test]
fn after_a_pause_steps_begin_anew_with_no_burst() {
    let mut life = running();
    life.command(request("p", Command::Pause), SECOND);
    work(life.next_task(SECOND));
    life.finish(Ok(Value::Null), SECOND);
    assert_eq!(life.next_task(60 * SECOND).0, Next::Wait(None));
    life.command(request("r", Command::Run), seconds(60.25));
    work(life.next_task(seconds(60.25)));
    life.finish(Ok(Value::Null), seconds(60.5));
    assert_eq!(steps(&mut life, seconds(60.5), &[0.0, 0.0, 0.0]), [60.5, 61.5, 62.5]);
}

#[test]
fn a_checkpoint_and_what_is_withdrawn_keep_the_cadence() {
    let mut life = running();
    life.command(request("c", Command::Checkpoint), seconds(0.5));
    work(life.next_task(seconds(0.5)));
    life.finish(Ok(Value::Null), seconds(2.25));
    assert_eq!(steps(&mut life, seconds(2.25), &[0.0, 0.0]), [2.25, 3.0]);
}

#[test]
fn steps_without_a_pause_between_them_and_no_steps_at_all() {
    let mut life = Lifecycle::new(Setup { every: Some(Duration::ZERO), ..Setup::default() });
    assert_eq!(steps(&mut life, Duration::ZERO, &[0.5, 0.5, 0.5]), [0.0, 0.5, 1.0]);
    let mut life = Lifecycle::new(Setup { every: None, ..Setup::default() });
    assert_eq!(life.next_task(SECOND).0, Next::Wait(None));
    assert_eq!(life.state(), State::Running);
}
