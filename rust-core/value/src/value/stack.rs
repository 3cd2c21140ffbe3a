//! A stack of small items that allocates nothing for shallow values.
//!
//! Sinks use it for the state of each open array and map, innermost last. The first 8 items are in
//! the struct itself, deeper ones in a `Vec`. The limits on depth bound its length.

/// A stack whose first items are in place.
pub(crate) struct Stack<T> {
    /// The number of items in both parts.
    len: usize,
    // The items below `INLINE`. Places from `len` on hold old items or the filler.
    inline: [T; Stack::<()>::INLINE],
    /// The items from `INLINE` on.
    spilled: Vec<T>,
}

impl Stack<()> {
    /// The number of items in place: few values are deeper.
    const INLINE: usize = 8;
}

impl<T: Copy> Stack<T> {
    /// Returns an empty stack. Unused places hold `filler`, which is never returned.
    pub(crate) fn new(filler: T) -> Stack<T> {
        Stack { len: 0, inline: [filler; Stack::INLINE], spilled: Vec::new() }
    }

    /// Returns the number of items.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no item.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an item on top.
    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        match self.inline.get_mut(self.len) {
            Some(place) => *place = item,
            None => self.push_spilled(item),
        }
        self.len += 1;
    }

    #[cold]
    fn push_spilled(&mut self, item: T) {
        self.spilled.push(item);
    }

    /// Removes and returns the item on top.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        match self.inline.get(self.len) {
            Some(item) => Some(*item),
            None => self.spilled.pop(),
        }
    }

    /// Returns a copy of the item on top.
    #[inline]
    pub(crate) fn last(&self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        match self.inline.get(last) {
            Some(item) => Some(*item),
            None => self.spilled.last().copied(),
        }
    }

    /// Returns the item on top, to be changed.
    #[inline]
    pub(crate) fn last_mut(&mut self) -> Option<&mut T> {
        let last = self.len.checked_sub(1)?;
        match self.inline.get_mut(last) {
            Some(item) => Some(item),
            None => self.spilled.last_mut(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stack_returns_items_in_reverse_order_beyond_its_inline_places() {
        let mut stack = Stack::new(0);
        for i in 0..20 {
            stack.push(i);
            if let Some(last) = stack.last_mut() {
                *last += 100;
            }
            assert_eq!((stack.len(), stack.last()), (i + 1, Some(i + 100)));
        }
        for i in (0..20).rev() {
            assert_eq!(stack.pop(), Some(i + 100));
        }
        assert_eq!((stack.pop(), stack.last(), stack.is_empty()), (None, None, true));
    }
}
