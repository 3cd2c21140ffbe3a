//! Packed records by generated code, compared with a copy of the struct. Rows in other languages use the same
//! records.

use std::hint::black_box;

use linkspan::Timestamp;

use super::codec::alone;
use super::imu_sample::ImuSample;
use super::motor_state::{MotorState, MotorStateMode};
use crate::Result;

/// Ten fields, with a truth value and an enum to check.
fn state() -> MotorState {
    MotorState {
        on: true,
        at: Timestamp(1_251_082_000_250_000_000),
        mode: MotorStateMode::Fast,
        speed: 49.5,
        current: 3.25,
        voltage: 230.5,
        torque: 14.75,
        angle: 0.5,
        turns: 98_765,
        errors: 2,
    }
}

fn sample() -> ImuSample {
    ImuSample {
        at: Timestamp(1_251_082_000_250_000_000),
        x: 0.25,
        y: -0.5,
        z: 9.75,
        roll: 0.125,
        pitch: -0.25,
        yaw: 1.5,
        temperature: 21.5,
        sequence: 98_765,
        status: 3,
    }
}

/// Bytes at an address unknown to the compiler. As in the floor, their length needs no check.
fn block<const N: usize>(bytes: &[u8; N]) -> &[u8; N] {
    black_box(bytes)
}

pub fn pack() -> Result<()> {
    let state = state();
    alone(|| {
        black_box(black_box(&state).pack());
        Ok(())
    })
}

pub fn unpack() -> Result<()> {
    let bytes = state().pack();
    alone(|| {
        black_box(MotorState::unpack(block(&bytes))?);
        Ok(())
    })
}

/// The floor of both.
pub fn copy() -> Result<()> {
    let state = state();
    alone(|| {
        black_box(*black_box(&state));
        Ok(())
    })
}

pub fn unpack_numbers() -> Result<()> {
    let bytes = sample().pack();
    alone(|| {
        black_box(ImuSample::unpack(block(&bytes))?);
        Ok(())
    })
}

pub fn copy_numbers() -> Result<()> {
    let sample = sample();
    alone(|| {
        black_box(*black_box(&sample));
        Ok(())
    })
}
