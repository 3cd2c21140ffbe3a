//! Frames as the bytes that two bridges exchange, and the hellos and endpoints that they refuse.

use bytes::Bytes;
use linkspan_engine::relay_side::Pattern;
use linkspan_engine::relay_side::handshake::Hello;
use linkspan_transport::endpoint::Endpoint;
use linkspan_transport::frame::{HEADER, Header, Incoming, Outgoing, flags};
use linkspan_value::{Error, ErrorKind, Result};

pub fn check_transport(endpoint: &Endpoint) -> Result<()> {
    if endpoint.transport().capabilities().relays_links {
        return Ok(());
    }
    let text = "only channels over shm: and unix: are relayed to other machines; use one of those";
    Err(Error::new(ErrorKind::Unsupported, text))
}

/// Refuses a client of a controller of another machine, whose commands would reach every service there.
pub fn refuse_client(hello: &Hello, machine: Option<&str>) -> Result<()> {
    if hello.pattern != Pattern::Controller || hello.ask {
        return Ok(());
    }
    let machine = machine.unwrap_or("another machine");
    let text = format!(
        "the controller is on {machine}, and takes services of other machines alone; give the command there"
    );
    Err(Error::new(ErrorKind::PermissionDenied, text))
}

/// Returns a frame in its form in a stream.
///
/// It lacks the checksum, which belongs to its link.
pub fn write_frame(frame: &Incoming) -> Vec<u8> {
    let mut header = frame.header;
    header.flags &= !flags::BODY_CHECKED;
    (header.extension, header.body) = (frame.extension.len(), frame.body.len() as u64);
    header.body_check = 0;
    let out = outgoing(header, frame);
    let mut bytes = Vec::with_capacity(header.body_offset().saturating_add(out.body.len()));
    out.append_head(&mut bytes);
    bytes.extend_from_slice(out.body);
    bytes
}

/// Returns a frame for sending with this frame's extension and body, whose lengths the header has.
pub fn outgoing(header: Header, frame: &Incoming) -> Outgoing<'_> {
    let mut out = Outgoing::new(header, frame.body.whole());
    (out.header, out.extension) = (header, &frame.extension);
    out
}

/// Reads the bytes of [`write_frame`] from another machine.
pub fn read_frame(bytes: &[u8]) -> Result<Incoming> {
    let malformed = || Error::new(ErrorKind::Malformed, "a frame of another machine is not whole");
    let header = Header::from_bytes(bytes.first_chunk().ok_or_else(malformed)?)?;
    let body = bytes.get(header.body_offset()..).ok_or_else(malformed)?;
    if body.len() as u64 != header.body {
        return Err(malformed());
    }
    let extension = bytes.get(HEADER..HEADER.saturating_add(header.extension)).ok_or_else(malformed)?;
    let extension = Bytes::copy_from_slice(extension);
    Ok(Incoming { header, extension, body: Bytes::copy_from_slice(body).into() })
}
