//! The state of an import, which the modules of this folder read and change.

use super::super::options::Remark;
use super::super::source::Budget;
use super::module::Module;
use super::syntax::Source;

/// The state of the import of one file.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) module: Module,
    pub(super) budget: Budget,
    /// The classes and names of types that are being read, outermost first.
    pub(super) open: Vec<String>,
    pub(super) remarks: Vec<Remark>,
}

impl Reader<'_> {
    /// Adds a remark about the place at this offset.
    pub(super) fn remark(&mut self, at: usize, text: String) {
        let remark = Remark { place: self.source.place(at).to_string(), text };
        // A class that several fields refer to is read once for each of them.
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }
}
