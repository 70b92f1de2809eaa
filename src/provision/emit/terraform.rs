//! The plan as Terraform with the azapi provider (<https://registry.terraform.io/providers/Azure/azapi>), which takes the same
//! bodies. Pure.

use serde_json::{Map, Value, json};

use super::{
    MARK,
    declared::{Declared, find},
    syntax::TERRAFORM,
};

const HEAD: &str = r#"
terraform {
  required_providers {
    azapi = {
      source  = "Azure/azapi"
      version = "~> 2.0"
    }
  }
}

provider "azapi" {}
"#;

/// One file for all resources.
pub(super) fn text(declared: &[Declared]) -> String {
    let mut text = format!("# {MARK} terraform\n{HEAD}");
    for one in declared {
        text.push('\n');
        text.push_str(&resource(one, declared));
    }
    text
}

fn resource(declared: &Declared, all: &[Declared]) -> String {
    let member = |name: &str, value: &Value| TERRAFORM.member(name, value, "  ");
    let reference = |other: &Declared| format!("azapi_resource.{}", other.symbol);
    let mut lines = member("type", &json!(declared.versioned_type()));
    lines.push_str(&member("name", &json!(declared.own_name())));
    let parent = find(all, declared.parent());
    lines.push_str(&match parent {
        Some(parent) => format!("  parent_id = {}.id\n", reference(parent)),
        None => member("parent_id", &json!(declared.parent())),
    });
    let mut body = Map::new();
    for (name, value) in &declared.body {
        // These two are arguments of their own.
        if ["location", "tags"].contains(&name.as_str()) {
            lines.push_str(&member(name, value));
        } else {
            body.insert(name.clone(), value.clone());
        }
    }
    if !body.is_empty() {
        lines.push_str(&member("body", &Value::Object(body)));
    }
    let after = declared.after.iter().filter(|id| !id.eq_ignore_ascii_case(declared.parent()));
    let after: Vec<_> = after.filter_map(|id| find(all, id)).map(reference).collect();
    if !after.is_empty() {
        lines.push_str(&format!("  depends_on = [{}]\n", after.join(", ")));
    }
    format!("resource \"azapi_resource\" \"{}\" {{\n{lines}}}\n", declared.symbol)
}
