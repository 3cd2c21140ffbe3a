//! Errors and close codes (RFC 6455) for connections whose client sent an invalid frame.

use linkspan::{Error, ErrorKind};
use tungstenite::Error as Socket;
use tungstenite::error::{CapacityError, ProtocolError};

/// The close codes: no WebSocket, invalid frame, refused by the token, frame too long.
pub const NO_WEBSOCKET: u16 = 1002;
pub const NO_FRAME: u16 = 1007;
pub const REFUSED: u16 = 1008;
pub const TOO_LONG: u16 = 1009;

pub fn of_frame(error: &Error) -> (u16, &'static str) {
    match error.kind() {
        ErrorKind::TooLarge => (TOO_LONG, "a frame that is too long"),
        _ => (NO_FRAME, "a frame that is none"),
    }
}

/// Returns why the WebSocket failed and its close code; `None` if the client is gone.
///
/// `most` is the longest accepted frame.
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
        // Clients may disconnect without a close frame; nobody is left to read an error.
        Socket::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Socket::Protocol(why) => {
            let text = format!("what came is no frame of a WebSocket (RFC 6455): {why}");
            Some((malformed(text), NO_WEBSOCKET, "no frame of a WebSocket"))
        }
        _ => None,
    }
}
