//! Random lines of programs without Linkspan.

use super::*;

struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\n",
    "\r\n",
    "null",
    "1e999",
    "\"jsonrpc\":\"2.0\"",
    "\"method\":\"sum\"",
    "\"params\":[1,2]",
    "\"id\":1",
    "\"id\":\"a\"",
    "\"result\":1",
    "\"error\":{}",
    "{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"id\":7}",
    "[{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"id\":8}]",
    "{\"$bytes\":\"?\"}",
    "\u{e9}",
    "LKSP",
];

#[test]
fn any_input_of_plain_clients_gets_json_rpc_lines_and_the_server_continues() {
    let seed = match std::env::var("LINKSPAN_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => u64::from(std::process::id()) << 20 | 0x9_e377,
    };
    println!("LINKSPAN_SEED={seed}");
    let mut options = lines();
    options.max_message_size = 2000;
    with_server(&options, |endpoint| {
        let mut chance = Chance(seed);
        for _ in 0..300 {
            let mut text = Vec::new();
            for _ in 0..chance.next(60) {
                match chance.next(20) {
                    0 => text.push(chance.next(256) as u8),
                    1 => text.extend(std::iter::repeat_n(b'[', chance.next(3000))),
                    2 => text.push(b'\n'),
                    _ => text.extend_from_slice(PIECES[chance.next(PIECES.len())].as_bytes()),
                }
            }
            // Other tests cover input that ends the server, or looks like Linkspan's own framing.
            if text.starts_with(b"LKSP") {
                continue;
            }
            let mut plain_peer = PlainPeer::connect(endpoint);
            plain_peer.write.write_all(&text).unwrap();
            plain_peer.hang_up_writing();
            let mut answers = String::new();
            plain_peer.read.read_to_string(&mut answers).unwrap();
            for line in answers.lines() {
                let answer = json(line);
                let all = answer.as_array().map_or_else(|_| vec![answer.clone()], <[Value]>::to_vec);
                for one in all {
                    assert_eq!(one.at("jsonrpc").unwrap().as_text().unwrap(), "2.0", "{line}");
                    assert!(
                        one.at("id").is_ok() && (one.at("result").is_ok() != one.at("error/code").is_ok()),
                        "{line}"
                    );
                }
            }
        }
        let mut plain_peer = PlainPeer::connect(endpoint);
        plain_peer.send_text("{\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"params\":[1,2],\"id\":1}\n");
        assert_eq!(plain_peer.line(), "{\"jsonrpc\":\"2.0\",\"result\":3,\"id\":1}\n");
    });
}
