//! A list that is nearly always of one item, which needs no allocation.

use std::ops::Deref;

/// Items in the order in which they were added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Few<T> {
    /// One.
    One([T; 1]),
    /// None, or several.
    Many(Vec<T>),
}

impl<T> Few<T> {
    /// Returns an empty list.
    pub const fn new() -> Few<T> {
        Few::Many(Vec::new())
    }

    /// Appends an item.
    #[inline]
    pub fn push(&mut self, item: T) {
        match self {
            Few::Many(items) if items.capacity() == 0 => {
                // Of the list without memory in its place there is nothing to free.
                std::mem::forget(std::mem::replace(self, Few::One([item])));
            }
            _ => self.push_further(item),
        }
    }

    #[cold]
    fn push_further(&mut self, item: T) {
        match self {
            Few::Many(items) => items.push(item),
            Few::One(_) => {
                if let Few::One([first]) = std::mem::take(self) {
                    *self = Few::Many(vec![first, item]);
                }
            }
        }
    }

    /// Returns the list of what `of` returns for each of these; `None` where it returns none.
    #[inline(always)]
    pub fn try_of<S>(items: &[S], mut of: impl FnMut(&S) -> Option<T>) -> Option<Few<T>> {
        match items {
            [item] => Some(Few::One([of(item)?])),
            _ => items.iter().map(of).collect::<Option<_>>().map(Few::Many),
        }
    }

    /// Returns the list of what `of` returns for each item.
    #[inline]
    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> Few<U> {
        match self {
            Few::One([item]) => Few::One([of(item)]),
            Few::Many(items) => Few::Many(items.into_iter().map(of).collect()),
        }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Few<T> {
        Few::new()
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Few::One(item) => item,
            Few::Many(items) => items,
        }
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(items: Vec<T>) -> Few<T> {
        Few::Many(items)
    }
}

impl<T: Clone> From<&[T]> for Few<T> {
    fn from(items: &[T]) -> Few<T> {
        match items {
            [item] => Few::One([item.clone()]),
            _ => Few::Many(items.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_the_order_of_their_pushes() {
        let mut few = Few::new();
        for count in 0..6 {
            assert_eq!(few.to_vec(), (0..count).collect::<Vec<_>>());
            assert_eq!(matches!(few, Few::One(_)), count == 1);
            assert_eq!(Few::from(&*few), few);
            assert_eq!(Few::try_of(&few, |item| Some(*item)).unwrap().to_vec(), few.to_vec());
            assert_eq!(Few::try_of(&few, |item| (*item != 1).then_some(())).is_some(), count < 2);
            assert_eq!(few.clone().map(|item| item + 1).to_vec(), (1..=count).collect::<Vec<_>>());
            few.push(count);
        }
        assert_eq!(Few::from(vec![1, 2]).to_vec(), [1, 2]);
    }
}
