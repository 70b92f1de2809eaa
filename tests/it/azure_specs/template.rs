//! ARM templates against the JSON schemas of their resource types.

use std::collections::BTreeMap;

use forensys::provision::emit::{Format, emit};
use jsonschema::{Draft, Registry};
use serde_json::{Value, json};

use super::{files, plans, read, specs};

pub(crate) const COMMON: &str = "https://schema.management.azure.com/schemas/common/definitions.json";

/// Schemas by resource type and version, in lower case.
pub(crate) fn schemas(folder: &std::path::Path) -> BTreeMap<String, Value> {
    let mut schemas = BTreeMap::new();
    for path in files(&folder.join("azure-resource-manager-schemas/schemas"), ".json") {
        let mut file = read(&path);
        // Two lists of values that are open in the API are closed here: of streams (issue 3414 of that repository), and
        // of the kinds of rules, which lacks Direct.
        if let Some(kind) = file.pointer_mut("/resourceDefinitions/dataCollectionRules/properties/kind") {
            *kind = json!({"type": "string"});
        }
        if let Some(flow) = file.pointer_mut("/definitions/DataFlow/properties/streams") {
            *flow = json!({"type": "array"});
        }
        let definitions = file["definitions"].clone();
        for schema in file["resourceDefinitions"].as_object().into_iter().flatten().map(|(_, schema)| schema) {
            let text = |member: &str| schema["properties"][member]["enum"][0].as_str().unwrap_or_default();
            let key = format!("{}@{}", text("type"), text("apiVersion")).to_lowercase();
            let mut schema = schema.clone();
            schema["definitions"] = definitions.clone();
            schemas.insert(key, schema);
        }
    }
    schemas
}

#[test]
fn templates_are_what_the_schemas_of_their_types_allow() {
    let Some(folder) = specs() else { return };
    let schemas = schemas(&folder);
    let common = read(&folder.join("azure-resource-manager-schemas/schemas/common/definitions.json"));
    let registry = Registry::new().add(COMMON, common).unwrap().prepare().unwrap();
    let mut validators = BTreeMap::new();
    let (mut checked, mut unknown) = (0, Vec::new());
    for plan in plans() {
        for file in emit(&plan, Format::Arm) {
            let template: Value = serde_json::from_str(&file.text).unwrap();
            for resource in template["resources"].as_array().unwrap() {
                let kind = resource["type"].as_str().unwrap();
                let key = format!("{kind}@{}", resource["apiVersion"].as_str().unwrap()).to_lowercase();
                let Some(schema) = schemas.get(&key) else {
                    unknown.push(kind.to_owned());
                    continue;
                };
                let validator = validators.entry(key.clone()).or_insert_with(|| {
                    let options = jsonschema::options().with_draft(Draft::Draft4).with_registry(&registry);
                    options.build(schema).unwrap_or_else(|error| panic!("{key}: {error}"))
                });
                // The schemas name a child as it is called within its parent.
                let mut resource = resource.clone();
                let name = resource["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
                resource["name"] = name.into();
                let problems: Vec<_> = validator
                    .iter_errors(&resource)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect();
                assert!(problems.is_empty(), "{key}: {problems:#?}\n{resource:#}");
                checked += 1;
            }
        }
    }
    unknown.retain(|kind| !kind.starts_with("Microsoft.Network/") && !kind.contains("privateLinkScopes"));
    assert!(unknown.is_empty() && checked > 100, "{checked} were checked, there is no schema of {unknown:?}");
}
