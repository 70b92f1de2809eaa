//! What the demonstration came to: whether everything that was collected arrived, whether the findings are there, and whether
//! only that is missing which the recording withholds. Decides; reads only the bundle.

use std::{collections::BTreeMap, io::BufRead as _};

use serde::Serialize;

use super::scenario::{self, Finding};
use crate::{
    bundle::{Bundle, Verification},
    collect::Collected,
    upload,
};

/// The documented output of `demo -o json`.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The bundle's folder.
    pub bundle: String,
    /// As `collect -o json`.
    pub collect: Collected,
    /// As `verify -o json`.
    pub verify: Verification,
    /// What was found suspicious.
    pub findings: Vec<Found>,
    /// As `upload -o json`.
    pub upload: upload::Summary,
    /// Rows that arrived, by table.
    pub arrived: BTreeMap<String, usize>,
    /// What is not as it should be; empty when all is well.
    pub problems: Vec<String>,
}

/// A finding, and whether a row shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The table of the row.
    pub table: &'static str,
    /// One sentence.
    pub finding: &'static str,
    /// Whether a row of the bundle shows it.
    pub shown: bool,
}

/// The findings of the recording, looked up in a bundle.
///
/// # Errors
/// A file of the bundle cannot be read.
pub fn findings(bundle: &Bundle) -> anyhow::Result<Vec<Found>> {
    let found = |finding: &Finding| {
        let shown = is_shown(bundle, finding)?;
        Ok(Found { table: finding.table, finding: finding.words, shown })
    };
    scenario::story().iter().map(found).collect()
}

fn is_shown(bundle: &Bundle, finding: &Finding) -> anyhow::Result<bool> {
    for part in bundle.parts(finding.table) {
        for line in bundle.read_part(part)?.lines() {
            if finding.is_shown_by(finding.table, &serde_json::from_str(&line?)?) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

impl Summary {
    /// What is not as it should be, one line each.
    pub fn check(&self, losses: &BTreeMap<String, BTreeMap<String, usize>>) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.verify.ok {
            problems.push("the bundle does not verify".to_owned());
        }
        for (table, sum) in &self.collect.tables {
            let arrived = self.arrived.get(table).copied().unwrap_or_default();
            if u64::try_from(arrived).ok() != Some(sum.rows) {
                problems.push(format!("{table}: {} rows were collected and {arrived} arrived", sum.rows));
            }
        }
        problems.extend(losses.keys().map(|table| format!("{table}: columns were lost on the way")));
        problems.extend(self.unscripted_gaps());
        let unseen = self.findings.iter().filter(|found| !found.shown);
        problems.extend(unseen.map(|found| format!("not found: {}", found.finding)));
        problems
    }

    fn unscripted_gaps(&self) -> Vec<String> {
        let scripted = scenario::expected_gaps();
        let is = |gap: &crate::bundle::GapEntry, wanted: &scenario::ExpectedGap| {
            wanted.is(&gap.source, &gap.object, gap.state)
        };
        let unscripted =
            |gap: &&crate::bundle::GapEntry| gap.state.is_gap() && !scripted.iter().any(|wanted| is(gap, wanted));
        let unexpected = self.collect.gaps.iter().filter(unscripted);
        let missed = scripted.iter().filter(|wanted| !self.collect.gaps.iter().any(|gap| is(gap, wanted)));
        unexpected
            .map(|gap| format!("an unscripted gap: {} {}: {}", gap.source, gap.object, gap.reason))
            .chain(
                missed
                    .map(|wanted| format!("a scripted gap is missing: {} {}", wanted.source, wanted.object.join("/"))),
            )
            .collect()
    }
}
