//! A plan as files for teams that deploy by pipeline: Bicep, an ARM template, or Terraform with the azapi provider. The
//! bodies are those that would be sent, so the files and `provision` make the same resources.
//!
//! What belongs to somebody else is referred to by its id and not declared. Bicep and ARM templates deploy into one resource
//! group, so there is a file for each group, numbered in the order of deployment; Terraform needs one for all. Pure.

mod arm;
mod bicep;
mod declared;
mod syntax;
mod terraform;

use self::declared::{Declared, by_group};
use super::plan::Plan;

/// The first words of every file; only a file with them is written over.
pub const MARK: &str = "Written by kubectl forensys provision --emit";

/// What to write the plan as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Bicep.
    Bicep,
    /// ARM template (JSON).
    Arm,
    /// Terraform, with the azapi provider.
    Terraform,
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, without a folder.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The files of a plan. Empty when nothing of it is ours.
pub fn emit(plan: &Plan, format: Format) -> Vec<File> {
    let declared: Vec<Declared> = plan.steps.iter().filter_map(Declared::of).collect();
    if format == Format::Terraform {
        let text = terraform::text(&declared);
        return if declared.is_empty() { Vec::new() } else { vec![File { name: "main.tf".to_owned(), text }] };
    }
    let groups = by_group(declared);
    let several = groups.len() > 1;
    let file = |(at, (group, declared)): (usize, (String, Vec<Declared>))| {
        let (text, extension) = match format {
            Format::Bicep => (bicep::text(&group, &declared), "bicep"),
            Format::Arm | Format::Terraform => (arm::text(&group, &declared), "json"),
        };
        let name = group.rsplit('/').next().unwrap_or_default();
        let stem = if several { format!("{}-{name}", at + 1) } else { "main".to_owned() };
        File { name: format!("{stem}.{extension}"), text }
    };
    groups.into_iter().enumerate().map(file).collect()
}

#[cfg(test)]
mod tests;
