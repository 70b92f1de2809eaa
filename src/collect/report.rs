//! The end of a collection: the run and its gaps become rows themselves, then the bundle is sealed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::Collector;
use crate::{
    bundle::{GapEntry, Outcome, SealStatus, Unit},
    evidence::run_report,
};

/// What a collection came to. Its JSON is the documented output of `collect -o json`.
#[derive(Clone, Debug, Serialize)]
pub struct Collected {
    /// The bundle's folder.
    pub bundle: String,
    /// ULID of the run.
    pub run_id: String,
    /// `complete`, `gaps` or `interrupted`.
    pub status: SealStatus,
    /// Rows and parts by table.
    pub tables: BTreeMap<String, TableSum>,
    /// What is missing, and what is to be noted.
    pub gaps: Vec<GapEntry>,
    /// SHA-256 of the sealed manifest.
    pub manifest_sha256: String,
    /// Requests that this process sent to the cluster.
    pub requests: u64,
}

/// Sums of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TableSum {
    /// Rows.
    pub rows: u64,
    /// Files.
    pub parts: u64,
}

/// Seals the bundle. One that was interrupted gets no rows about the run: it has not ended.
pub(super) async fn seal(collector: &Collector) -> anyhow::Result<Collected> {
    let writer = &collector.writer;
    let requests = collector.cluster.actions().count();
    let unit = writer.unit("run", "the run", &["report"]);
    let mut gaps = writer.gaps();
    // What a kill left of these rows themselves is written anew.
    gaps.retain(|gap| !unit.goes_on_with(&gap.object));
    let status = if collector.stop.is_cancelled() {
        SealStatus::Interrupted
    } else if gaps.iter().any(|gap| gap.state.is_gap()) {
        SealStatus::Gaps
    } else {
        SealStatus::Complete
    };
    if status != SealStatus::Interrupted {
        write_rows(collector, unit, status, requests, &gaps).await?;
    }
    let (manifest, manifest_sha256) = writer.seal(status).await?;
    collector.progress.end();
    let tables = manifest.tables.iter();
    Ok(Collected {
        bundle: writer.dir().display().to_string(),
        run_id: manifest.run_id.clone(),
        status,
        tables: tables.map(|(name, sum)| (name.clone(), TableSum { rows: sum.rows, parts: sum.parts })).collect(),
        gaps: manifest.gaps,
        manifest_sha256,
        requests,
    })
}

async fn write_rows(
    collector: &Collector,
    mut unit: Unit,
    status: SealStatus,
    requests: u64,
    gaps: &[GapEntry],
) -> anyhow::Result<()> {
    let writer = &collector.writer;
    unit.replace_earlier()?;
    let word = if status == SealStatus::Complete { "complete" } else { "gaps" };
    let row = run_report::run(writer.run(), writer.attempt(), word, requests, Timestamp::now());
    unit.push(&row, Some(writer.run().started))?;
    for gap in gaps {
        unit.push(&run_report::gap(gap), None)?;
    }
    unit.finish(Outcome::complete()).await
}
