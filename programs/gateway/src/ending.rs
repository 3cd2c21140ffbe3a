//! How a connection ends whose client sent what is no frame: with an error that says why, and the close code of
//! RFC 6455 for it.

use linkspan::{Error, ErrorKind};
use tungstenite::Error as Socket;
use tungstenite::error::{CapacityError, ProtocolError};

/// The close codes: bytes that are no WebSocket, a frame that is none, what a token does not allow, a frame that is too
/// long.
pub const NO_WEBSOCKET: u16 = 1002;
pub const NO_FRAME: u16 = 1007;
pub const REFUSED: u16 = 1008;
pub const TOO_LONG: u16 = 1009;

/// Returns the code for a frame that could not be read, with what is said beside it.
pub fn of_frame(error: &Error) -> (u16, &'static str) {
    match error.kind() {
        ErrorKind::TooLarge => (TOO_LONG, "a frame that is too long"),
        _ => (NO_FRAME, "a frame that is none"),
    }
}

/// Returns why the WebSocket was given up, and the code; `None` where the client is gone. `most` is the longest frame
/// that it takes.
pub fn of_socket(error: axum::Error, most: usize) -> Option<(Error, u16, &'static str)> {
    let malformed = |text: String| Error::new(ErrorKind::Malformed, text);
    match *error.into_inner().downcast::<Socket>().ok()? {
        Socket::Capacity(CapacityError::MessageTooLong { size, .. }) => {
            let text = format!("a frame has at most {most} bytes, and this one at least {size}");
            let error = Error::new(ErrorKind::TooLarge, text);
            let (code, reason) = of_frame(&error);
            Some((error, code, reason))
        }
        Socket::Utf8(_) => {
            Some((malformed("a text frame is UTF-8".to_owned()), NO_FRAME, "a text that is no UTF-8"))
        }
        // Its end without a word is no mistake to be told of.
        Socket::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Socket::Protocol(why) => {
            let text = format!("what came is no frame of a WebSocket (RFC 6455): {why}");
            Some((malformed(text), NO_WEBSOCKET, "no frame of a WebSocket"))
        }
        _ => None,
    }
}
