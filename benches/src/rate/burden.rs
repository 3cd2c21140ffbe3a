//! A program that computes on the receiver's processor during a row.

use std::process::{Child, Command, Stdio};

use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::rows::this;

/// Computes until it is dropped.
pub struct Burden(Child);

impl Burden {
    pub fn start() -> Result<Burden, String> {
        let mut command = Command::new(this());
        command.args(["far", "burden"]).stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().map(Burden).map_err(|e| format!("starting the program that burdens a processor: {e}"))
    }
}

impl Drop for Burden {
    fn drop(&mut self) {
        // A failure means that it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `far burden`: computes in registers forever, on the far ends' processor.
pub fn burn() -> Result<()> {
    pin(Placement::Apart, End::Far)?;
    let mut state = 1u64;
    loop {
        state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}
