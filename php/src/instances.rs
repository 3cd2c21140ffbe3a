//! Decodes messages directly into instances of generated classes, without arrays in between.

use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendClassObject, Zval};
use linkspan::value::plan::{Field, Fit, Instances, Record};
use linkspan::{Error, ErrorKind, Result};

use crate::class_plan::{self, ClassName};
use crate::classes::Numbers;
use crate::edge::{PhpResult, edge};
use crate::from_wire;
use crate::received::{Message, Request};
use crate::tape::{Node, Tape};

/// Returns null if the message does not fit: `fromWire` then throws the reason.
#[php_function]
#[php(name = "Linkspan\\decode_instance")]
pub fn decode_instance(class: ClassName<'_>, message: &Zval) -> PhpResult<Zval> {
    edge(|| {
        let object = message.object();
        let message =
            object.and_then(ZendClassObject::<Message>::from_zend_obj).map(|message| message.message());
        let request =
            object.and_then(ZendClassObject::<Request>::from_zend_obj).map(|request| request.message());
        let message = message.or(request).ok_or_else(|| {
            Error::new(ErrorKind::WrongType, "decode_instance accepts a Message or a Request")
        })?;
        let plan = class_plan::plan(class.entry()?)?;
        let fit = Fit::new(&plan.shape, Tape::sharing(message.memory().clone()));
        match message.walk_into(fit) {
            Ok(fit) => from_wire::instance(fit.into_inner(), plan),
            Err(_) => Ok(Zval::null()),
        }
    })
}

impl Instances<'_, Numbers> for Tape {
    fn begin_record(&mut self, record: &Record<Numbers>) -> Result<()> {
        self.put(Node::Record(record.class))
    }
    fn field(&mut self, _: &Field<Numbers>, at: usize) -> Result<()> {
        self.put(Node::Field(at))
    }
    fn absent(&mut self, _: &Field<Numbers>, at: usize) -> Result<()> {
        self.put(Node::Absent(at))
    }
    fn end_record(&mut self, _: &Record<Numbers>) -> Result<()> {
        self.put(Node::EndRecord)
    }
    fn member(&mut self, member: &u32) -> Result<()> {
        self.put(Node::Member(*member))
    }
    fn begin_entries(&mut self, len: usize) -> Result<()> {
        self.begin_entries(len)
    }
}

pub fn functions(module: ModuleBuilder) -> ModuleBuilder {
    module.function(wrap_function!(decode_instance))
}
