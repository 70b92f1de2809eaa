//! Plans, from what is there to what is to be done.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "table! declares public rows")]

use serde_json::json;

use super::*;
use crate::{provision::names::tests::settings, table::Row as _};

crate::table! {
    /// Things.
    "things_CL": Thing {
        /// Name.
        [key] name: String,
        /// When.
        seen_at: Option<jiff::Timestamp>,
    }
}

fn lines(settings: &Settings, existing: &Existing) -> Vec<String> {
    plan(settings, &[Thing::TABLE], existing).unwrap().steps.iter().map(Step::line).collect()
}

/// All that the plan would create, as Azure would answer it.
fn provisioned() -> Existing {
    let mut existing = Existing::default();
    for step in plan(&settings(), &[Thing::TABLE], &existing.clone()).unwrap().steps {
        existing.insert(&step.id.to_uppercase(), step.body);
    }
    existing
}

fn changed(id: &str, pointer: &str, value: serde_json::Value) -> Existing {
    let mut existing = provisioned();
    let mut resource = existing.get(id).unwrap().clone();
    *resource.pointer_mut(pointer).unwrap() = value;
    existing.insert(id, resource);
    existing
}

#[test]
fn an_empty_subscription_gets_everything_in_order() {
    let lines = lines(&settings(), &Existing::default()).join("\n");
    insta::assert_snapshot!(lines, @r"
    create  resource group            ir-rg
    create  workspace                 forensys
    create  data collection endpoint  forensys-dce
    create  table                     things_CL
    create  data collection rule      things_CL-dcr
    create  role assignment           Monitoring Metrics Publisher on things_CL-dcr
    ");
}

#[test]
fn the_second_time_nothing_is_to_be_done() {
    let plan = plan(&settings(), &[Thing::TABLE], &provisioned()).unwrap();
    assert!(plan.steps.iter().all(|step| step.action == Action::Keep), "{:?}", plan.steps);
    assert_eq!(plan.location, "westeurope");
}

#[test]
fn a_table_gains_columns_and_loses_none() {
    let columns =
        json!([{"name": "TimeGenerated", "type": "DateTime"}, {"name": "theirs", "type": "string", "description": ""}]);
    let existing = changed(&settings().table_id("things_CL"), "/properties/schema/columns", columns);
    let plan = plan(&settings(), &[Thing::TABLE], &existing).unwrap();
    let table = plan.steps.iter().find(|step| step.kind == Kind::Table).unwrap();
    assert!(matches!(&table.action, Action::Update(why) if why.contains("seen_at")), "{:?}", table.action);
    let columns = table.body.pointer("/properties/schema/columns").unwrap().as_array().unwrap();
    assert_eq!(columns.last().unwrap(), &json!({"name": "theirs", "type": "string"}));
    assert_eq!(columns.len(), Thing::TABLE.columns().count() + 1);
}

#[test]
fn what_stands_in_the_way_is_named_before_anything_is_changed() {
    let settings = settings();
    let rule = "/properties/destinations/logAnalytics/0/workspaceResourceId";
    let cases = [
        (changed(&settings.rule_id("things_CL"), rule, json!("/other")), "things_CL-dcr exists and feeds /other"),
        (changed(&settings.endpoint_id(), "/location", json!("Sweden Central")), "is in swedencentral"),
        (changed(&settings.workspace_id(), "/location", json!("eastus")), "is in eastus, not in westeurope"),
        (
            changed(&settings.table_id("things_CL"), "/properties/schema/columns/0/type", json!("string")),
            "column TimeGenerated of table things_CL is string",
        ),
    ];
    for (existing, expected) in cases {
        let message = plan(&settings, &[Thing::TABLE], &existing).unwrap_err().message;
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_resource_group_is_made_only_when_asked_for() {
    let mut settings = settings();
    settings.create_resource_group = false;
    let failure = plan(&settings, &[Thing::TABLE], &Existing::default()).unwrap_err();
    assert!(failure.fix.unwrap().contains("--create-resource-group"));
}

#[test]
fn the_region_is_that_of_the_workspace_when_none_is_given() {
    let mut settings = settings();
    settings.location = None;
    assert_eq!(plan(&settings, &[], &provisioned()).unwrap().location, "westeurope");
    assert!(plan(&settings, &[], &Existing::default()).unwrap_err().message.contains("region"));
}

#[test]
fn the_rule_binds_table_stream_endpoint_and_workspace() {
    let plan = plan(&settings(), &[Thing::TABLE], &Existing::default()).unwrap();
    let rule = &plan.steps.iter().find(|step| step.kind == Kind::Rule).unwrap().body["properties"];
    assert_eq!(rule["dataCollectionEndpointId"], settings().endpoint_id());
    assert_eq!(rule["dataFlows"][0]["outputStream"], "Custom-things_CL");
    let columns = rule["streamDeclarations"]["Custom-things_CL"]["columns"].as_array().unwrap();
    assert!(columns.contains(&json!({"name": "seen_at", "type": "datetime"})));
}
