//! `provision --estimate`: what a bundle would bring into Azure, and at whose price. Asks nobody: the prices are the user's.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;

use super::ExitStatus;
use crate::{
    bundle::{Bundle, TableTotal},
    table::Table,
    ui::{Printer, printable, size},
};

/// Azure counts a GB as 10^9 bytes (<https://learn.microsoft.com/azure/azure-monitor/logs/cost-logs>).
const GB: f64 = 1e9;

/// Flags of the estimate.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Estimate")]
pub struct EstimateArgs {
    /// Print how many rows and bytes this bundle would bring, and do nothing else
    #[arg(long, value_name = "BUNDLE", conflicts_with = "dry_run")]
    estimate: Option<PathBuf>,
    /// What your contract says that a GB of the table plan costs to take in
    #[arg(long, value_name = "PRICE", requires = "estimate", value_parser = price)]
    price_per_gb: Option<f64>,
    /// How many bundles of this size are uploaded in a month
    #[arg(long, value_name = "COUNT", requires = "price_per_gb", default_value_t = 1)]
    uploads_per_month: u32,
}

fn price(text: &str) -> Result<f64, String> {
    let price = text.parse::<f64>().ok().filter(|price| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| "write a number such as 2.5, without a currency".to_owned())
}

/// The documented output of `provision --estimate -o json`.
#[derive(Debug, PartialEq, Serialize)]
struct Estimate {
    tables: BTreeMap<String, Amount>,
    rows: u64,
    bytes: u64,
    /// Price of one upload, and of a month's; absent without a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    ingestion_cost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monthly_cost: Option<f64>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Amount {
    rows: u64,
    bytes: u64,
}

impl Estimate {
    fn of(totals: &BTreeMap<String, TableTotal>, tables: &[&Table], price_per_gb: Option<f64>, uploads: u32) -> Self {
        let is_asked = |name: &str| tables.iter().any(|table| table.name.eq_ignore_ascii_case(name));
        let asked = totals.iter().filter(|(name, _)| is_asked(name));
        let tables: BTreeMap<_, _> =
            asked.map(|(name, total)| (name.clone(), Amount { rows: total.rows, bytes: total.bytes })).collect();
        let rows = tables.values().map(|amount| amount.rows).sum();
        let bytes: u64 = tables.values().map(|amount| amount.bytes).sum();
        let ingestion_cost = price_per_gb.map(|price| bytes as f64 / GB * price);
        let monthly_cost = ingestion_cost.map(|cost| cost * f64::from(uploads));
        Self { tables, rows, bytes, ingestion_cost, monthly_cost }
    }
}

impl EstimateArgs {
    /// Whether the estimate is asked for.
    pub fn is_asked(&self) -> bool {
        self.estimate.is_some()
    }

    /// Prints the estimate for these tables.
    ///
    /// # Errors
    /// The bundle cannot be read.
    pub fn run(&self, tables: &[&'static Table], printer: Printer) -> anyhow::Result<ExitStatus> {
        let Some(path) = &self.estimate else { return Ok(ExitStatus::Complete) };
        let bundle = Bundle::open(path)?;
        let estimate = Estimate::of(&bundle.manifest.tables, tables, self.price_per_gb, self.uploads_per_month);
        let width = estimate.tables.keys().map(String::len).max().unwrap_or_default();
        for (table, amount) in &estimate.tables {
            printer.text(format!("{:width$}  {} rows, {}", printable(table), amount.rows, size(amount.bytes)));
        }
        printer.text(format!("{} rows, {} of JSON", estimate.rows, size(estimate.bytes)));
        if let (Some(cost), Some(month)) = (estimate.ingestion_cost, estimate.monthly_cost) {
            printer.text(format!("at your price: {cost:.2} for an upload, {month:.2} for a month's uploads"));
            printer.text(
                "Azure bills what it stores, which differs somewhat; keeping rows longer than is free costs extra.",
            );
        }
        printer.json(&estimate);
        Ok(ExitStatus::Complete)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::evidence::registry;

    #[test]
    fn the_cost_is_that_of_the_tables_asked_for_at_the_price_given() {
        let tables = registry::tables();
        let total = TableTotal { rows: 10, parts: 1, bytes: 500_000_000 };
        let totals = [tables[0].name, tables[1].name].map(|name| (name.to_owned(), total)).into();
        let one = Estimate::of(&totals, &tables[..1], Some(3.0), 4);
        assert_eq!(
            (one.rows, one.bytes, one.ingestion_cost, one.monthly_cost),
            (10, 500_000_000, Some(1.5), Some(6.0))
        );
        let unpriced = Estimate::of(&totals, &tables, None, 1);
        assert_eq!((unpriced.rows, unpriced.ingestion_cost), (20, None));
        assert!(!serde_json::to_string(&unpriced).unwrap().contains("cost"));
    }

    #[test]
    fn prices_are_numbers() {
        assert_eq!(price("2.5"), Ok(2.5));
        assert!(price("-1").is_err() && price("NaN").is_err() && price("2 EUR").is_err());
    }
}
