//! A table of the names of fields, which generated code passes.

use std::ffi::c_char;

use linkspan::Result;

use crate::argument::block;

/// A rule of `linkspan_reader_get_field` for a name: the field is required.
pub const LINKSPAN_REQUIRED: i32 = -1;
/// A rule of `linkspan_reader_get_field` for a name: the field is optional.
pub const LINKSPAN_OPTIONAL: i32 = -2;

/// Names of fields, each padded to the same width with NUL or blanks.
pub(super) struct Names<'a> {
    bytes: &'a [u8],
    width: usize,
}

impl<'a> Names<'a> {
    /// # Safety
    /// `names` points to `count` times `width` bytes.
    pub(super) unsafe fn of(names: *const c_char, width: usize, count: usize) -> Result<Names<'a>> {
        // SAFETY: as the caller promises.
        let bytes = unsafe { block(names.cast(), width.saturating_mul(count), "the names") }?;
        Ok(Names { bytes, width: width.max(1) })
    }

    #[inline]
    pub(super) fn get(&self, position: usize) -> Option<&'a [u8]> {
        let place = self.bytes.get(position * self.width..(position + 1) * self.width)?;
        let end = place.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(place.len());
        Some(&place[..end])
    }

    #[inline]
    pub(super) fn is(&self, position: usize, name: &[u8]) -> bool {
        let at = position * self.width;
        let Some(place) = self.bytes.get(at..at + self.width) else { return false };
        place.starts_with(name) && matches!(place.get(name.len()), None | Some(0 | b' '))
    }

    pub(super) fn position(&self, name: &[u8]) -> Option<usize> {
        (0..self.bytes.len() / self.width).find(|position| self.is(*position, name))
    }

    pub(super) fn text(&self, position: usize) -> String {
        String::from_utf8_lossy(self.get(position).unwrap_or_default()).into_owned()
    }

    pub(super) fn list(&self) -> String {
        let count = self.bytes.len() / self.width;
        (0..count).map(|position| self.text(position)).collect::<Vec<_>>().join(", ")
    }
}
