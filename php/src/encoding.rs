//! `Linkspan\Encoding`: the enum that names the encodings.

use ext_php_rs::convert::StubLiteral;
use ext_php_rs::prelude::*;

/// `Linkspan\Encoding`.
#[php_enum]
#[php(name = "Linkspan\\Encoding")]
#[derive(Clone, Copy)]
pub enum Encoding {
    #[php(value = "raw")]
    Raw,
    #[php(value = "json")]
    Json,
    #[php(value = "cbor")]
    Cbor,
    #[php(value = "bson")]
    Bson,
    #[php(value = "smile")]
    Smile,
}

impl From<Encoding> for linkspan::Encoding {
    fn from(encoding: Encoding) -> linkspan::Encoding {
        match encoding {
            Encoding::Raw => linkspan::Encoding::Raw,
            Encoding::Json => linkspan::Encoding::Json,
            Encoding::Cbor => linkspan::Encoding::Cbor,
            Encoding::Bson => linkspan::Encoding::Bson,
            Encoding::Smile => linkspan::Encoding::Smile,
        }
    }
}

impl From<linkspan::Encoding> for Encoding {
    fn from(encoding: linkspan::Encoding) -> Encoding {
        match encoding {
            linkspan::Encoding::Raw => Encoding::Raw,
            linkspan::Encoding::Json => Encoding::Json,
            linkspan::Encoding::Cbor => Encoding::Cbor,
            linkspan::Encoding::Bson => Encoding::Bson,
            linkspan::Encoding::Smile => Encoding::Smile,
        }
    }
}

impl StubLiteral for Encoding {
    fn stub_literal(&self) -> String {
        use ext_php_rs::enum_::RegisteredEnum;
        format!("\\Linkspan\\Encoding::{}", self.to_name())
    }
}
