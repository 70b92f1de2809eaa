//! Plans, from what is there to what is to be done.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "table! declares public rows")]

use serde_json::json;

use super::*;
use crate::{
    provision::{Ingestion, PrivateLink, TablePlan, TableSettings, deployment::Resource, names::tests::settings},
    table::Row as _,
};

crate::table! {
    /// Things.
    "things_CL": Thing {
        /// Name.
        [key] name: String,
        /// When.
        seen_at: Option<jiff::Timestamp>,
    }
}

/// What was made here: all that a plan for nothing creates.
fn ours() -> Deployment {
    let plan = plan(&settings(), &[Thing::TABLE], &Existing::default(), &Deployment::default()).unwrap();
    let resource = |step: &Step| Resource {
        id: step.id.clone(),
        api_version: step.version.to_owned(),
        created: true,
        confirmed: true,
        adopted: false,
        recovered: false,
        table: None,
    };
    Deployment { resources: plan.steps.iter().map(resource).collect(), ..Deployment::default() }
}

/// All that the plan would create, as Azure would answer it.
fn provisioned() -> Existing {
    let mut existing = Existing::default();
    for step in steps(&settings(), &Existing::default()) {
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

fn steps(settings: &Settings, existing: &Existing) -> Vec<Step> {
    plan(settings, &[Thing::TABLE], existing, &ours()).unwrap().steps
}

fn step(settings: &Settings, existing: &Existing, kind: Kind) -> Step {
    steps(settings, existing).into_iter().find(|step| step.kind == kind).unwrap()
}

fn lines(settings: &Settings, existing: &Existing) -> String {
    steps(settings, existing).iter().map(Step::line).collect::<Vec<_>>().join("\n")
}

fn reason(step: &Step) -> String {
    format!("{}: {}", step.action.name(), step.action.reason().unwrap_or_default())
}

#[test]
fn an_empty_subscription_gets_everything_in_order() {
    insta::assert_snapshot!(lines(&settings(), &Existing::default()), @r"
    create     resource group            ir-rg
    create     workspace                 forensys
    create     data collection endpoint  forensys-dce
    create     table                     things_CL
    create     data collection rule      things_CL-dcr
    create     role assignment           Monitoring Metrics Publisher on things_CL-dcr
    ");
}

#[test]
fn the_second_time_nothing_is_to_be_done() {
    let plan = plan(&settings(), &[Thing::TABLE], &provisioned(), &ours()).unwrap();
    assert!(plan.steps.iter().all(|step| step.action == Action::Unchanged), "{:?}", plan.steps);
    assert_eq!(plan.location, "westeurope");
}

#[test]
fn a_table_gains_columns_and_loses_none() {
    let columns =
        json!([{"name": "TimeGenerated", "type": "DateTime"}, {"name": "theirs", "type": "string", "description": ""}]);
    let existing = changed(&settings().table_id("things_CL"), "/properties/schema/columns", columns);
    let table = step(&settings(), &existing, Kind::Table);
    assert!(matches!(&table.action, Action::Update(why) if why.contains("seen_at")), "{:?}", table.action);
    let columns = table.body.pointer("/properties/schema/columns").unwrap().as_array().unwrap();
    assert_eq!(columns.last().unwrap(), &json!({"name": "theirs", "type": "string"}));
    assert_eq!(columns.len(), Thing::TABLE.columns().count() + 1);
}

#[test]
fn a_table_keeps_its_plan_and_retention_unless_others_are_asked_for() {
    let mut existing = changed(&settings().table_id("things_CL"), "/properties/schema/columns", json!([]));
    let id = settings().table_id("things_CL");
    let mut table = existing.get(&id).unwrap().clone();
    table["properties"]["retentionInDays"] = json!(90);
    table["properties"]["totalRetentionInDays"] = json!(30);
    table["properties"]["totalRetentionInDaysAsDefault"] = json!(true);
    existing.insert(&id, table);
    let body = step(&settings(), &existing, Kind::Table).body;
    assert_eq!(body["properties"]["retentionInDays"], 90, "a PUT without it would reset it");
    assert_eq!(body["properties"].get("totalRetentionInDays"), None, "a default stays one");
    let mut asked = settings();
    asked.tables = TableSettings { plan: None, retention: Some(30), total_retention: Some(365) };
    let why = reason(&step(&asked, &existing, Kind::Table));
    assert!(why.contains("retentionInDays from 90 to 30") && why.contains("from the default, 30 to 365"), "{why}");
    asked.tables.retention = Some(-1);
    let table = step(&asked, &existing, Kind::Table);
    assert!(reason(&table).contains("retentionInDays from 90 to -1"), "{:?}", table.action);
    assert_eq!(table.body["properties"].get("retentionInDays"), None, "left out, it becomes the default");
    asked.tables = TableSettings { plan: Some(TablePlan::Basic), ..TableSettings::default() };
    let table = step(&asked, &existing, Kind::Table);
    assert!(reason(&table).contains("changes the plan from Analytics to Basic"), "{:?}", table.action);
    assert_eq!(table.body["properties"].get("retentionInDays"), None, "it is fixed for that plan");
    let auxiliary = changed(&id, "/properties/plan", json!("auxiliary"));
    let why = reason(&step(&settings(), &auxiliary, Kind::Table));
    assert!(why.starts_with("blocked: ") && why.contains("six decimals"), "{why}");
}

#[test]
fn everything_that_stands_in_the_way_is_seen_at_once() {
    let settings = settings();
    let rule = "/properties/destinations/logAnalytics/0/workspaceResourceId";
    let mut existing = changed(&settings.rule_id("things_CL"), rule, json!("/other"));
    let column = changed(&settings.table_id("things_CL"), "/properties/schema/columns/0/type", json!("string"));
    existing.insert(&settings.table_id("things_CL"), column.get(&settings.table_id("things_CL")).unwrap().clone());
    existing.insert(&settings.endpoint_id(), json!({"location": "Sweden Central"}));
    existing.insert(&settings.workspace_id(), json!({"location": "eastus"}));
    insta::assert_snapshot!(lines(&settings, &existing), @r"
    unchanged  resource group            ir-rg
    blocked    workspace                 forensys (it is in eastus, not in westeurope; fix: leave --location out, or name another workspace: rules and workspace must be in one region)
    blocked    data collection endpoint  forensys-dce (it is in swedencentral, not in westeurope; fix: choose another name with --dce-name: endpoint, rules and workspace must be in one region)
    blocked    table                     things_CL (its column TimeGenerated is string in the workspace and dateTime here; fix: a column's type cannot be changed: name another workspace with --workspace-name)
    blocked    data collection rule      things_CL-dcr (it exists and feeds /other; fix: use another resource group with -g, or delete the rule if nobody needs it)
    unchanged  role assignment           Monitoring Metrics Publisher on things_CL-dcr
    ");
    let failure = plan(&settings, &[Thing::TABLE], &existing, &ours()).unwrap().unblocked().unwrap_err();
    assert!(failure.message.contains("eastus") && failure.message.contains("feeds /other"), "{failure}");
    assert_eq!(failure.status, crate::failure::ExitStatus::Failed);
}

#[test]
fn a_classic_table_is_blocked_with_the_command_that_migrates_it() {
    let mut existing = provisioned();
    let id = settings().table_id("things_CL");
    let mut table = existing.get(&id).unwrap().clone();
    table["properties"]["schema"]["tableSubType"] = json!("Classic");
    existing.insert(&id, table);
    assert!(step(&settings(), &existing, Kind::Table).line().contains("table migrate"));
}

#[test]
fn a_rule_that_differs_is_updated_and_keeps_what_others_added() {
    let settings = settings();
    let id = settings.rule_id("things_CL");
    let mut rule = provisioned().get(&id).unwrap().clone();
    rule["properties"]["streamDeclarations"]["Custom-things_CL"]["columns"] = json!([]);
    rule["properties"]["streamDeclarations"]["Custom-theirs"] = json!({"columns": []});
    rule["properties"]["dataFlows"][0]["transformKql"] = json!("source | where false");
    let theirs = json!({"streams": ["Custom-theirs"], "destinations": ["workspace"]});
    rule["properties"]["dataFlows"].as_array_mut().unwrap().insert(0, theirs.clone());
    rule["properties"]["immutableId"] = json!("dcr-1");
    rule["properties"]["destinations"]["logAnalytics"][0]["workspaceId"] = json!("guid");
    rule["tags"]["case"] = json!("17");
    let mut existing = provisioned();
    existing.insert(&id, rule);
    let step = step(&settings, &existing, Kind::Rule);
    let why = reason(&step);
    assert!(why.starts_with("update: changes its columns") && why.ends_with("changes transformKql"), "{why}");
    let properties = &step.body["properties"];
    assert_eq!((&properties["dataFlows"][0], &step.body["tags"]["case"]), (&theirs, &json!("17")));
    assert_eq!(properties["dataFlows"][1]["transformKql"], "source");
    assert_eq!(properties["streamDeclarations"].as_object().unwrap().len(), 2);
    assert_eq!(
        properties.get("immutableId").or(properties["destinations"]["logAnalytics"][0].get("workspaceId")),
        None
    );
}

#[test]
fn what_was_not_made_here_is_used_as_it_is_and_changed_only_when_allowed() {
    let mut existing = changed(&settings().table_id("things_CL"), "/properties/schema/columns", json!([]));
    let nobodys = |settings: &Settings, existing: &Existing| {
        let plan = plan(settings, &[Thing::TABLE], existing, &Deployment::default()).unwrap();
        plan.steps.iter().map(|step| step.action.name()).collect::<Vec<_>>()
    };
    assert_eq!(nobodys(&settings(), &provisioned()), ["unchanged"; 6]);
    let blocked = ["unchanged", "unchanged", "unchanged", "blocked", "unchanged", "unchanged"];
    assert_eq!(nobodys(&settings(), &existing), blocked);
    let adopting = Settings { adopt: true, ..settings() };
    assert_eq!(nobodys(&adopting, &existing)[3], "update");
    let id = settings().rule_id("things_CL");
    existing.insert(&id, json!({"location": "westeurope", "properties": {"provisioningState": "Failed"}}));
    assert_eq!(nobodys(&settings(), &existing)[4], "blocked");
}

#[test]
fn a_deleted_workspace_comes_back_with_its_rows_and_in_its_region() {
    let mut existing = Existing::default();
    existing.set_deleted_workspace(json!({"location": "westeurope"}));
    let why = reason(&step(&settings(), &existing, Kind::Workspace));
    assert!(why.starts_with("recover: ") && why.contains("comes back with its tables and rows"), "{why}");
    let elsewhere = Settings { location: Some("eastus".into()), ..settings() };
    assert!(reason(&step(&elsewhere, &existing, Kind::Workspace)).starts_with("blocked: it is in westeurope"));
    let unsaid = Settings { location: None, ..settings() };
    assert_eq!(plan(&unsaid, &[], &existing, &ours()).unwrap().location, "westeurope");
}

#[test]
fn resources_that_are_given_are_used_and_have_to_be_there() {
    let elsewhere = "/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/soc/providers";
    let mut given = settings();
    given.given.workspace = Some(format!("{elsewhere}/Microsoft.OperationalInsights/workspaces/central"));
    given.given.rules =
        [("things_CL".to_owned(), format!("{elsewhere}/Microsoft.Insights/dataCollectionRules/things"))].into();
    insta::assert_snapshot!(lines(&given, &Existing::default()), @r"
    blocked    workspace                 central (it was given by its id, and there is no such resource; fix: check the id after --workspace-id, and that the identity may read it)
    create     table                     things_CL
    blocked    data collection rule      things (it was given by its id, and there is no such resource; fix: check the id after --dcr, and that the identity may read it)
    create     role assignment           Monitoring Metrics Publisher on things
    ");
    let mut existing = Existing::default();
    existing.insert(&given.workspace_id(), json!({"location": "westeurope"}));
    let mut theirs = step(&given, &existing, Kind::Rule).body;
    theirs["properties"]["dataFlows"][0]["transformKql"] = json!("source | extend theirs = 1");
    existing.insert(&given.rule_id("things_CL"), theirs);
    let steps = steps(&given, &existing);
    let actions: Vec<_> = steps.iter().map(|step| (step.kind, step.action.name())).collect();
    let expected =
        [(Kind::Workspace, "unchanged"), (Kind::Table, "create"), (Kind::Rule, "unchanged"), (Kind::Role, "create")];
    assert_eq!(actions, expected, "their transformation is theirs");
    assert!(steps[1].id.starts_with(&given.workspace_id()) && steps[3].id.starts_with(&given.rule_id("things_CL")));
}

#[test]
fn a_resource_group_is_made_only_when_asked_for() {
    let mut settings = settings();
    settings.create_resource_group = false;
    let group = step(&settings, &Existing::default(), Kind::ResourceGroup);
    assert!(group.line().contains("--create-resource-group"), "{}", group.line());
}

#[test]
fn the_region_is_that_of_the_workspace_when_none_is_given() {
    let mut settings = settings();
    settings.location = None;
    assert_eq!(plan(&settings, &[], &provisioned(), &ours()).unwrap().location, "westeurope");
    assert!(plan(&settings, &[], &Existing::default(), &ours()).unwrap_err().message.contains("region"));
}

#[test]
fn the_rule_binds_table_stream_endpoint_and_workspace() {
    let rule = &step(&settings(), &Existing::default(), Kind::Rule).body["properties"];
    assert_eq!(rule["dataCollectionEndpointId"], settings().endpoint_id());
    assert_eq!(rule["dataFlows"][0]["outputStream"], "Custom-things_CL");
    let columns = rule["streamDeclarations"]["Custom-things_CL"]["columns"].as_array().unwrap();
    assert!(columns.contains(&json!({"name": "seen_at", "type": "datetime"})));
}

#[test]
fn rules_with_endpoints_of_their_own_need_no_other_and_cannot_be_turned_into_such() {
    let direct = Settings { ingestion: Ingestion::Direct, ..settings() };
    let all = steps(&direct, &Existing::default());
    assert!(all.iter().all(|step| step.kind != Kind::Endpoint));
    let rule = all.iter().find(|step| step.kind == Kind::Rule).unwrap();
    assert_eq!((&rule.body["kind"], rule.body["properties"].get("dataCollectionEndpointId")), (&json!("Direct"), None));
    assert!(reason(&step(&direct, &provisioned(), Kind::Rule)).starts_with("blocked: it is not of kind Direct"));
}

#[test]
fn a_transformation_is_in_the_rule_and_a_change_of_it_is_seen() {
    let query = "source | extend host = tolower(name)";
    let wanted = Settings { transforms: [("things_CL".to_owned(), query.to_owned())].into(), ..settings() };
    let rule = step(&wanted, &Existing::default(), Kind::Rule);
    assert_eq!(rule.body["properties"]["dataFlows"][0]["transformKql"], query);
    assert_eq!(reason(&step(&wanted, &provisioned(), Kind::Rule)), "update: changes transformKql");
    let mut existing = provisioned();
    existing.insert(&rule.id, rule.body);
    assert_eq!(step(&wanted, &existing, Kind::Rule).action, Action::Unchanged);
    assert_eq!(reason(&step(&settings(), &existing, Kind::Rule)), "update: changes transformKql");
}

fn zones(cloud: &str) -> Vec<String> {
    crate::azure::Cloud::open(cloud).unwrap().private_dns_zones
}

#[test]
fn the_zones_of_a_cloud_that_are_not_documented_block_the_plan_with_the_reason() {
    let subnet = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
    let link = |cloud, subnet: Option<&str>| {
        let link = PrivateLink { scope: "ampls".to_owned(), subnet: subnet.map(str::to_owned), zones: zones(cloud) };
        steps(&Settings { private_link: Some(link), ..settings() }, &Existing::default())
    };
    let china = link("china", Some(subnet));
    let blocked: Vec<_> = china.iter().filter(|step| matches!(step.action, Action::Blocked(_))).collect();
    assert_eq!(blocked.len(), 1);
    assert!(blocked[0].kind == Kind::PrivateEndpoint && reason(blocked[0]).contains("not documented"));
    assert!(!china.iter().any(|step| step.kind == Kind::DnsZone), "not those of another cloud");
    assert!(link("china", None).iter().all(|step| step.action == Action::Create), "somebody else sees to the network");
    let government = link("usgov", Some(subnet));
    assert!(government.iter().any(|step| step.id.ends_with("/privateDnsZones/privatelink.ods.opinsights.azure.us")));
}

#[test]
fn private_link_leads_to_both_and_closes_what_was_there_last() {
    let subnet = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/hub/subnets/soc";
    let link =
        PrivateLink { scope: "forensys-ampls".to_owned(), subnet: Some(subnet.to_owned()), zones: zones("public") };
    let wanted = Settings { private_link: Some(link), ..settings() };
    let new = steps(&wanted, &Existing::default());
    let workspace = new.iter().find(|step| step.kind == Kind::Workspace).unwrap();
    assert_eq!(workspace.body["properties"]["publicNetworkAccessForIngestion"], "Disabled");
    assert!(new.iter().all(|step| step.kind != Kind::PublicAccess), "created closed");
    let text = lines(&wanted, &provisioned());
    let (_, text) = text.split_once("on things_CL-dcr\n").unwrap();
    insta::assert_snapshot!(text, @r"
    create     private link scope        forensys-ampls
    create     scoped resource           forensys-link
    create     scoped resource           forensys-dce-link
    create     private DNS zone          privatelink.monitor.azure.com
    create     virtual network link      privatelink.monitor.azure.com
    create     private DNS zone          privatelink.oms.opinsights.azure.com
    create     virtual network link      privatelink.oms.opinsights.azure.com
    create     private DNS zone          privatelink.ods.opinsights.azure.com
    create     virtual network link      privatelink.ods.opinsights.azure.com
    create     private DNS zone          privatelink.agentsvc.azure-automation.net
    create     virtual network link      privatelink.agentsvc.azure-automation.net
    create     private DNS zone          privatelink.blob.core.windows.net
    create     virtual network link      privatelink.blob.core.windows.net
    create     private endpoint          forensys-ampls-endpoint
    create     DNS zone group            default
    update     public access             forensys (closes it to public networks)
    update     public access             forensys-dce (closes it to public networks)
    ");
    let closing = steps(&wanted, &provisioned()).pop().unwrap();
    assert!(closing.after.iter().any(|id| id.ends_with("/privateDnsZoneGroups/default")));
    assert_eq!(closing.body["properties"]["networkAcls"]["publicNetworkAccess"], "Disabled");
}

#[test]
fn no_step_waits_for_itself_or_for_a_later_one() {
    let subnet = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
    let link =
        PrivateLink { scope: "forensys-ampls".to_owned(), subnet: Some(subnet.to_owned()), zones: zones("public") };
    let steps = steps(&Settings { private_link: Some(link), ..settings() }, &provisioned());
    for (at, step) in steps.iter().enumerate() {
        for id in &step.after {
            assert!(steps.iter().position(|other| other.id == *id).unwrap() < at, "{} waits for {id}", step.line());
        }
    }
}
