//! Time-outs as PHP gives them: seconds, null for ever, and `Linkspan\DEFAULT_TIMEOUT`.

use ext_php_rs::convert::{FromZval, StubLiteral};
use ext_php_rs::flags::DataType;
use ext_php_rs::types::Zval;
use linkspan::{Result, Timeout};

/// What stands for "as the object's options say, else as linkspan.timeout says": C's LINKSPAN_DEFAULT.
pub const DEFAULT_TIMEOUT: f64 = -1.0;

/// A time-out argument.
#[derive(Clone, Copy)]
pub struct Seconds(Option<f64>);

impl Seconds {
    /// What a parameter has when it is left out.
    pub const DEFAULT: Seconds = Seconds(Some(DEFAULT_TIMEOUT));

    /// For the core; `OutOfRange` for NaN and below zero.
    pub fn timeout(self) -> Result<Timeout> {
        match self.0 {
            None => Ok(Timeout::Forever),
            Some(DEFAULT_TIMEOUT) => Ok(Timeout::Default),
            Some(seconds) => Timeout::from_seconds(seconds),
        }
    }
}

impl<'a> FromZval<'a> for Seconds {
    const TYPE: DataType = DataType::Double;
    const NULLABLE: bool = true;

    fn from_zval(zval: &'a Zval) -> Option<Self> {
        if zval.dereference().is_null() {
            return Some(Seconds(None));
        }
        zval.double().or_else(|| zval.long().map(|n| n as f64)).map(|seconds| Seconds(Some(seconds)))
    }

    fn from_missing() -> Option<Self> {
        Some(Seconds::DEFAULT)
    }
}

impl StubLiteral for Seconds {
    fn stub_literal(&self) -> String {
        "\\Linkspan\\DEFAULT_TIMEOUT".to_owned()
    }
}
