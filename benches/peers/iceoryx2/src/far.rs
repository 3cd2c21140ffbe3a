//! The answering end: it spins during a round, and sleeps on its standard input between rounds.

use std::io::Read;

use iceoryx2::prelude::*;

use crate::worker::pin;
use crate::{BLOCK, END, Result, ways};

/// Waits for the next round; returns false after the near end's end.
pub fn round_begins() -> bool {
    std::io::stdin().lock().read_exact(&mut [0]).is_ok()
}

/// Makes the kernel end this process with the near end.
pub fn end_with_near() {
    // SAFETY: requests a signal at the parent's death; no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Answers until the near end has ended.
pub fn answer(case: &str, bytes: &str, near: &str) -> Result<()> {
    end_with_near();
    pin(true);
    let (there, back) = ways(near.parse()?)?;
    let node = NodeBuilder::new().config(&crate::config(near.parse()?)?).create::<ipc::Service>()?;
    let count: usize = bytes.parse()?;
    if case == "request" {
        return answer_requests(&node, &there, count);
    }
    let stream = case == "stream";
    let depth = if stream { BLOCK as usize } else { 1 };
    let service = |name: &ServiceName, depth| {
        let builder = node.service_builder(name).publish_subscribe::<[u8]>();
        builder.history_size(0).subscriber_max_buffer_size(depth).enable_safe_overflow(!stream).create()
    };
    let (from, to) = (service(&there, depth)?, service(&back, 1)?);
    let from = from.subscriber_builder().create()?;
    let to = to.publisher_builder().initial_max_slice_len(count).create()?;
    println!("ready");
    let mut own = vec![7; if case == "view" { 8 } else { count }];
    let mut taken = 0u64;
    while round_begins() {
        loop {
            let Some(sample) = from.receive()? else {
                std::hint::spin_loop();
                continue;
            };
            let touched = own.len();
            own.copy_from_slice(&sample.payload()[..touched]);
            drop(sample);
            if own[0] == END {
                break;
            }
            taken += 1;
            if !stream || taken.is_multiple_of(BLOCK) {
                // SAFETY: every byte is valid, and neither end reads unwritten bytes.
                let mut answer =
                    unsafe { to.loan_slice_uninit(if stream { 1 } else { count })?.assume_init() };
                let touched = own.len().min(answer.payload().len());
                answer.payload_mut()[..touched].copy_from_slice(&own[..touched]);
                answer.send()?;
            }
        }
    }
    Ok(())
}

fn answer_requests(node: &Node<ipc::Service>, name: &ServiceName, count: usize) -> Result<()> {
    let service = node.service_builder(name).request_response::<[u8], [u8]>();
    let service = service.max_response_buffer_size(1).create()?;
    let server = service.server_builder().initial_max_slice_len(count).create()?;
    println!("ready");
    let mut own = vec![0; count];
    while round_begins() {
        loop {
            let Some(request) = server.receive()? else {
                std::hint::spin_loop();
                continue;
            };
            own.copy_from_slice(request.payload());
            if own[0] == END {
                break;
            }
            request.loan_slice_uninit(count)?.write_from_slice(&own).send()?;
        }
    }
    Ok(())
}
