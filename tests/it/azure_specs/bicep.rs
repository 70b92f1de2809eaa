//! Bicep files against the types of the Bicep compiler: every resource type and version exists, every property is one that can
//! be written, and none that is required is missing.

use std::{collections::BTreeMap, iter::Peekable, str::Lines};

use forensys::provision::emit::{Format, emit};
use serde_json::{Map, Value};

use super::{files, plans, read, specs};

const REQUIRED: u64 = 1;
const READ_ONLY: u64 = 2;
/// What belongs to the language and not to the resource.
const OF_THE_LANGUAGE: [&str; 3] = ["parent", "scope", "dependsOn"];

/// The members of an object, or the items of a list, up to its closing line. Scalars stay as they are written.
fn members(lines: &mut Peekable<Lines<'_>>) -> Map<String, Value> {
    let mut object = Map::new();
    for number in 0.. {
        let line = lines.next().unwrap().trim();
        if line == "}" || line == "]" {
            break;
        }
        let named = line.split_once(": ").filter(|_| !line.starts_with("{"));
        let (name, value) =
            named.map_or((number.to_string(), line), |(name, value)| (name.trim_matches('\'').to_owned(), value));
        let value = match value {
            "{" => Value::Object(members(lines)),
            "[" => members(lines).into_iter().map(|(_, value)| value).collect(),
            scalar => scalar.into(),
        };
        object.insert(name, value);
    }
    object
}

/// Resources with their type and version.
fn resources(text: &str) -> Vec<(String, Map<String, Value>)> {
    let mut lines = text.lines().peekable();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("resource ") {
            let kind = rest.split('\'').nth(1).unwrap().to_owned();
            found.push((kind, members(&mut lines)));
        }
    }
    found
}

/// The types of one file, which refer to each other by number.
struct Types(Vec<Value>);

impl Types {
    fn at(&self, reference: &Value) -> &Value {
        let number: usize = reference["$ref"].as_str().unwrap().trim_start_matches("#/").parse().unwrap();
        &self.0[number]
    }

    /// What is wrong with a value of that type.
    fn check(&self, kind: &Value, value: &Value, path: &str) -> Vec<String> {
        match kind["$type"].as_str().unwrap() {
            "ObjectType" => self.check_object(kind, value, path),
            "ArrayType" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items
                    .flat_map(|(at, item)| self.check(self.at(&kind["itemType"]), item, &format!("{path}[{at}]")))
                    .collect()
            }
            "UnionType" => {
                let elements: Vec<_> = kind["elements"].as_array().unwrap().iter().map(|it| self.at(it)).collect();
                let all_fail = elements.iter().all(|element| !self.check(element, value, path).is_empty());
                if all_fail { vec![format!("{path} is none of the allowed values: {value}")] } else { Vec::new() }
            }
            "StringLiteralType" => {
                let wanted = format!("'{}'", kind["value"].as_str().unwrap());
                if value.as_str() == Some(&wanted) { Vec::new() } else { vec![format!("{path} is not {wanted}")] }
            }
            "BooleanType" if !matches!(value.as_str(), Some("true" | "false")) => vec![format!("{path} is no boolean")],
            "IntegerType" if value.as_str().is_none_or(|text| text.parse::<i64>().is_err()) => {
                vec![format!("{path} is no integer")]
            }
            "StringType" if value.as_str().is_none_or(|text| !text.starts_with('\'')) => {
                vec![format!("{path} is no string")]
            }
            _ => Vec::new(),
        }
    }

    fn check_object(&self, kind: &Value, value: &Value, path: &str) -> Vec<String> {
        let Some(object) = value.as_object() else { return vec![format!("{path} is no object")] };
        let known = kind["properties"].as_object().unwrap();
        let mut problems = Vec::new();
        for (name, value) in object {
            let path = format!("{path}.{name}");
            match known.get(name) {
                Some(property) if property["flags"].as_u64().unwrap() & READ_ONLY != 0 => {
                    problems.push(format!("{path} cannot be written"));
                }
                Some(property) => problems.extend(self.check(self.at(&property["type"]), value, &path)),
                None if kind["additionalProperties"].is_object() => {
                    problems.extend(self.check(self.at(&kind["additionalProperties"]), value, &path));
                }
                None => problems.push(format!("{path} is not known")),
            }
        }
        let required = known.iter().filter(|(_, property)| property["flags"].as_u64().unwrap() & REQUIRED != 0);
        let missing = required.filter(|(name, _)| !object.contains_key(*name));
        problems.extend(missing.map(|(name, _)| format!("{path}.{name} is missing")));
        problems
    }
}

#[test]
fn files_declare_types_and_properties_that_there_are() {
    let Some(folder) = specs() else { return };
    let mut known = BTreeMap::new();
    let all: Vec<Types> = files(&folder.join("bicep-types-az"), "types.json")
        .iter()
        .map(|path| Types(read(path).as_array().unwrap().clone()))
        .collect();
    for types in &all {
        for kind in types.0.iter().filter(|kind| kind["$type"] == "ResourceType") {
            known.insert(kind["name"].as_str().unwrap().to_lowercase(), (types, types.at(&kind["body"])));
        }
    }
    let (mut checked, mut unknown) = (0, Vec::new());
    for plan in plans() {
        for file in emit(&plan, Format::Bicep) {
            for (kind, mut body) in resources(&file.text) {
                let Some((types, wanted)) = known.get(&kind.to_lowercase()) else {
                    unknown.push(kind);
                    continue;
                };
                body.retain(|name, _| !OF_THE_LANGUAGE.contains(&name.as_str()));
                let problems = types.check(wanted, &Value::Object(body), &kind);
                assert!(problems.is_empty(), "{problems:#?}");
                checked += 1;
            }
        }
    }
    unknown.retain(|kind| !kind.starts_with("Microsoft.Network/"));
    assert!(unknown.is_empty() && checked > 100, "{checked} were checked, there are no types of {unknown:?}");
}
