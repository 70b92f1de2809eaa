//! Sets of row numbers, kept as ranges: small however many rows they hold.

use std::{collections::BTreeMap, ops::Range};

/// A set of row numbers of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Intervals(BTreeMap<u64, u64>);

impl Intervals {
    /// Adds a range; ranges that touch become one.
    pub(super) fn add(&mut self, rows: Range<u64>) {
        if rows.is_empty() {
            return;
        }
        let (mut start, mut end) = (rows.start, rows.end);
        while let Some((&from, &to)) = self.0.range(..=end).next_back().filter(|&(_, &to)| to >= start) {
            self.0.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.0.insert(start, end);
    }

    /// How many row numbers are in the set.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from).sum()
    }

    /// Whether a row number is in the set.
    pub(super) fn contains(&self, row: u64) -> bool {
        self.0.range(..=row).next_back().is_some_and(|(_, &to)| row < to)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_that_touch_become_one() {
        let mut rows = Intervals::default();
        for range in [10..20, 30..40, 20..30, 0..1] {
            rows.add(range);
        }
        assert_eq!(rows, Intervals(BTreeMap::from([(0, 1), (10, 40)])));
    }

    proptest! {
        #[test]
        fn it_is_a_set(ranges in prop::collection::vec((0u64..60, 0u64..12), 0..20)) {
            let (mut rows, mut model) = (Intervals::default(), BTreeSet::new());
            for (start, length) in ranges {
                rows.add(start..start + length);
                model.extend(start..start + length);
            }
            prop_assert_eq!(rows.count(), model.len() as u64);
            for row in 0..80 {
                prop_assert_eq!(rows.contains(row), model.contains(&row));
            }
        }
    }
}
