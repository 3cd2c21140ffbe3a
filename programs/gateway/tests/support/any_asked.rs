//! Reads any bytes as a viewer's frame, for a fuzz target and the replay of its seeds.

use linkspan::{Encoding, Value, codec};

use crate::asked::{Asked, object};

/// Decodes, encodes and decodes again; both results must be equal.
pub fn take(bytes: &[u8]) {
    let Some(asked) = object(bytes).and_then(|frame| Asked::of(&frame).ok()) else { return };
    let id = |id: &u32| Value::from(u64::from(*id));
    let frame = match &asked {
        Asked::Subscribe(all) => {
            let all =
                all.iter().map(|(one, channel)| Value::map([("id", id(one)), ("channelId", id(channel))]));
            Value::map([("op", Value::from("subscribe")), ("subscriptions", Value::Array(all.collect()))])
        }
        Asked::Unsubscribe(ids) => {
            let ids = ids.iter().map(id).collect();
            Value::map([("op", Value::from("unsubscribe")), ("subscriptionIds", Value::Array(ids))])
        }
    };
    let Ok(written) = codec::encode(&frame, Encoding::Json) else { panic!("{frame:?} is not written") };
    assert_eq!(object(&written).and_then(|frame| Asked::of(&frame).ok()), Some(asked));
}
