//! How far to look for the rows that make the service refuse a body.
//!
//! A body that is refused for what is in it is sent again in halves, so that the good rows arrive and only the bad ones are
//! spooled. That pays when few rows are bad. When the refusal concerns every row, as one of the rule or the stream does, it
//! would cost two requests a row: after so many refusals in a row without a body that was taken, the search is given up
//! until one is. Each search is bounded, and so are all searches of a table together.

use std::sync::atomic::{AtomicU32, Ordering};

/// More refusals in a row than halving a body down to one of its rows makes: none is about a row then.
const IN_A_ROW: u32 = 24;
/// Requests that are spent on one body at most. One bad row among a thousand takes 20, four of them 70.
const FOR_ONE_BODY: u32 = 100;
/// Requests that are spent on one table at most.
const FOR_ONE_TABLE: u32 = 2000;

/// What the searches in the bodies of one table have cost, and whether they find anything.
#[derive(Debug, Default)]
pub(super) struct Search {
    in_a_row: AtomicU32,
    spent: AtomicU32,
}

impl Search {
    /// A body was taken.
    pub(super) fn taken(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
    }

    /// A body was refused for what is in it, after `spent` requests for the pieces of the same body. Says whether to look into
    /// its halves, which is two requests more.
    pub(super) fn refused(&self, spent: u32) -> bool {
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        let goes_on = in_a_row < IN_A_ROW && spent < FOR_ONE_BODY;
        goes_on && self.spent.fetch_add(2, Ordering::Relaxed) < FOR_ONE_TABLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_finds_nothing_ends_and_one_that_does_is_bounded() {
        let futile = Search::default();
        assert_eq!((0..100).filter(|_| futile.refused(0)).count(), 23);
        futile.taken();
        assert!(futile.refused(0), "a body was taken, so the refusals are about rows after all");
        assert!(!futile.refused(FOR_ONE_BODY));

        let fruitful = Search::default();
        let go_on = |_: &u32| {
            fruitful.taken();
            fruitful.refused(0)
        };
        assert_eq!((0..5000).filter(go_on).count(), 1000);
    }
}
