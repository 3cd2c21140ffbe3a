//! What is open around a place in a value, innermost last: a list that needs no memory for shallow values.

/// A list of which one end grows and shrinks; the first items lie in place.
pub(crate) struct Stack<T> {
    len: usize,
    near: [T; Stack::<()>::NEAR],
    far: Vec<T>,
}

impl Stack<()> {
    /// Most values are no deeper than this.
    const NEAR: usize = 8;
}

impl<T: Copy> Stack<T> {
    /// An empty list; places that are not in use hold `filler`.
    pub(crate) fn new(filler: T) -> Stack<T> {
        Stack { len: 0, near: [filler; Stack::NEAR], far: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        match self.near.get_mut(self.len) {
            Some(place) => *place = item,
            None => self.push_far(item),
        }
        self.len += 1;
    }

    #[cold]
    fn push_far(&mut self, item: T) {
        self.far.push(item);
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        match self.near.get(self.len) {
            Some(item) => Some(*item),
            None => self.far.pop(),
        }
    }

    #[inline]
    pub(crate) fn last(&self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        match self.near.get(last) {
            Some(item) => Some(*item),
            None => self.far.last().copied(),
        }
    }

    #[inline]
    pub(crate) fn last_mut(&mut self) -> Option<&mut T> {
        let last = self.len.checked_sub(1)?;
        match self.near.get_mut(last) {
            Some(item) => Some(item),
            None => self.far.last_mut(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_in_turn_from_places_near_and_far() {
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
