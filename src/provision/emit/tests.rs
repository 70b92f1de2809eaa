//! The files of a plan, as text.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "table! declares public rows")]

use super::*;
use crate::{
    provision::{Existing, Settings, deployment::Deployment, names::tests::settings, plan},
    table::Row as _,
};

crate::table! {
    /// Things.
    "things_CL": Thing {
        /// Name.
        [key] name: String,
    }
}

fn files(settings: &Settings, format: Format) -> Vec<File> {
    let plan = plan(settings, &[Thing::TABLE], &Existing::default(), &Deployment::default()).unwrap();
    emit(&plan, format)
}

/// The text without its bodies, which are tested elsewhere.
fn outline(text: &str, inner: &str) -> String {
    text.lines().filter(|line| !line.starts_with(inner) && !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn bicep_declares_parents_scopes_and_order() {
    let files = files(&settings(), Format::Bicep);
    assert_eq!((files.len(), files[0].name.as_str()), (1, "main.bicep"));
    insta::assert_snapshot!(outline(&files[0].text, "    "), @r#"
    // Written by kubectl forensys provision --emit bicep; deploy it into /subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/ir-rg
    resource workspace_forensys 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
      name: 'forensys'
      location: 'westeurope'
      properties: {
      }
      tags: {
      }
    }
    resource data_collection_endpoint_forensys_dce 'Microsoft.Insights/dataCollectionEndpoints@2024-03-11' = {
      name: 'forensys-dce'
      location: 'westeurope'
      properties: {
      }
      tags: {
      }
    }
    resource table_things_CL 'Microsoft.OperationalInsights/workspaces/tables@2025-07-01' = {
      parent: workspace_forensys
      name: 'things_CL'
      properties: {
      }
    }
    resource data_collection_rule_things_CL_dcr 'Microsoft.Insights/dataCollectionRules@2024-03-11' = {
      name: 'things_CL-dcr'
      location: 'westeurope'
      properties: {
      }
      tags: {
      }
      dependsOn: [
      ]
    }
    resource role_assignment_things_CL_dcr 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
      scope: data_collection_rule_things_CL_dcr
      name: '879a8c64-7289-59de-b01c-d771f0bb72cf'
      properties: {
      }
    }
    "#);
    assert!(files[0].text.contains("    streamDeclarations: {\n      'Custom-things_CL': {\n"));
}

#[test]
fn terraform_declares_the_group_too_and_refers_to_what_it_declares() {
    let files = files(&settings(), Format::Terraform);
    assert_eq!((files.len(), files[0].name.as_str()), (1, "main.tf"));
    insta::assert_snapshot!(outline(&files[0].text, "    "), @r#"
    # Written by kubectl forensys provision --emit terraform
    terraform {
      required_providers {
      }
    }
    provider "azapi" {}
    resource "azapi_resource" "resource_group_ir_rg" {
      type = "Microsoft.Resources/resourceGroups@2025-04-01"
      name = "ir-rg"
      parent_id = "/subscriptions/11111111-1111-1111-1111-111111111111"
      location = "westeurope"
      tags = {
      }
    }
    resource "azapi_resource" "workspace_forensys" {
      type = "Microsoft.OperationalInsights/workspaces@2025-07-01"
      name = "forensys"
      parent_id = azapi_resource.resource_group_ir_rg.id
      location = "westeurope"
      tags = {
      }
      body = {
      }
    }
    resource "azapi_resource" "data_collection_endpoint_forensys_dce" {
      type = "Microsoft.Insights/dataCollectionEndpoints@2024-03-11"
      name = "forensys-dce"
      parent_id = azapi_resource.resource_group_ir_rg.id
      location = "westeurope"
      tags = {
      }
      body = {
      }
    }
    resource "azapi_resource" "table_things_CL" {
      type = "Microsoft.OperationalInsights/workspaces/tables@2025-07-01"
      name = "things_CL"
      parent_id = azapi_resource.workspace_forensys.id
      body = {
      }
      depends_on = [azapi_resource.resource_group_ir_rg]
    }
    resource "azapi_resource" "data_collection_rule_things_CL_dcr" {
      type = "Microsoft.Insights/dataCollectionRules@2024-03-11"
      name = "things_CL-dcr"
      parent_id = azapi_resource.resource_group_ir_rg.id
      location = "westeurope"
      tags = {
      }
      body = {
      }
      depends_on = [azapi_resource.workspace_forensys, azapi_resource.data_collection_endpoint_forensys_dce, azapi_resource.table_things_CL]
    }
    resource "azapi_resource" "role_assignment_things_CL_dcr" {
      type = "Microsoft.Authorization/roleAssignments@2022-04-01"
      name = "879a8c64-7289-59de-b01c-d771f0bb72cf"
      parent_id = azapi_resource.data_collection_rule_things_CL_dcr.id
      body = {
      }
    }
    "#);
}

#[test]
fn an_arm_template_names_each_resource_as_the_api_does() {
    let template: serde_json::Value = serde_json::from_str(&files(&settings(), Format::Arm)[0].text).unwrap();
    let resources = template["resources"].as_array().unwrap();
    let names: Vec<_> = resources.iter().map(|resource| resource["name"].as_str().unwrap()).collect();
    assert_eq!(names[..4], ["forensys", "forensys-dce", "forensys/things_CL", "things_CL-dcr"]);
    assert_eq!(resources[4]["scope"], "Microsoft.Insights/dataCollectionRules/things_CL-dcr");
    let after = resources[3]["dependsOn"].as_array().unwrap();
    assert!(after.iter().any(|id| id.as_str().unwrap().ends_with("/tables/things_CL")), "{after:?}");
    assert_eq!(resources[0].get("dependsOn"), None, "the group is made outside");
}

#[test]
fn what_lies_in_several_groups_is_numbered_by_the_order_of_deployment() {
    let elsewhere = "/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/soc/providers";
    let workspace = format!("{elsewhere}/Microsoft.OperationalInsights/workspaces/central");
    let rule = format!("{elsewhere}/Microsoft.Insights/dataCollectionRules/things");
    let mut given = settings();
    given.given.workspace = Some(workspace.clone());
    let mut existing = Existing::default();
    existing.insert(&workspace, serde_json::json!({"location": "westeurope"}));
    let texts = |given: &Settings, existing: &Existing| {
        let plan = plan(given, &[Thing::TABLE], existing, &Deployment::default()).unwrap();
        emit(&plan, Format::Bicep)
    };
    let files = texts(&given, &existing);
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["1-soc.bicep", "2-ir-rg.bicep"]);
    assert!(files[0].text.contains("name: 'central/things_CL'") && !files[0].text.contains("workspaces@"));
    given.given.rules = [("things_CL".to_owned(), rule.clone())].into();
    existing.insert(&rule, serde_json::json!({"location": "westeurope"}));
    let files = texts(&given, &existing);
    assert!(files[0].text.contains("' existing = {\n  name: 'things'\n}"), "{}", files[0].text);
}
