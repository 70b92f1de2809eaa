//! `tables`: every table and column, from the one declaration.

use crate::{evidence::registry, failure::ExitStatus, ui::Printer};

/// Show every table and its columns
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only this table
    pub table: Option<String>,
}

/// Runs the verb.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<ExitStatus> {
    let is_wanted = |name: &str| args.table.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(name));
    let tables: Vec<_> = registry::tables().into_iter().filter(|table| is_wanted(table.name)).collect();
    if tables.is_empty() {
        let known: Vec<_> = registry::tables().iter().map(|table| table.name).collect();
        return Err(crate::failure::Failure::usage(
            format!("there is no table `{}`", args.table.unwrap_or_default()),
            format!("tables there are: {}", known.join(", ")),
        )
        .into());
    }
    for table in &tables {
        printer.text(format!("{}\n  {}", table.name, table.doc.trim()));
        for column in table.columns() {
            printer.text(format!("  {:<32} {:<9} {}", column.name, column.kind.workspace_name(), column.doc.trim()));
        }
    }
    let schemas: serde_json::Map<_, _> =
        tables.iter().map(|table| (table.name.to_owned(), crate::table::json_schema(table))).collect();
    printer.json(&schemas);
    Ok(ExitStatus::Complete)
}
