//! What is read next: the most urgent first, so many at once overall and so many on each node, whose kubelet serves them all.
//! Pure: knows nothing of what a job is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How urgent a job is, then when it was added.
type Order<R> = (R, u64);

/// Jobs that wait, and how many run where.
pub(super) struct Schedule<R, T> {
    overall: usize,
    per_node: usize,
    running: usize,
    added: u64,
    nodes: HashMap<String, Lane<R, T>>,
    /// The first job of every node that has room for it.
    ready: BTreeSet<(Order<R>, String)>,
}

struct Lane<R, T> {
    waiting: BTreeMap<Order<R>, T>,
    running: usize,
}

impl<R, T> Default for Lane<R, T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), running: 0 }
    }
}

impl<R: Ord + Copy, T> Schedule<R, T> {
    /// An empty schedule with its two bounds.
    pub(super) fn new(overall: usize, per_node: usize) -> Self {
        Self { overall, per_node, running: 0, added: 0, nodes: HashMap::new(), ready: BTreeSet::new() }
    }

    /// Adds a job on a node. A lower rank comes first; equals come in the order in which they were added.
    pub(super) fn push(&mut self, node: &str, rank: R, job: T) {
        self.added += 1;
        let order = (rank, self.added);
        self.change(node, |lane| drop(lane.waiting.insert(order, job)));
    }

    /// The next job and its node, if there is one and room for it; it counts as running until [`Self::ended`].
    pub(super) fn next(&mut self) -> Option<(String, T)> {
        if self.running >= self.overall {
            return None;
        }
        let (order, node) = self.ready.first().cloned()?;
        let mut job = None;
        self.change(&node, |lane| {
            job = lane.waiting.remove(&order);
            lane.running += 1;
        });
        self.running += 1;
        job.map(|job| (node, job))
    }

    /// Makes the waiting jobs of a node that match more urgent, if they are less so.
    pub(super) fn hurry(&mut self, node: &str, matches: impl Fn(&T) -> bool, rank: R) {
        self.change(node, |lane| {
            let later = lane.waiting.iter().filter(|((at, _), job)| *at > rank && matches(job));
            for order in later.map(|(order, _)| *order).collect::<Vec<_>>() {
                if let Some(job) = lane.waiting.remove(&order) {
                    lane.waiting.insert((rank, order.1), job);
                }
            }
        });
    }

    /// Takes every job that waits on a node.
    pub(super) fn take_all(&mut self, node: &str) -> Vec<T> {
        let mut taken = BTreeMap::new();
        self.change(node, |lane| std::mem::swap(&mut taken, &mut lane.waiting));
        taken.into_values().collect()
    }

    /// Every job that waits, in no particular order.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &T> {
        self.nodes.values().flat_map(|lane| lane.waiting.values())
    }

    /// A job of this node has ended.
    pub(super) fn ended(&mut self, node: &str) {
        self.running = self.running.saturating_sub(1);
        self.change(node, |lane| lane.running = lane.running.saturating_sub(1));
    }

    /// Whether nothing waits and nothing runs.
    pub(super) fn is_idle(&self) -> bool {
        self.running == 0 && self.ready.is_empty() && self.nodes.is_empty()
    }

    /// Changes a lane and keeps `ready` in step with it.
    fn change(&mut self, node: &str, change: impl FnOnce(&mut Lane<R, T>)) {
        let lane = self.nodes.entry(node.to_owned()).or_default();
        let head = |lane: &Lane<R, T>| lane.waiting.keys().next().copied();
        if let Some(before) = head(lane) {
            self.ready.remove(&(before, node.to_owned()));
        }
        change(lane);
        match head(lane) {
            Some(order) if lane.running < self.per_node => drop(self.ready.insert((order, node.to_owned()))),
            None if lane.running == 0 => drop(self.nodes.remove(node)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(schedule: &mut Schedule<u8, &'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| schedule.next().map(|(_, job)| job)).collect()
    }

    #[test]
    fn the_urgent_come_first_and_a_node_is_never_asked_too_much_at_once() {
        let mut schedule = Schedule::new(3, 2);
        for (node, rank, job) in [("a", 2, "a2"), ("a", 1, "a1"), ("a", 2, "a3"), ("b", 2, "b"), ("c", 0, "c")] {
            schedule.push(node, rank, job);
        }
        assert_eq!(taken(&mut schedule), ["c", "a1", "a2"], "three overall");
        schedule.ended("c");
        assert_eq!(taken(&mut schedule), ["b"], "two on a, so a3 waits although it was there earlier");
        schedule.push("a", 2, "a0");
        schedule.hurry("a", |job| *job == "a0", 0);
        schedule.ended("a");
        assert_eq!(taken(&mut schedule), ["a0"], "what was added later may be more urgent");
        for node in ["a", "b"] {
            schedule.ended(node);
        }
        assert_eq!(taken(&mut schedule), ["a3"]);
        assert!(!schedule.is_idle());
        schedule.push("a", 1, "a4");
        assert_eq!(schedule.take_all("a"), ["a4"]);
        schedule.ended("a");
        schedule.ended("a");
        assert!(schedule.is_idle());
    }
}
