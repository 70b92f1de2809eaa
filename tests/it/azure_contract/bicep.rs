//! The types that the Bicep compiler is built with, read into shapes: of every resource type and version, what is required,
//! what only Azure writes, and which values there are.

use std::{collections::BTreeMap, path::Path};

use regex::Regex;
use serde_json::Value;

use super::shape::{Id, Member, Shape, Shapes, Text, are_all};
use crate::azure_specs::{files, read};

const REQUIRED: u64 = 1;
const READ_ONLY: u64 = 2;

/// Reads all files. Returns the shape of each resource, by `type@version` in lower case.
pub(super) fn types(specs: &Path, shapes: &mut Shapes) -> BTreeMap<String, Id> {
    let mut resources = BTreeMap::new();
    for path in files(&specs.join("bicep-types-az"), "types.json") {
        // The types of a file refer to each other by their place in it.
        let first = shapes.next();
        let all = read(&path).as_array().unwrap().clone();
        for kind in &all {
            if kind["$type"] == "ResourceType" {
                let name = kind["name"].as_str().unwrap().to_lowercase();
                resources.insert(name, refer(first, &kind["body"]));
            }
            shapes.add(if kind["$type"] == "UnionType" { union(first, &all, kind) } else { shape(first, kind) });
        }
    }
    resources
}

fn refer(first: Id, reference: &Value) -> Id {
    first + reference["$ref"].as_str().unwrap().trim_start_matches("#/").parse::<Id>().unwrap()
}

fn shape(first: Id, kind: &Value) -> Shape {
    let length = |name: &str| kind[name].as_u64().map(|length| usize::try_from(length).unwrap());
    match kind["$type"].as_str().unwrap() {
        "ObjectType" => {
            let members = kind["properties"].as_object().unwrap().iter();
            let members = members.map(|(name, member)| (name.clone(), self::member(first, member))).collect();
            let others = &kind["additionalProperties"];
            Shape::Object { members, others: others.is_object().then(|| refer(first, others)) }
        }
        "ArrayType" => Shape::List(refer(first, &kind["itemType"])),
        "StringLiteralType" => {
            Shape::Text(Text { values: vec![kind["value"].as_str().unwrap().to_owned()], ..Text::default() })
        }
        "StringType" => Shape::Text(Text {
            least: length("minLength"),
            most: length("maxLength"),
            pattern: kind["pattern"].as_str().map(|pattern| Regex::new(pattern).unwrap()),
            ..Text::default()
        }),
        "IntegerType" => {
            Shape::Number { integer: true, least: kind["minValue"].as_f64(), most: kind["maxValue"].as_f64() }
        }
        "BooleanType" => Shape::Boolean,
        // Resource types and functions are referred to by nothing.
        "AnyType" | "ResourceType" | "ResourceFunctionType" => Shape::Any,
        other => panic!("there is no reading of the type {other}"),
    }
}

/// Values that the service may have more of one day are the only ones that there are today, but for incomplete lists.
fn union(first: Id, all: &[Value], kind: &Value) -> Shape {
    let elements: Vec<Id> = kind["elements"].as_array().unwrap().iter().map(|it| refer(first, it)).collect();
    let values: Vec<_> = elements.iter().filter_map(|id| all[id - first]["value"].as_str()).collect();
    let is_closed = !values.is_empty() && are_all(&values);
    let is_any = |id: Id| all[id - first]["$type"] == "StringType";
    Shape::Either(elements.iter().copied().filter(|id| !(is_closed && is_any(*id))).collect())
}

fn member(first: Id, member: &Value) -> Member {
    let flags = member["flags"].as_u64().unwrap();
    Member {
        shape: refer(first, &member["type"]),
        is_required: flags & REQUIRED != 0,
        is_read_only: flags & READ_ONLY != 0,
        is_nullable: false,
    }
}
