//! What has been dealt with: intervals of rows of parts, for one run and one destination.
//!
//! A second workspace, a rule that was made anew or a part that was read again begin at zero, because all of them belong
//! to the key. Rows are acknowledged (the service took them) or spooled (it refused them for good).

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    path::Path,
    sync::Arc,
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{interval::Intervals, lines::LinesFile};

/// What makes a part this part. Two parts of one table may be equal in content, hence the path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PartKey {
    /// Path in the bundle.
    pub(super) path: String,
    /// SHA-256 of its content.
    pub(super) sha256: String,
}

/// Consecutive rows of one part, numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) part: Arc<PartKey>,
    pub(super) rows: Range<u64>,
}

/// Where the rows of a table go, as far as it decides whether they have arrived there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Route {
    /// The run that the rows belong to.
    pub(super) run_id: String,
    /// The ingestion endpoint.
    pub(super) endpoint: String,
    /// Immutable id of the data collection rule.
    pub(super) rule: String,
    /// The stream.
    pub(super) stream: String,
}

/// What became of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fate {
    /// The service took them.
    Acknowledged,
    /// The service refused them for good; they are in the spool.
    Spooled,
}

/// A line of `ledger.jsonl`.
#[derive(Serialize, Deserialize)]
struct LedgerLine {
    #[serde(flatten)]
    route: Route,
    fate: Fate,
    parts: Vec<LedgerPart>,
}

#[derive(Serialize, Deserialize)]
struct LedgerPart {
    path: String,
    sha256: String,
    /// The first row, from 0.
    from: u64,
    /// The row after the last.
    to: u64,
}

/// The rows of one part that have been dealt with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dealt {
    acknowledged: Intervals,
    all: Intervals,
}

impl Dealt {
    pub(super) fn contains(&self, row: u64) -> bool {
        self.all.contains(row)
    }

    /// Rows that the service took.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.count()
    }

    /// Rows that it refused and never took.
    pub(super) fn spooled(&self) -> u64 {
        self.all.count() - self.acknowledged.count()
    }
}

/// The ledger of one run.
#[derive(Debug)]
pub(super) struct Ledger {
    file: LinesFile,
    dealt: BTreeMap<Route, HashMap<PartKey, Dealt>>,
}

impl Ledger {
    /// Opens the ledger, or begins one. Only what concerns `run_id` is kept in memory.
    pub(super) fn open(path: &Path, run_id: &str) -> anyhow::Result<Self> {
        let mut ledger = Self { file: LinesFile::open(path)?, dealt: BTreeMap::new() };
        let mut lines = Vec::new();
        ledger.file.read(&mut |number, text| {
            let line: LedgerLine =
                serde_json::from_slice(text).with_context(|| format!("{} line {number} is damaged", path.display()))?;
            if line.route.run_id == run_id {
                lines.push(line);
            }
            Ok(())
        })?;
        for line in lines {
            for part in line.parts {
                let key = PartKey { path: part.path, sha256: part.sha256 };
                ledger.note(&line.route, key, part.from..part.to, line.fate);
            }
        }
        Ok(ledger)
    }

    /// Records what became of rows.
    pub(super) fn record(&mut self, route: &Route, segments: &[Segment], fate: Fate) -> anyhow::Result<()> {
        let part = |segment: &Segment| LedgerPart {
            path: segment.part.path.clone(),
            sha256: segment.part.sha256.clone(),
            from: segment.rows.start,
            to: segment.rows.end,
        };
        let line = LedgerLine { route: route.clone(), fate, parts: segments.iter().map(part).collect() };
        self.file.append(&[line])?;
        for segment in segments {
            self.note(route, (*segment.part).clone(), segment.rows.clone(), fate);
        }
        Ok(())
    }

    /// The rows of a part that have been dealt with on a route.
    pub(super) fn dealt(&self, route: &Route, part: &PartKey) -> Dealt {
        self.dealt.get(route).and_then(|parts| parts.get(part)).cloned().unwrap_or_default()
    }

    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.file.sync()
    }

    fn note(&mut self, route: &Route, part: PartKey, rows: Range<u64>, fate: Fate) {
        let dealt = self.dealt.entry(route.clone()).or_default().entry(part).or_default();
        if fate == Fate::Acknowledged {
            dealt.acknowledged.add(rows.clone());
        }
        dealt.all.add(rows);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn route(run_id: &str, rule: &str) -> Route {
        Route { run_id: run_id.into(), endpoint: "https://e".into(), rule: rule.into(), stream: "Custom-t_CL".into() }
    }

    #[test]
    fn only_the_same_part_on_the_same_route_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let part = |path: &str, sha256: &str| PartKey { path: path.into(), sha256: sha256.into() };
        let one = Arc::new(part("a", "1"));
        let rows = |rows| [Segment { part: Arc::clone(&one), rows }];
        let mut ledger = Ledger::open(&path, "run").unwrap();
        ledger.record(&route("run", "dcr-1"), &rows(0..10), Fate::Acknowledged).unwrap();
        ledger.record(&route("run", "dcr-1"), &rows(10..12), Fate::Spooled).unwrap();
        let again = Ledger::open(&path, "run").unwrap();
        for ledger in [&ledger, &again] {
            let dealt = ledger.dealt(&route("run", "dcr-1"), &one);
            assert_eq!((dealt.acknowledged(), dealt.spooled()), (10, 2));
            assert!(dealt.contains(11) && !dealt.contains(12));
            assert_eq!(ledger.dealt(&route("run", "dcr-2"), &one), Dealt::default());
            assert_eq!(ledger.dealt(&route("other", "dcr-1"), &one), Dealt::default());
            assert_eq!(ledger.dealt(&route("run", "dcr-1"), &part("a", "2")), Dealt::default());
            assert_eq!(ledger.dealt(&route("run", "dcr-1"), &part("b", "1")), Dealt::default());
        }
    }

    #[test]
    fn a_damaged_line_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        fs_err::write(&path, "{}\n").unwrap();
        let message = format!("{:#}", Ledger::open(&path, "run").unwrap_err());
        assert!(message.contains("ledger.jsonl line 1 is damaged"), "{message}");
    }
}
