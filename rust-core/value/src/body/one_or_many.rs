//! A list that nearly always has one item, and then does not allocate.

use std::ops::Deref;

/// Items in the order of their addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OneOrMany<T> {
    /// One item, stored in the list itself.
    One([T; 1]),
    /// No item, or several.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// Returns an empty list.
    pub const fn new() -> OneOrMany<T> {
        OneOrMany::Many(Vec::new())
    }

    /// Appends an item.
    pub fn push(&mut self, item: T) {
        match self {
            OneOrMany::Many(items) if items.capacity() == 0 => {
                // The replaced value is an empty list, so forgetting it leaks nothing.
                std::mem::forget(std::mem::replace(self, OneOrMany::One([item])));
            }
            _ => self.push_further(item),
        }
    }

    #[cold]
    fn push_further(&mut self, item: T) {
        match self {
            OneOrMany::Many(items) => items.push(item),
            OneOrMany::One(_) => {
                if let OneOrMany::One([first]) = std::mem::take(self) {
                    *self = OneOrMany::Many(vec![first, item]);
                }
            }
        }
    }

    /// Returns the list of the results of `of`; `None` if `of` returns `None` for an item.
    #[inline]
    pub fn try_of<S>(items: &[S], mut of: impl FnMut(&S) -> Option<T>) -> Option<OneOrMany<T>> {
        match items {
            [item] => Some(OneOrMany::One([of(item)?])),
            _ => items.iter().map(of).collect::<Option<_>>().map(OneOrMany::Many),
        }
    }

    /// Returns the list of the results of `of`.
    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> OneOrMany<U> {
        match self {
            OneOrMany::One([item]) => OneOrMany::One([of(item)]),
            OneOrMany::Many(items) => OneOrMany::Many(items.into_iter().map(of).collect()),
        }
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> OneOrMany<T> {
        OneOrMany::new()
    }
}

impl<T> Deref for OneOrMany<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            OneOrMany::One(item) => item,
            OneOrMany::Many(items) => items,
        }
    }
}

impl<T> From<Vec<T>> for OneOrMany<T> {
    fn from(items: Vec<T>) -> OneOrMany<T> {
        OneOrMany::Many(items)
    }
}

impl<T: Clone> From<&[T]> for OneOrMany<T> {
    fn from(items: &[T]) -> OneOrMany<T> {
        match items {
            [item] => OneOrMany::One([item.clone()]),
            _ => OneOrMany::Many(items.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_the_order_of_their_pushes() {
        let mut list = OneOrMany::new();
        for count in 0..6 {
            assert_eq!(list.to_vec(), (0..count).collect::<Vec<_>>());
            assert_eq!(matches!(list, OneOrMany::One(_)), count == 1);
            assert_eq!(OneOrMany::from(&*list), list);
            assert_eq!(OneOrMany::try_of(&list, |item| Some(*item)).unwrap().to_vec(), list.to_vec());
            assert_eq!(OneOrMany::try_of(&list, |item| (*item != 1).then_some(())).is_some(), count < 2);
            assert_eq!(list.clone().map(|item| item + 1).to_vec(), (1..=count).collect::<Vec<_>>());
            list.push(count);
        }
        assert_eq!(OneOrMany::from(vec![1, 2]).to_vec(), [1, 2]);
    }
}
