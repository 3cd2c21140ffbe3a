//! The state of an import, shared by the modules of this folder.

use super::super::options::Remark;
use super::super::source::Budget;
use super::module::Module;
use super::syntax::Source;

pub(super) struct Reader<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) module: Module,
    pub(super) budget: Budget,
    /// The classes and type names being read, outermost first.
    pub(super) open: Vec<String>,
    pub(super) remarks: Vec<Remark>,
}

impl Reader<'_> {
    pub(super) fn remark(&mut self, at: usize, text: String) {
        let remark = Remark { place: self.source.place(at).to_string(), text };
        // A class is read again for each field that refers to it.
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }
}
