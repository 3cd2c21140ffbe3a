//! The terminal: keys in, pictures out, and left as it was found, also after a panic or SIGTERM.

use std::io::{self, IsTerminal};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use linkspan::{Error, ErrorKind};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, poll};

use super::looking::{self, News};
use super::screen::{Next, Screen};
use super::{Top, drawing};
use crate::ending::Ending;
use crate::stop::Stop;

/// What the loop waits for.
enum Happening {
    /// A key, or another size.
    Input(Event),
    /// Something was seen.
    News(News),
    /// A signal asks to stop.
    Signal,
    /// The terminal can be read no more.
    Deaf(io::Error),
    /// One of the threads has panicked; it has told of it.
    Broken,
}

/// Shows the screen until a key or a signal ends it.
pub fn show(asked: &Top, stop: &Stop) -> Result<(), Ending> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let text = "standard input and standard output must be a terminal for a live view; `linkspan top --once` prints \
                    one look, `linkspan top --json` a line of JSON for each";
        return Err(Error::new(ErrorKind::InvalidState, text).into());
    }
    let (happens, happenings) = channel();
    let bell = stop.bell().try_clone_to_owned().map_err(on_terminal)?;
    let mut shown = Shown::take()?;
    // The threads end with the process: none of them holds anything that another process could miss.
    start(&happens, move |happens| {
        while poll(&mut [PollFd::new(&bell, PollFlags::IN)], None).is_err() {}
        let _ = happens.send(Happening::Signal);
    });
    start(&happens, |happens| {
        let deaf = loop {
            match event::read() {
                Ok(input) => {
                    if happens.send(Happening::Input(input)).is_err() {
                        return;
                    }
                }
                Err(e) => break e,
            }
        };
        let _ = happens.send(Happening::Deaf(deaf));
    });
    let every = asked.every;
    start(&happens, move |happens| {
        looking::endpoints(every, |news| happens.send(Happening::News(news)).is_ok());
    });
    let at = asked.at.clone();
    start(&happens, move |happens| {
        looking::services(&at, every, |news| happens.send(Happening::News(news)).is_ok());
    });
    drop(happens);

    let mut screen = Screen::new();
    loop {
        shown.draw(&mut screen, every.as_secs_f64())?;
        let Ok(first) = happenings.recv() else { return Ok(()) };
        // What has come meanwhile is drawn at once with it.
        for happening in std::iter::once(first).chain(happenings.try_iter()) {
            match happening {
                Happening::Input(Event::Key(key)) => {
                    if screen.key(key) == Next::Quit {
                        return Ok(());
                    }
                }
                Happening::Input(_) => {}
                Happening::News(news) => news.tell(&mut screen),
                Happening::Signal => return Ok(stop.check()?),
                Happening::Deaf(error) => return Err(on_terminal(error)),
                Happening::Broken => return Err(Ending::Found),
            }
        }
    }
}

/// A thread that reports a panic of its own.
fn start(happens: &Sender<Happening>, work: impl FnOnce(&Sender<Happening>) + Send + 'static) {
    let happens = happens.clone();
    thread::spawn(move || {
        if catch_unwind(AssertUnwindSafe(|| work(&happens))).is_err() {
            let _ = happens.send(Happening::Broken);
        }
    });
}

fn on_terminal(error: io::Error) -> Ending {
    Ending::Stream(format!("using the terminal: {error}"))
}

/// The terminal while it is ours; given back when this goes.
struct Shown {
    terminal: Option<DefaultTerminal>,
}

impl Shown {
    /// Takes it. From here on a panic of any thread puts the terminal back before it is told.
    fn take() -> Result<Shown, Ending> {
        Ok(Shown { terminal: Some(ratatui::try_init().map_err(on_terminal)?) })
    }

    fn draw(&mut self, screen: &mut Screen, every: f64) -> Result<(), Ending> {
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        terminal.draw(|frame| drawing::draw(frame, screen, every)).map_err(on_terminal)?;
        Ok(())
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // Shows the cursor again, which belongs to the screen that is left next.
        drop(self.terminal.take());
        ratatui::restore();
    }
}

// Here nobody presses keys.
#[cfg(test)]
#[allow(dead_code)]
#[path = "../../tests/program/pty.rs"]
mod pty;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::pty::{Pty, assert_given_back};
    use super::*;

    /// Runs one of the tests below in a terminal, with the words of its panic; gives the test's exit code.
    fn panics_in_a_terminal(test: &str) -> Option<i32> {
        let pty = Pty::open(80, 24);
        let before = pty.settings();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = format!("top::terminal::tests::{test}");
        let mut child = pty.start(command.args(["--ignored", "--exact", "--nocapture", &name]));
        let code = child.wait().unwrap().code();
        let shown = pty.all();
        assert_given_back(&shown);
        // What went wrong can be read on the screen that the shell has.
        assert!(shown[shown.find("\x1b[?1049l").unwrap()..].contains("as the test asks"), "{shown:?}");
        assert_eq!(pty.settings(), before);
        code
    }

    #[test]
    fn the_terminal_is_given_back_by_a_panic() {
        assert_eq!(panics_in_a_terminal("panics_while_it_draws"), Some(101));
        assert_eq!(panics_in_a_terminal("panics_while_it_looks"), Some(0));
    }

    #[test]
    #[ignore = "a process of its own, started by the_terminal_is_given_back_by_a_panic"]
    fn panics_while_it_draws() {
        let mut shown = Shown::take().unwrap_or_else(|_| panic!("no terminal"));
        assert!(shown.draw(&mut Screen::new(), 1.0).is_ok());
        panic!("as the test asks");
    }

    #[test]
    #[ignore = "a process of its own, started by the_terminal_is_given_back_by_a_panic"]
    fn panics_while_it_looks() {
        let mut shown = Shown::take().unwrap_or_else(|_| panic!("no terminal"));
        assert!(shown.draw(&mut Screen::new(), 1.0).is_ok());
        let (happens, happenings) = channel();
        start(&happens, |_| panic!("as the test asks"));
        assert!(matches!(happenings.recv(), Ok(Happening::Broken)));
    }
}
