//! The withdrawal of a request by a caller that stopped waiting: an `ack` whose body names the request.
//!
//! The frame acknowledges nothing, so a peer without support for withdrawals ignores it.

use crate::codec::{self, Encoding};
use crate::error::Result;
use crate::frame::{Header, Incoming, Kind};
use crate::value::Value;

const KEY: &str = "withdrawn";

pub fn frame(request: u64) -> Result<(Header, Vec<u8>)> {
    let body = codec::encode(&Value::map([(KEY, request)]), Encoding::Cbor)?;
    Ok((Header { body: body.len() as u64, ..Header::new(Kind::Ack, Encoding::Cbor) }, body))
}

/// Returns the number of the request that an `ack` withdraws, or `None`.
pub fn read(ack: &Incoming) -> Option<u64> {
    const LONGEST: usize = 4096;
    if ack.body.len() == 0 || ack.body.len() > LONGEST {
        return None;
    }
    codec::decode(ack.body.whole(), ack.header.encoding).ok()?.at(KEY).ok()?.as_u64().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Outgoing;

    fn incoming(header: Header, body: &[u8]) -> Incoming {
        Incoming { header, extension: bytes::Bytes::new(), body: bytes::Bytes::copy_from_slice(body).into() }
    }

    #[test]
    fn withdrawal_round_trips_and_other_acks_withdraw_nothing() {
        for number in [1, 255, 256, u64::MAX] {
            let (header, body) = frame(number).unwrap();
            assert_eq!(read(&incoming(header, &body)), Some(number));
        }
        let ack = Header { correlation: 7, ..Header::new(Kind::Ack, Encoding::Raw) };
        for body in [&b""[..], b"\xa0", b"\xff\xff", &[0; 5000]] {
            assert_eq!(read(&incoming(Header { encoding: Encoding::Cbor, ..ack }, body)), None);
        }
    }

    #[test]
    fn documents_show_a_withdrawal() {
        let (header, body) = frame(5).unwrap();
        let bytes = [&Outgoing::new(header, &body).head()[..], &body].concat();
        crate::documents::check("withdrawal", &crate::documents::fenced(&crate::documents::dump(&bytes)));
    }
}
