//! The effect of each option for each object and transport: it works or is refused. The documents have this table.

use super::*;
use crate::transport::kind::Transport;

const USES: [Use; 4] = [Use::Channel, Use::Request, Use::Publish, Use::Subscribe];
const LINKS: &[&str] = &["shm", "unix", "tcp", "fifo"];
const LINKS_AND_SPOOL: &[&str] = &["shm", "unix", "tcp", "fifo", "spool"];
const SHM: &[&str] = &["shm"];
const ALL: &[&str] = &["shm", "unix", "dgram", "tcp", "fifo", "spool", "file", "journal"];
const FILES: &[&str] = &["shm", "unix", "dgram", "fifo", "spool", "file", "journal"];
const NONE: &[&str] = &[];

fn schema() -> Option<Arc<PreparedSchema>> {
    let text = "name = \"power\"\ntype = \"f64\"\n";
    Some(PreparedSchema::from_option(text).unwrap())
}

/// An option's text, a value other than its default, and the transports with an effect by [`Use`].
type Row = (&'static str, Options, [&'static [&'static str]; 4]);

fn rows() -> Vec<Row> {
    let o = Options::default;
    let since: &[&str] = &["shm", "unix", "tcp", "journal"];
    let lists: &[&str] = &["shm", "unix"];
    let with = |set: fn(&mut Options)| {
        let mut options = o();
        set(&mut options);
        options
    };
    let kept = [NONE, NONE, &["journal"], NONE];
    let received = [LINKS_AND_SPOOL, LINKS_AND_SPOOL, NONE, since];
    vec![
        ("`encoding`, of a sender", o().with_encoding(Encoding::Json), [ALL, ALL, ALL, NONE]),
        ("`timeout`", o().with_timeout(None), [ALL; 4]),
        ("`client_id`", o().with_client_id("plot"), [ALL, ALL, ALL, since]),
        (
            "`buffer`",
            o().with_buffer(8192),
            [&["shm", "dgram", "spool"], &["shm", "spool"], &["shm", "unix", "tcp"], NONE],
        ),
        ("`max_message_size`", o().with_max_message_size(100), [ALL; 4]),
        ("`delivery=\"latest\"`", o().with_delivery(Delivery::Latest), [NONE, NONE, NONE, ALL]),
        (
            "`delivery=\"best_effort\"`",
            o().with_delivery(Delivery::BestEffort),
            [LINKS, LINKS, NONE, &["file"]],
        ),
        ("`delivery=\"at_least_once\"`", o().with_delivery(Delivery::AtLeastOnce), [NONE; 4]),
        (
            "`delivery=\"durable\"`",
            o().with_delivery(Delivery::Durable),
            [&["spool"], &["spool"], &["file"], NONE],
        ),
        ("`ack`, of a receiver", o().with_ack(Acknowledge::Manual), received),
        ("`idempotent`, of a caller", o().with_idempotent(true), [LINKS_AND_SPOOL, NONE, NONE, NONE]),
        ("`replay_count`", o().with_replay(7, 64 << 20), [LINKS, LINKS, NONE, NONE]),
        ("`replay_bytes`", o().with_replay(1 << 16, 8), [LINKS, LINKS, NONE, NONE]),
        ("`absent_clients`, of a listener", o().with_absent_clients(9), [LINKS, LINKS, NONE, NONE]),
        (
            "`framing`",
            o().with_framing(Framing::Lines),
            [&["unix", "tcp", "fifo"], &["unix", "tcp", "fifo"], &["unix", "tcp", "file"], &["file"]],
        ),
        ("`durable`", o().with_durable(true), [&["spool"], &["spool"], &["file"], NONE]),
        ("`mode`", o().with_mode(0o640), [FILES, FILES, FILES, NONE]),
        ("`group`", o().with_group(5), [FILES, FILES, FILES, NONE]),
        ("`allow_uids`, of a listener", o().with_allow_uids([1]), [lists, lists, lists, NONE]),
        ("`allow_gids`, of a listener", o().with_allow_gids([1]), [lists, lists, lists, NONE]),
        ("`from`", o().with_from(StartAt::First), [NONE, NONE, NONE, &["journal"]]),
        ("`segment_bytes`", o().with_segment_bytes(16384), kept),
        ("`retain_bytes`", o().with_retain_bytes(1 << 20), kept),
        ("`retain_seconds`", o().with_retain(Duration::from_secs(60)), kept),
        ("`retain_consumed`", o().with_retain_consumed(true), kept),
        ("`locked`", o().with_locked(true), [NONE, NONE, &["file"], &["file"]]),
        ("`shared`", o().with_shared(true), [NONE, &["shm", "unix", "spool"], NONE, NONE]),
        ("`replace`", with(|o| o.replace = true), [NONE, NONE, &["shm", "unix", "tcp"], NONE]),
        ("`view_bytes`, of a receiver", o().with_view_bytes(true), [SHM, SHM, NONE, SHM]),
        ("`schema`", with(|o| o.schema = schema()), [ALL; 4]),
        (
            "`reply_schema`",
            with(|o| o.reply_schema = schema()),
            [LINKS_AND_SPOOL, LINKS_AND_SPOOL, NONE, NONE],
        ),
        (
            "`validate`",
            with(|o| {
                o.schema = schema();
                o.validate = Some(Validate::Both);
            }),
            [ALL; 4],
        ),
        ("`spin`", o().with_spin(Duration::ZERO), [SHM, SHM, NONE, SHM]),
        ("`linger`", o().with_linger(Duration::from_secs(1)), [LINKS, NONE, NONE, NONE]),
        ("`on_unconsumed`", with(|o| o.on_unconsumed = Some(Arc::new(|_| ()))), [LINKS, NONE, NONE, NONE]),
        ("`on_wait`", with(|o| o.on_wait = Some(Arc::new(|| true))), [ALL; 4]),
    ]
}

fn cell(name: &str, options: &Options, used: Use, states: &[&str]) -> String {
    let can = |options: &Options| -> Vec<Transport> {
        Transport::all().filter(|one| options.check(*one, used).is_ok()).collect()
    };
    let (possible, accepted) = (can(&Options::default()), can(options));
    let list = |of: &mut dyn Iterator<Item = &Transport>| {
        of.map(|one| format!("`{}:`", one.name())).collect::<Vec<_>>().join(" ")
    };
    let has_effect = |one: &Transport| states.contains(&one.name());
    let count = possible.iter().filter(|one| has_effect(one)).count();
    let refused = possible.len() - accepted.len();
    for one in possible.iter().filter(|one| has_effect(one)) {
        assert!(
            accepted.contains(one),
            "{name} has an effect over {}: for {used:?}, and is refused there",
            one.name()
        );
    }
    let mut text = match count {
        0 if refused == possible.len() => return "refused".to_owned(),
        0 => "–".to_owned(),
        _ if count == possible.len() => "all".to_owned(),
        _ => list(&mut possible.iter().filter(|one| has_effect(one))),
    };
    if refused > 0 && count > 0 && count + refused == possible.len() {
        text += "; refused by the others";
    } else if refused > 0 {
        text += "; refused: ";
        text += &list(&mut possible.iter().filter(|one| !accepted.contains(one)));
    }
    text
}

#[test]
fn documents_say_where_an_option_has_an_effect() {
    let rows = rows();
    for name in nearest::NAMES {
        let word = [format!("`{name}`"), format!("`{name}=")];
        assert!(rows.iter().any(|row| word.iter().any(|word| row.0.starts_with(word))), "{name} has no row");
    }
    let lines = rows.iter().map(|(name, options, states)| {
        let cells = [0, 1, 2, 3].map(|at| cell(name, options, USES[at], states[at]));
        let [channel, server, publisher, subscriber] = cells;
        [(*name).to_owned(), channel, server, publisher, subscriber]
    });
    let head = ["option", "channel", "server", "publisher", "subscriber"];
    crate::documents::check("option effects", &crate::documents::table(head, lines));
}
