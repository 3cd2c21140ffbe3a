//! Sets of numbers as inclusive ranges. The numbers of messages and parts go up to 2^64-1.

use std::collections::BTreeMap;

/// A set of numbers, as ranges that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// The last number of each range, by its first one.
    by_first: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.by_first.is_empty()
    }

    /// Returns the number of ranges.
    pub fn len(&self) -> usize {
        self.by_first.len()
    }

    /// Returns the ranges in order, each with its first and last number.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.by_first.iter().map(|(first, last)| (*first, *last))
    }

    /// Returns the smallest number.
    pub fn first(&self) -> Option<u64> {
        self.by_first.first_key_value().map(|(first, _)| *first)
    }

    /// Returns the largest number.
    pub fn last(&self) -> Option<u64> {
        self.by_first.last_key_value().map(|(_, last)| *last)
    }

    /// Returns whether the set has all numbers from `first` to `last`.
    pub fn has(&self, first: u64, last: u64) -> bool {
        self.until(first).is_some_and(|(_, end)| last <= end)
    }

    /// The last range that begins at or before this number.
    fn until(&self, number: u64) -> Option<(u64, u64)> {
        self.by_first.range(..=number).next_back().map(|(first, last)| (*first, *last))
    }

    /// Adds the numbers from `first` to `last`.
    pub fn add(&mut self, mut first: u64, mut last: u64) {
        if first > last || self.has(first, last) {
            return;
        }
        // Overlapping and adjacent ranges are merged.
        while let Some((begin, end)) = self.until(last.saturating_add(1))
            && end.saturating_add(1) >= first
        {
            self.by_first.remove(&begin);
            (first, last) = (first.min(begin), last.max(end));
        }
        self.by_first.insert(first, last);
    }

    /// Adds the numbers of another set.
    pub fn join(&mut self, other: &Ranges) {
        other.iter().for_each(|(first, last)| self.add(first, last));
    }

    /// Removes the numbers from `first` to `last`.
    pub fn remove(&mut self, first: u64, last: u64) {
        while let Some((begin, end)) = self.until(last)
            && end >= first
            && first <= last
        {
            self.by_first.remove(&begin);
            if let Some(behind) = last.checked_add(1).filter(|behind| *behind <= end) {
                self.by_first.insert(behind, end);
            }
            if let Some(before) = first.checked_sub(1).filter(|before| begin <= *before) {
                self.by_first.insert(begin, before);
            }
        }
    }

    /// Returns the first range between `first` and `last` that is here but not in `other`.
    pub fn first_without(&self, other: &Ranges, mut first: u64, last: u64) -> Option<(u64, u64)> {
        while first <= last {
            let (begin, end) = match self.until(first) {
                Some((_, end)) if end >= first => (first, end),
                _ => self.by_first.range(first..=last).next().map(|(begin, end)| (*begin, *end))?,
            };
            let end = end.min(last);
            match other.until(begin) {
                Some((_, until)) if until >= begin => first = until.checked_add(1)?,
                _ => {
                    let next = other.by_first.range(begin..=end).next();
                    return Some((begin, next.map_or(end, |(next, _)| next.saturating_sub(1))));
                }
            }
        }
        None
    }
}

impl std::fmt::Display for Ranges {
    /// Writes a form such as `1-3,7`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (first, last)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Numbers at both ends of the value range, which the model holds individually.
    const FEW: u64 = 24;
    const BEHIND: u64 = u64::MAX - FEW;

    fn all() -> impl Iterator<Item = u64> {
        (0..=FEW).chain(BEHIND..=u64::MAX)
    }

    fn ranges_of(model: &BTreeSet<u64>) -> Vec<(u64, u64)> {
        let mut found: Vec<(u64, u64)> = Vec::new();
        for number in model {
            match found.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
                _ => found.push((*number, *number)),
            }
        }
        found
    }

    #[test]
    fn ranges_have_what_sets_have_in_any_history() {
        let mut below = crate::chance_tests::below();
        for _ in 0..60 {
            let mut sets = [Ranges::default(), Ranges::default()];
            let mut models = [BTreeSet::new(), BTreeSet::new()];
            for _ in 0..40 {
                let begin = if below(2) == 0 { 0 } else { BEHIND };
                let (one, other) = (begin + below(FEW + 1), begin + below(FEW + 1));
                // Ranges that end before they begin are empty.
                let (first, last) = if below(8) == 0 {
                    (one.max(other), one.min(other))
                } else {
                    (one.min(other), one.max(other))
                };
                let at = usize::from(below(2) == 1);
                match below(5) {
                    0..=2 => {
                        sets[at].add(first, last);
                        models[at].extend(all().filter(|number| first <= *number && *number <= last));
                    }
                    3 => {
                        sets[at].remove(first, last);
                        models[at].retain(|number| *number < first || last < *number);
                    }
                    _ => {
                        let from = sets[1 - at].clone();
                        sets[at].join(&from);
                        let from = models[1 - at].clone();
                        models[at].extend(from);
                    }
                }
                for (set, model) in sets.iter().zip(&models) {
                    assert_eq!(Vec::from_iter(set.iter()), ranges_of(model));
                    assert_eq!((set.first(), set.last()), (model.first().copied(), model.last().copied()));
                    assert_eq!((set.is_empty(), set.len()), (model.is_empty(), ranges_of(model).len()));
                    assert!(all().all(|number| set.has(number, number) == model.contains(&number)));
                    if first <= last {
                        assert_eq!(
                            set.has(first, last),
                            (first..=last).all(|number| model.contains(&number))
                        );
                    }
                }
                let alone: BTreeSet<u64> = models[at].difference(&models[1 - at]).copied().collect();
                let alone = BTreeSet::from_iter(
                    alone.into_iter().filter(|number| first <= *number && *number <= last),
                );
                let found = sets[at].first_without(&sets[1 - at], first, last);
                assert_eq!(found, ranges_of(&alone).first().copied());
            }
        }
    }

    #[test]
    fn all_numbers_are_one_range() {
        let mut ranges = Ranges::default();
        ranges.add(0, u64::MAX);
        assert!(ranges.has(0, u64::MAX) && ranges.len() == 1);
        ranges.remove(7, u64::MAX - 1);
        assert_eq!(ranges.to_string(), format!("0-6,{}", u64::MAX));
        ranges.add(7, u64::MAX - 1);
        assert_eq!(Vec::from_iter(ranges.iter()), [(0, u64::MAX)]);
        assert_eq!(ranges.first_without(&ranges, 0, u64::MAX), None);
        assert_eq!(ranges.first_without(&Ranges::default(), 5, u64::MAX), Some((5, u64::MAX)));
        ranges.remove(0, u64::MAX);
        assert_eq!((ranges.first(), ranges.to_string()), (None, String::new()));
    }
}
