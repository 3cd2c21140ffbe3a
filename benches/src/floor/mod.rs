//! The floors: the least time that the processor or kernel takes for an exchange.

mod begin;
mod fanout;
mod files;
mod kernel;
mod memory;
mod queue;
mod rate;
pub mod system_v;
mod writers;

use crate::cpu::Placement;
use crate::rate::Waits;
use crate::{Result, oversubscribed};

pub use begin::socket_path;
pub use kernel::echo_alone;
pub use memory::futex;
pub use writers::Ready;

pub fn work(words: &[&str]) -> Result<()> {
    match *words {
        ["spin", bytes, placement] => {
            memory::ping_pong(bytes.parse()?, Placement::from_name(placement)?, memory::How::Spin)
        }
        ["futex", bytes, placement] => {
            memory::ping_pong(bytes.parse()?, Placement::from_name(placement)?, memory::How::Futex)
        }
        ["futex-once", bytes, placement] => {
            memory::one_copy(bytes.parse()?, Placement::from_name(placement)?)
        }
        ["fanout", readers] => fanout::stream(readers.parse()?),
        ["writers", count] => writers::requests(count.parse()?),
        ["connect"] => begin::connect(),
        ["first"] => begin::first(),
        ["restart"] => begin::restart(),
        ["memcpy", bytes] => memory::copy(bytes.parse()?),
        ["pipe", bytes, placement] => kernel::pipe(bytes.parse()?, Placement::from_name(placement)?),
        ["socket", bytes, placement] => kernel::socket(bytes.parse()?, Placement::from_name(placement)?),
        ["tcp", bytes, placement] => kernel::tcp(bytes.parse()?, Placement::from_name(placement)?),
        ["datagram", bytes, placement] => kernel::datagram(bytes.parse()?, Placement::from_name(placement)?),
        ["rename", bytes, placement] => {
            files::exchange(bytes.parse()?, Placement::from_name(placement)?, files::After::Stays)
        }
        ["unlink", bytes, placement] => {
            files::exchange(bytes.parse()?, Placement::from_name(placement)?, files::After::Goes)
        }
        ["append", bytes] => files::append(bytes.parse()?),
        ["oversubscribed", pace] => oversubscribed::beside_pipes(pace),
        ["eventfd", placement] => kernel::eventfd(Placement::from_name(placement)?),
        ["rate", waits, rate] => rate::send(Waits::from_name(waits)?, rate.parse()?),
        ["queue", placement] => queue::stream(Placement::from_name(placement)?),
        _ => Err(format!("no floor is called {words:?}").into()),
    }
}
