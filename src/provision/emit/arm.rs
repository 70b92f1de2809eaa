//! The plan as ARM templates (<https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax>). Pure.

use serde_json::{Map, Value, json};

use super::{
    MARK,
    declared::{Declared, find},
};
use crate::provision::Kind;

const SCHEMA: &str = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";

/// The template of one resource group.
pub(super) fn text(group: &str, declared: &[Declared]) -> String {
    let resources: Vec<Value> = declared.iter().map(|one| resource(one, declared)).collect();
    let template = json!({
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "metadata": {"description": format!("{MARK} arm; deploy it into {group}")},
        "resources": resources,
    });
    format!("{template:#}\n")
}

fn resource(declared: &Declared, all: &[Declared]) -> Value {
    let mut resource = Map::new();
    let mut insert = |name: &str, value: Value| resource.insert(name.to_owned(), value);
    insert("type", json!(declared.kind.resource_type()));
    insert("apiVersion", json!(declared.kind.version()));
    insert("name", json!(declared.full_name()));
    if declared.kind == Kind::Role {
        let (_, rule) = declared.parent().split_once("/providers/").unwrap_or_default();
        insert("scope", json!(rule));
    }
    for (name, value) in &declared.body {
        insert(name, literal(value));
    }
    let after: Vec<_> = declared.after.iter().filter(|id| find(all, id).is_some()).collect();
    if !after.is_empty() {
        insert("dependsOn", json!(after));
    }
    Value::Object(resource)
}

/// The value with strings that would be taken for expressions escaped.
fn literal(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with('[') && text.ends_with(']') => json!(format!("[{text}")),
        Value::Array(items) => items.iter().map(literal).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), literal(value))).collect(),
        plain => plain.clone(),
    }
}
