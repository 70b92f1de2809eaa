//! The plan as Bicep (<https://learn.microsoft.com/azure/azure-resource-manager/bicep/file>). Pure.

use serde_json::json;

use super::{
    MARK,
    declared::{Declared, find, symbol},
    syntax::BICEP,
};
use crate::provision::Kind;

/// The file of one resource group.
pub(super) fn text(group: &str, declared: &[Declared]) -> String {
    let mut text = format!("// {MARK} bicep; deploy it into {group}\n");
    for one in declared {
        text.push('\n');
        text.push_str(&resource(one, declared));
    }
    text
}

fn resource(declared: &Declared, all: &[Declared]) -> String {
    let mut text = String::new();
    let mut lines = String::new();
    let parent = find(all, declared.parent()).map(|parent| parent.symbol.clone());
    let name = match (&parent, declared.kind) {
        (None, kind) if kind != Kind::Role => declared.full_name(),
        _ => declared.own_name().to_owned(),
    };
    match (parent, declared.kind) {
        (Some(rule), Kind::Role) => lines.push_str(&format!("  scope: {rule}\n")),
        (None, Kind::Role) => {
            let rule = symbol(Kind::Rule, declared.parent());
            text.push_str(&existing_rule(&rule, declared.parent()));
            lines.push_str(&format!("  scope: {rule}\n"));
        }
        (Some(parent), _) => lines.push_str(&format!("  parent: {parent}\n")),
        (None, _) => {}
    }
    lines.push_str(&BICEP.member("name", &json!(name), "  "));
    for (name, value) in &declared.body {
        lines.push_str(&BICEP.member(name, value, "  "));
    }
    // A parent or scope is waited for without being said.
    let after = declared.after.iter().filter(|id| !id.eq_ignore_ascii_case(declared.parent()));
    let after: Vec<_> = after.filter_map(|id| find(all, id)).map(|other| format!("    {}\n", other.symbol)).collect();
    if !after.is_empty() {
        lines.push_str(&format!("  dependsOn: [\n{}  ]\n", after.concat()));
    }
    text.push_str(&format!("resource {} '{}' = {{\n{lines}}}\n", declared.symbol, declared.versioned_type()));
    text
}

/// A rule of somebody else, to which a role is attached.
fn existing_rule(symbol: &str, id: &str) -> String {
    let name = BICEP.member("name", &json!(id.rsplit('/').next().unwrap_or_default()), "  ");
    let kind = Kind::Rule;
    format!("resource {symbol} '{}@{}' existing = {{\n{name}}}\n\n", kind.resource_type(), kind.version())
}
