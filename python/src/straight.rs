//! Events into instances of generated classes by their plan, without a dict between.

use linkspan::Result;
use linkspan::value::plan::{self, Instances};
use pyo3::prelude::*;

use crate::builder::{Builder, Open, unbalanced};
use crate::class_plan::{PyHandles, Record};

type Field = plan::Field<PyHandles>;

impl Instances<'_, PyHandles> for Builder<'_> {
    fn begin_record(&mut self, record: &Record) -> Result<()> {
        let instance = self.made(record.class.instance(self.py()))?;
        self.open(Open::Instance { instance, slot: None })
    }
    fn field(&mut self, field: &Field, _: usize) -> Result<()> {
        let Some(Open::Instance { slot, .. }) = self.innermost() else { return Err(unbalanced()) };
        *slot = Some(field.handle.slot.place());
        Ok(())
    }
    fn absent(&mut self, field: &Field, at: usize) -> Result<()> {
        let value = self.made(field.handle.default.value(self.py()))?;
        self.field(field, at)?;
        self.put(value)
    }
    fn end_record(&mut self, _: &Record) -> Result<()> {
        let Some(Open::Instance { instance, .. }) = self.close() else { return Err(unbalanced()) };
        self.put(instance)
    }
    fn member(&mut self, member: &Py<PyAny>) -> Result<()> {
        self.put(member.bind(self.py()).clone())
    }
}
