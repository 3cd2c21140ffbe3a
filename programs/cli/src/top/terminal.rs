//! The terminal: keys, frames, and its restoration, also after a panic or SIGTERM.

use std::io::{self, IsTerminal};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};

use linkspan::service::start_thread;
use linkspan::{Error, ErrorKind};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as TerminalEvent};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::args::TopArgs;
use super::render;
use super::screen::{Action, Screen};
use super::watcher::{self, Update};
use crate::exit::Exit;
use crate::signals::Signals;

enum ScreenEvent {
    /// A key, or a new size.
    Input(TerminalEvent),
    Update(Update),
    Signal,
    InputFailed(io::Error),
    ThreadPanicked,
}

/// Shows the screen until a key or a signal ends it.
pub fn run(args: &TopArgs, signals: &Signals) -> Result<(), Exit> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let text = "standard input and standard output must be a terminal for a live view; `linkspan top --once` prints \
                    one look, `linkspan top --json` a line of JSON for each";
        return Err(Exit::Usage(Error::new(ErrorKind::InvalidState, text)));
    }
    let (sender, events) = channel();
    let signal_fd = signals.fd().try_clone_to_owned().map_err(on_terminal)?;
    let mut terminal = Terminal::take()?;
    // The threads hold nothing, and end with the process.
    start("signals", &sender, move |sender| {
        loop {
            match poll(&mut [PollFd::new(&signal_fd, PollFlags::IN)], None) {
                Err(Errno::INTR) => {}
                Err(error) => {
                    let text = format!("waiting for signals (ppoll): {error}");
                    let _ = sender.send(ScreenEvent::InputFailed(io::Error::other(text)));
                    return;
                }
                Ok(_) => break,
            }
        }
        let _ = sender.send(ScreenEvent::Signal);
    })?;
    start("input", &sender, |sender| {
        let error = loop {
            match event::read() {
                Ok(input) => {
                    if sender.send(ScreenEvent::Input(input)).is_err() {
                        return;
                    }
                }
                Err(e) => break e,
            }
        };
        let _ = sender.send(ScreenEvent::InputFailed(error));
    })?;
    let every = args.every;
    start("endpoints", &sender, move |sender| {
        watcher::endpoints(every, |update| sender.send(ScreenEvent::Update(update)).is_ok());
    })?;
    let controller = args.at.clone();
    start("services", &sender, move |sender| {
        watcher::services(&controller, every, |update| sender.send(ScreenEvent::Update(update)).is_ok());
    })?;
    drop(sender);

    let mut screen = Screen::new();
    loop {
        terminal.draw(&mut screen, every.as_secs_f64())?;
        let Ok(first) = events.recv() else { return Ok(()) };
        // Further events are drawn at once with it.
        for event in std::iter::once(first).chain(events.try_iter()) {
            match event {
                ScreenEvent::Input(TerminalEvent::Key(key)) => {
                    if screen.key(key) == Action::Quit {
                        return Ok(());
                    }
                }
                ScreenEvent::Input(_) => {}
                ScreenEvent::Update(update) => screen.apply(update),
                ScreenEvent::Signal => return Ok(signals.check()?),
                ScreenEvent::InputFailed(error) => return Err(on_terminal(error)),
                ScreenEvent::ThreadPanicked => return Err(Exit::ProblemFound),
            }
        }
    }
}

fn start(
    name: &str,
    sender: &Sender<ScreenEvent>,
    work: impl FnOnce(&Sender<ScreenEvent>) + Send + 'static,
) -> Result<(), Exit> {
    let sender = sender.clone();
    let work = move || {
        if catch_unwind(AssertUnwindSafe(|| work(&sender))).is_err() {
            let _ = sender.send(ScreenEvent::ThreadPanicked);
        }
    };
    start_thread(name, work)?;
    Ok(())
}

fn on_terminal(error: io::Error) -> Exit {
    Exit::Io(format!("using the terminal: {error}"))
}

struct Terminal {
    terminal: Option<DefaultTerminal>,
}

impl Terminal {
    /// A panic of any thread restores the terminal before it is printed.
    fn take() -> Result<Terminal, Exit> {
        Ok(Terminal { terminal: Some(ratatui::try_init().map_err(on_terminal)?) })
    }

    fn draw(&mut self, screen: &mut Screen, every: f64) -> Result<(), Exit> {
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        terminal.draw(|frame| render::draw(frame, screen, every)).map_err(on_terminal)?;
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Shows the cursor again, which belongs to the screen that is left next.
        drop(self.terminal.take());
        ratatui::restore();
    }
}

// No keys are read.
#[cfg(test)]
#[allow(dead_code)]
#[path = "../../tests/program/pty.rs"]
mod pty;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::pty::{Pty, assert_given_back};
    use super::*;

    /// Runs a test below in a terminal; returns its exit code.
    fn panics_in_a_terminal(test: &str) -> Option<i32> {
        let pty = Pty::open(80, 24);
        let before = pty.settings();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = format!("top::terminal::tests::{test}");
        let mut child = pty.start(command.args(["--ignored", "--exact", "--nocapture", &name]));
        let code = child.wait().unwrap().code();
        let shown = pty.all();
        assert_given_back(&shown);
        // Readable on the shell's screen.
        assert!(shown[shown.find("\x1b[?1049l").unwrap()..].contains("as the test asks"), "{shown:?}");
        assert_eq!(pty.settings(), before);
        code
    }

    #[test]
    fn panic_restores_the_terminal() {
        assert_eq!(panics_in_a_terminal("panics_while_it_draws"), Some(101));
        assert_eq!(panics_in_a_terminal("panics_while_it_looks"), Some(0));
    }

    #[test]
    #[ignore = "a process of its own, started by panic_restores_the_terminal"]
    fn panics_while_it_draws() {
        let mut terminal = Terminal::take().unwrap_or_else(|_| panic!("no terminal"));
        assert!(terminal.draw(&mut Screen::new(), 1.0).is_ok());
        panic!("as the test asks");
    }

    #[test]
    #[ignore = "a process of its own, started by panic_restores_the_terminal"]
    fn panics_while_it_looks() {
        let mut terminal = Terminal::take().unwrap_or_else(|_| panic!("no terminal"));
        assert!(terminal.draw(&mut Screen::new(), 1.0).is_ok());
        let (sender, events) = channel();
        assert!(start("looks", &sender, |_| panic!("as the test asks")).is_ok());
        assert!(matches!(events.recv(), Ok(ScreenEvent::ThreadPanicked)));
    }
}
