//! A queue with fixed places for its items: items are written into a place and never move.
//!
//! It holds the messages kept for replay. A `VecDeque` would move each message twice.

use alloc::vec::Vec;

/// The queue. Unused places have the values that [`Reuse::release`] left in them.
#[derive(Clone, Debug)]
pub struct Places<T> {
    places: Vec<T>,
    /// Counts removed items: the low bits are the place of the first item.
    first: usize,
    count: usize,
}

/// An item whose place is used again.
pub trait Reuse: Default {
    /// Releases memory that the item shares with others.
    ///
    /// Other fields may keep their values, because the next user writes each field.
    fn release(&mut self);
}

impl Reuse for u64 {
    fn release(&mut self) {}
}

impl<T: Reuse> Default for Places<T> {
    fn default() -> Places<T> {
        Places::new()
    }
}

impl<T: Reuse> Places<T> {
    const FEW: usize = 4;

    /// Returns an empty queue, without memory.
    pub fn new() -> Places<T> {
        Places { places: Vec::new(), first: 0, count: 0 }
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns whether the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the index of the place of the item with `behind` items before it.
    ///
    /// Without places it is out of bounds.
    fn index(&self, behind: usize) -> usize {
        self.first.wrapping_add(behind) & self.places.len().wrapping_sub(1)
    }

    /// Returns the item with `behind` items before it.
    pub fn get(&self, behind: usize) -> Option<&T> {
        if behind < self.count { self.places.get(self.index(behind)) } else { None }
    }

    /// Returns the first item.
    pub fn front(&self) -> Option<&T> {
        self.get(0)
    }

    /// Returns the last item.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        let index = self.index(self.count.checked_sub(1)?);
        self.places.get_mut(index)
    }

    /// Returns the items in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        (0..self.count).filter_map(|behind| self.get(behind))
    }

    /// Returns the number of items before the first whose `is_before` is false.
    ///
    /// It must be false for all later items.
    pub fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(&is_before) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Adds an item at the end and returns its place. The caller writes each field.
    #[inline(always)]
    pub fn push(&mut self) -> &mut T {
        if self.count >= self.places.len() {
            self.grow();
        }
        let index = self.index(self.count);
        self.count += 1;
        &mut self.places[index]
    }

    /// Adds an item with `behind` items before it.
    pub fn insert(&mut self, behind: usize, item: T) {
        *self.push() = item;
        for later in (behind + 1..self.count).rev() {
            let (from, to) = (self.index(later), self.index(later - 1));
            self.places.swap(from, to);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let first = self.index(0);
        if let Some(places) = self.places.get_mut(..) {
            places.rotate_left(first.min(places.len()));
        }
        self.first = 0;
        self.places.resize_with((self.places.len() * 2).max(Self::FEW), T::default);
    }

    /// Removes items from the front, up to the first whose `is_done` is false.
    #[inline]
    pub fn pop_while(&mut self, mut is_done: impl FnMut(&T) -> bool) {
        while self.count > 0 {
            let index = self.index(0);
            let place = &mut self.places[index];
            if !is_done(place) {
                return;
            }
            place.release();
            (self.first, self.count) = (self.first.wrapping_add(1), self.count - 1);
        }
    }

    /// Removes the items whose `stays` is false.
    pub fn retain(&mut self, mut stays: impl FnMut(&T) -> bool) {
        let mut kept = 0;
        for behind in 0..self.count {
            let from = self.index(behind);
            if stays(&self.places[from]) {
                let to = self.index(kept);
                self.places.swap(to, from);
                kept += 1;
            } else {
                self.places[from].release();
            }
        }
        self.count = kept;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    impl<T> Reuse for (u32, Option<T>) {
        fn release(&mut self) {
            self.1 = None;
        }
    }

    impl Reuse for &str {
        fn release(&mut self) {
            *self = "released";
        }
    }

    impl Reuse for u8 {
        fn release(&mut self) {
            *self = 0;
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push,
        Pop(usize),
        Retain(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => Just(Step::Push),
            2 => (0..5usize).prop_map(Step::Pop),
            1 => (2..5u32).prop_map(Step::Retain),
        ]
    }

    #[test]
    fn inserted_item_has_those_before_it() {
        for first in 0..6_u64 {
            for behind in 0..=4 {
                let mut places = Places::new();
                (0..first).for_each(|number| *places.push() = number);
                places.pop_while(|_| true);
                (0..4_u64).for_each(|number| *places.push() = 10 * number);
                places.insert(behind, 7);
                let mut expected = vec![0, 10, 20, 30];
                expected.insert(behind, 7);
                assert!(places.iter().eq(&expected), "{first} {behind}");
            }
        }
    }

    proptest! {
        /// Compares with the standard library's queue, and counts references to find unreleased items.
        #[test]
        fn places_equal_a_queue_and_release_removed_items(steps in prop::collection::vec(step(), 1..100)) {
            let alive = std::rc::Rc::new(());
            let (mut places, mut queue) = (Places::new(), VecDeque::new());
            for (number, step) in (1..).zip(steps) {
                match step {
                    Step::Push => {
                        *places.push() = (number, Some(alive.clone()));
                        queue.push_back(number);
                    }
                    Step::Pop(count) => {
                        let end = queue.get(count).copied().unwrap_or(u32::MAX);
                        places.pop_while(|(number, _)| *number < end);
                        queue.drain(..count.min(queue.len()));
                    }
                    Step::Retain(by) => {
                        places.retain(|(number, _)| number % by != 0);
                        queue.retain(|number| number % by != 0);
                    }
                }
                prop_assert!(places.iter().map(|(number, _)| number).eq(queue.iter()));
                prop_assert!(places.iter().rev().map(|(number, _)| number).eq(queue.iter().rev()));
                prop_assert_eq!(places.front().map(|(number, _)| number), queue.front());
                prop_assert_eq!((places.len(), places.is_empty()), (queue.len(), queue.is_empty()));
                prop_assert!(places.get(queue.len()).is_none());
                prop_assert_eq!(std::rc::Rc::strong_count(&alive), queue.len() + 1);
                let middle = number / 2;
                prop_assert_eq!(
                    places.partition_point(|(number, _)| *number < middle),
                    queue.partition_point(|number| *number < middle)
                );
            }
        }
    }
}
