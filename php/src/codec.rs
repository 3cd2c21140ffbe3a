//! The functions `Linkspan\encode`, `decode` and `transcode`, and the canonical form of a schema.

use ext_php_rs::convert::{FromZval, StubLiteral};
use ext_php_rs::flags::DataType;
use ext_php_rs::prelude::*;
use ext_php_rs::types::Zval;
use ext_php_rs::zend::BailoutGuard;
use linkspan::codec::EncodeOptions;
use linkspan::{Error, ErrorKind, Limits, Result, codec};

use crate::edge::{PhpResult, edge};
use crate::encoding::Encoding;
use crate::from_wire;
use crate::received::Message;
use crate::scalars::{AnyString, Text};
use crate::scratch;
use crate::tape::Tape;
use crate::to_wire::PhpValue;

/// An encoding argument: a case of the enum, or its value as in options; CBOR by default.
#[derive(Clone, Copy)]
pub struct Named<'a>(Option<&'a Zval>);

const CBOR: Named<'static> = Named(None);

impl Named<'_> {
    fn encoding(self) -> Result<linkspan::Encoding> {
        let Some(given) = self.0 else { return Ok(linkspan::Encoding::Cbor) };
        if let Some(name) = given.str() {
            return linkspan::Encoding::from_name(name);
        }
        let case = Encoding::from_zval(given).ok_or_else(|| {
            let text =
                "an encoding is a case of Linkspan\\Encoding or its value: 'json', 'cbor', 'bson', 'smile', 'raw'";
            Error::new(ErrorKind::WrongType, text)
        })?;
        Ok(case.into())
    }
}

impl<'a> FromZval<'a> for Named<'a> {
    const TYPE: DataType = DataType::Mixed;

    fn from_zval(zval: &'a Zval) -> Option<Self> {
        Some(Named(Some(zval.dereference())))
    }

    fn from_missing() -> Option<Self> {
        Some(CBOR)
    }
}

impl StubLiteral for Named<'_> {
    fn stub_literal(&self) -> String {
        Encoding::Cbor.stub_literal()
    }
}

#[php_function]
#[php(name = "Linkspan\\encode", defaults(encoding = CBOR))]
pub fn encode(value: &Zval, encoding: Named<'_>) -> PhpResult<Text> {
    edge(|| {
        let (encoding, how) = (encoding.encoding()?, EncodeOptions::default());
        scratch::written(
            |bytes| codec::encode_into(&PhpValue(value), encoding, &how, bytes),
            |bytes| Text::within_limit(bytes),
        )?
    })
}

#[php_function]
#[php(name = "Linkspan\\decode", defaults(encoding = CBOR))]
pub fn decode(bytes: AnyString<'_>, encoding: Named<'_>) -> PhpResult<Zval> {
    edge(|| {
        // Arrays and bytes share this copy.
        let bytes = bytes::Bytes::from(linkspan::copy_bytes(bytes.0)?);
        let tape = Tape::sharing(bytes.clone());
        from_wire::zval(codec::decode_into(&bytes, encoding.encoding()?, &Limits::default(), tape)?)
    })
}

/// Returns the schema in canonical form.
#[php_function]
#[php(name = "Linkspan\\schema")]
pub fn schema(endpoint: &str, message: Option<&Message>) -> PhpResult<Zval> {
    edge(|| {
        canonical(match message {
            Some(message) => linkspan::registry::schema_of(endpoint, &message.0)?,
            None => linkspan::registry::schema(endpoint)?,
        })
    })
}

#[php_function]
#[php(name = "Linkspan\\reply_schema")]
pub fn reply_schema(endpoint: &str) -> PhpResult<Zval> {
    edge(|| canonical(linkspan::registry::reply_schema(endpoint)?))
}

fn canonical(form: Vec<u8>) -> Result<Zval> {
    let bytes = bytes::Bytes::from(form);
    let tape = Tape::sharing(bytes.clone());
    from_wire::zval(codec::decode_into(&bytes, linkspan::Encoding::Cbor, &Limits::default(), tape)?)
}

#[php_function]
#[php(name = "Linkspan\\transcode")]
pub fn transcode(bytes: AnyString<'_>, from: Named<'_>, to: Named<'_>) -> PhpResult<Text> {
    edge(|| {
        let bytes = BailoutGuard::new(codec::transcode(bytes.0, from.encoding()?, to.encoding()?)?);
        Text::within_limit(bytes.as_slice())
    })
}

pub fn functions(module: ModuleBuilder) -> ModuleBuilder {
    module
        .function(wrap_function!(encode))
        .function(wrap_function!(decode))
        .function(wrap_function!(schema))
        .function(wrap_function!(reply_schema))
        .function(wrap_function!(transcode))
}
