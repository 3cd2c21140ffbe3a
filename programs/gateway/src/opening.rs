//! Opens the page in the browser of the user who starts the gateway.
//!
//! Every user can see a command line, so the browser gets an address without the token. It works once, within two
//! minutes, for connections of this user only, and redirects to the page with its token.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use linkspan::Result;
use linkspan::page::{Peer, Token};
use linkspan_program::stderr;

use crate::browser;
use crate::clock::after;

pub const PATH: &str = "/open";
/// How long it works; a browser may take long to start.
const TIME: Duration = Duration::from_secs(120);

/// The unused code, the page that it leads to, and its expiry.
#[derive(Debug, Default)]
pub struct Opening(Mutex<Option<(Token, String, Instant)>>);

impl Opening {
    fn state(&self) -> MutexGuard<'_, Option<(Token, String, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the page if a desktop user started the program. A failure is only reported, because the address is
    /// printed.
    pub fn open(&self, server: &str, page: &str) {
        if !browser::is_there() {
            return;
        }
        let opened = self.expect(page).and_then(|code| browser::open(&format!("{server}{PATH}?code={code}")));
        if let Err(error) = opened {
            *self.state() = None;
            stderr::print_note(&format!("the browser is not opened: {error}"));
        }
    }

    fn expect(&self, page: &str) -> Result<String> {
        let code = Token::draw()?;
        let digits = code.digits().to_owned();
        *self.state() = Some((code, page.to_owned(), after(TIME)));
        Ok(digits)
    }

    /// Returns the page once, to a program of this user that shows the code in time.
    pub fn page(&self, shown: &[u8], peer: Peer) -> Option<String> {
        let mut state = self.state();
        let (code, _, until) = state.as_ref()?;
        if !code.is(shown) || Instant::now() >= *until || !is_own(peer) {
            return None;
        }
        state.take().map(|(_, page, _)| page)
    }
}

/// Whether the kernel attributes a connection to this user.
fn is_own(peer: Peer) -> bool {
    peer == Peer::User(rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_works_once_in_its_time_and_for_this_user_alone() {
        let own = Peer::User(rustix::process::geteuid().as_raw());
        let opening = Opening::default();
        assert_eq!(opening.page(b"", own), None);
        let code = opening.expect("/#token=1").unwrap();
        for wrong in [&b""[..], b"0", &code.as_bytes()[1..], code.to_uppercase().as_bytes()] {
            assert_eq!(opening.page(wrong, own), None);
        }
        // Other users may know the code, and some peers are unknown to the kernel.
        for other in [Peer::User(65_534), Peer::at("127.0.0.1".parse().unwrap())] {
            assert_eq!(opening.page(code.as_bytes(), other), None);
        }
        assert_eq!(opening.page(code.as_bytes(), own).as_deref(), Some("/#token=1"));
        assert_eq!(opening.page(code.as_bytes(), own), None);
        let code = opening.expect("/#token=2").unwrap();
        opening.state().as_mut().unwrap().2 = Instant::now();
        assert_eq!(opening.page(code.as_bytes(), own), None);
    }
}
