//! Whole deployments against the in-process Azure: made, made again, made from what others have, broken off and undone.

use std::{path::PathBuf, sync::Arc};

use forensys::{
    azure::{Arm, AzureAuth, Pace},
    demo::azure::{Azure, Settings},
    evidence::registry,
    provision::{
        self, Given, Ingestion, Plan, PrivateLink, TableSettings,
        cleanup::{self, Manner, Removal},
        deployment::Deployment,
    },
    table::Table,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    client::{Client, settings},
    provision::{NoWait, session, wanted},
};

/// An in-process Azure, somebody who provisions in it, and two tables.
pub(super) struct Scene {
    client: Client,
    pub(super) arm: Arm,
    folder: TempDir,
    pub(super) tables: Vec<&'static Table>,
}

impl Scene {
    pub(super) async fn new(settings: Settings) -> Self {
        let azure = Azure::start(settings).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let session = session(&azure, &folder, AzureAuth::ClientSecret);
        let arm = Arm::new(session).with_waiting(Arc::new(NoWait), Pace::default());
        let tables = registry::tables().into_iter().take(2).collect();
        Self { client: Client::join(azure).await, arm, folder, tables }
    }

    pub(super) fn wanted(&self) -> provision::Settings {
        wanted(&self.client.azure)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("deployment.json")
    }

    async fn plan(&self, wanted: &provision::Settings) -> Plan {
        provision::prepare(&self.arm, wanted.clone(), &self.tables, &self.file()).await.unwrap().plan
    }

    pub(super) async fn provision(&self, wanted: &provision::Settings) -> anyhow::Result<Deployment> {
        let prepared = provision::prepare(&self.arm, wanted.clone(), &self.tables, &self.file()).await?;
        provision::carry_out(&self.arm, &prepared, "cloud", &self.file(), &|_| {}).await
    }

    /// The lines of the steps that are anything but unchanged.
    pub(super) async fn changes(&self, wanted: &provision::Settings) -> Vec<String> {
        let plan = self.plan(wanted).await;
        plan.steps.iter().map(|step| step.line()).filter(|line| !line.starts_with("unchanged")).collect()
    }

    async fn cleanup(&self, manner: Manner) -> Vec<(String, Removal)> {
        let recorded = Deployment::read(&self.file()).unwrap();
        let report = cleanup::remove(&self.arm, &self.file(), recorded, manner, &|_, _| {}).await.unwrap();
        report.into_iter().map(|(resource, end)| (resource.id, end)).collect()
    }

    async fn status(&self, id: &str) -> u16 {
        self.client.get(id).await.status.as_u16()
    }
}

const PURGE: Manner = Manner { purge: true, keep_tables: false };

#[tokio::test]
async fn rules_with_their_own_endpoints_take_rows_without_any_other_endpoint() {
    let scene = Scene::new(settings()).await;
    let wanted = provision::Settings { ingestion: Ingestion::Direct, ..scene.wanted() };
    let made = scene.provision(&wanted).await.unwrap();
    assert_eq!(scene.changes(&wanted).await, [""; 0]);
    assert_eq!(scene.status(&wanted.endpoint_id()).await, 404, "no data collection endpoint was made");
    let (table, way) = made.tables.iter().next().unwrap();
    let columns = scene.tables.iter().find(|known| known.name == table).unwrap().columns();
    assert_eq!(way.columns, columns.map(|column| column.name).collect::<Vec<_>>(), "upload holds rows against these");
    assert!(way.endpoint.ends_with(".logs"), "{}", way.endpoint);
    let address = format!("{}/dataCollectionRules/{}/streams/{}", way.endpoint, way.immutable_id, way.stream);
    assert_eq!(scene.client.upload(&address, &json!([{}])).await.status, 204);
    assert_eq!(scene.client.azure.arrived()[table], 1);
}

#[tokio::test]
async fn private_link_is_made_found_again_and_undone_from_its_links() {
    let scene = Scene::new(settings()).await;
    let open = scene.wanted();
    scene.provision(&open).await.unwrap();
    let subnet = "Microsoft.Network/virtualNetworks/hub/subnets/soc";
    let subnet = Some(format!("{}/providers/{subnet}", open.resource_group_id()));
    let link = PrivateLink { scope: "ampls".to_owned(), subnet, zones: scene.arm.cloud().private_dns_zones.clone() };
    let closed = provision::Settings { private_link: Some(link.clone()), ..open.clone() };
    scene.provision(&closed).await.unwrap();
    assert_eq!(scene.changes(&closed).await, [""; 0]);
    let workspace = scene.client.get(&closed.workspace_id()).await.json()["properties"].clone();
    assert_eq!(workspace["publicNetworkAccessForIngestion"], "Disabled");
    assert_eq!(workspace["retentionInDays"], 30);
    let endpoint = scene.client.get(&closed.endpoint_id()).await.json()["properties"].clone();
    assert_eq!(endpoint["networkAcls"]["publicNetworkAccess"], "Disabled");
    let report = scene.cleanup(PURGE).await;
    assert!(report.iter().all(|(_, end)| *end == Removal::Removed), "{report:?}");
    assert!(report[0].0.contains("/scopedResources/") && report[1].0.contains("/scopedResources/"));
    assert_eq!(scene.status(&open.resource_group_id()).await, 404);
}

#[tokio::test]
async fn a_run_that_is_cut_off_anywhere_is_finished_by_the_next_and_undone_as_a_whole() {
    for number in 0..10_u64 {
        // One change is carried out and never answered, however often it is repeated.
        let cut = json!([{"method": "PUT", "path": "*", "after": number, "times": 6, "cut": "after"}]);
        let scene = Scene::new(Settings { faults: serde_json::from_value(cut).unwrap(), ..settings() }).await;
        let wanted = scene.wanted();
        let mut runs = 0;
        while let Err(error) = scene.provision(&wanted).await {
            runs += 1;
            assert!(runs < 4, "cut at {number}: {error:#}");
        }
        assert_eq!(scene.changes(&wanted).await, [""; 0], "cut at {number}");
        let recorded = Deployment::read(&scene.file()).unwrap();
        assert!(recorded.resources.iter().all(|it| it.created && it.confirmed), "cut at {number}: {recorded:?}");
        let report = scene.cleanup(PURGE).await;
        assert!(report.iter().all(|(_, end)| *end == Removal::Removed), "cut at {number}: {report:?}");
        assert_eq!(scene.status(&wanted.resource_group_id()).await, 404, "cut at {number}");
    }
}

#[tokio::test]
async fn a_deleted_workspace_comes_back_with_all_columns_of_its_tables() {
    let scene = Scene::new(settings()).await;
    let wanted = scene.wanted();
    scene.provision(&wanted).await.unwrap();
    let table = wanted.table_id(scene.tables[0].name);
    let mut grown = scene.client.get(&table).await.json()["properties"]["schema"].clone();
    grown["columns"].as_array_mut().unwrap().push(json!({"name": "theirs", "type": "string"}));
    let body = json!({"properties": {"schema": {"name": grown["name"], "columns": grown["columns"]}}});
    let started = scene.client.put(&table, body).await;
    scene.client.finish(&started).await;
    let deleted = scene.client.delete(&wanted.workspace_id()).await;
    scene.client.finish(&deleted).await;
    for id in scene.tables.iter().map(|table| wanted.rule_id(table.name)) {
        scene.client.delete(&id).await;
    }
    let changes = scene.changes(&wanted).await;
    assert!(changes[0].starts_with("recover    workspace") && changes[0].contains("rows"), "{changes:?}");
    scene.provision(&wanted).await.unwrap();
    let columns = scene.client.get(&table).await.json()["properties"]["schema"]["columns"].clone();
    assert!(columns.as_array().unwrap().iter().any(|column| column["name"] == "theirs"), "{columns}");
    let recorded = Deployment::read(&scene.file()).unwrap();
    let recovered: Vec<_> = recorded.resources.iter().filter(|it| it.recovered).map(|it| it.id.as_str()).collect();
    assert_eq!(recovered, [wanted.workspace_id()], "cleanup --purge warns of its old rows");
    assert_eq!(scene.changes(&wanted).await, [""; 0]);
}

#[tokio::test]
async fn a_deleted_workspace_is_seen_when_its_resource_group_is_gone_too() {
    let scene = Scene::new(settings()).await;
    let wanted = scene.wanted();
    scene.provision(&wanted).await.unwrap();
    let deleted = scene.client.delete(&wanted.workspace_id()).await;
    scene.client.finish(&deleted).await;
    let group = scene.client.delete(&wanted.resource_group_id()).await;
    for _ in 0..2 {
        scene.client.call(reqwest::Method::GET, group.header("location"), None).await;
    }
    let changes = scene.changes(&wanted).await;
    assert!(changes[0].starts_with("create     resource group"), "{changes:?}");
    assert!(changes[1].starts_with("recover    workspace"), "{changes:?}");
    scene.provision(&wanted).await.unwrap();
    assert_eq!(scene.changes(&wanted).await, [""; 0]);
}

#[tokio::test]
async fn what_others_made_is_used_by_its_ids_and_survives_cleanup() {
    let scene = Scene::new(settings()).await;
    let theirs = provision::Settings { resource_group: "soc".to_owned(), ..scene.wanted() };
    scene.provision(&theirs).await.unwrap();
    fs_err::remove_file(scene.file()).unwrap();
    let rules = scene.tables.iter().map(|table| (table.name.to_owned(), theirs.rule_id(table.name)));
    let given =
        Given { workspace: Some(theirs.workspace_id()), endpoint: Some(theirs.endpoint_id()), rules: rules.collect() };
    let ours = provision::Settings { given: given.clone(), create_resource_group: false, ..scene.wanted() };
    assert_eq!(scene.changes(&ours).await, [""; 0], "nothing lies in our group, so it need not be there");
    let made = scene.provision(&ours).await.unwrap();
    assert_eq!(made.tables.len(), 2);
    assert!(made.resources.iter().all(|resource| !resource.created && !resource.adopted));
    assert!(scene.cleanup(PURGE).await.is_empty());

    let rules_of_our_own = Given { rules: [].into(), ..given };
    let ours = provision::Settings { given: rules_of_our_own, ..scene.wanted() };
    fs_err::remove_file(scene.file()).unwrap();
    scene.provision(&ours).await.unwrap();
    assert_eq!(scene.changes(&ours).await, [""; 0]);
    let report = scene.cleanup(PURGE).await;
    assert_eq!(report.len(), 5, "two rules, two roles and the group: {report:?}");
    assert_eq!(scene.status(&theirs.table_id(scene.tables[0].name)).await, 200);
}

#[tokio::test]
async fn a_table_of_somebody_else_is_changed_only_when_allowed_and_never_removed() {
    let scene = Scene::new(settings()).await;
    let theirs = scene.wanted();
    scene.provision(&theirs).await.unwrap();
    fs_err::remove_file(scene.file()).unwrap();
    let tables = TableSettings { retention: Some(90), ..TableSettings::default() };
    let longer = provision::Settings { tables, ..theirs.clone() };
    let error = scene.provision(&longer).await.unwrap_err().to_string();
    assert!(error.contains("was not made here") && error.contains("retentionInDays"), "{error}");
    assert!(!scene.file().exists(), "nothing was changed, and nothing recorded");
    let adopting = provision::Settings { adopt: true, ..longer.clone() };
    scene.provision(&adopting).await.unwrap();
    let table = theirs.table_id(scene.tables[0].name);
    assert_eq!(scene.client.get(&table).await.json()["properties"]["retentionInDays"], 90);
    assert_eq!(scene.changes(&longer).await, [""; 0]);
    let shorter = TableSettings { retention: Some(60), ..TableSettings::default() };
    let shorter = provision::Settings { tables: shorter, ..theirs };
    assert!(scene.changes(&shorter).await.iter().all(|line| line.starts_with("update")), "it is adopted by now");
    assert!(scene.cleanup(PURGE).await.is_empty());
}

#[tokio::test]
async fn tables_that_are_to_stay_keep_their_rows_for_the_shortest_time() {
    let scene = Scene::new(settings()).await;
    let wanted = scene.wanted();
    scene.provision(&wanted).await.unwrap();
    let keep = Manner { purge: false, keep_tables: true };
    for _ in 0..2 {
        let report = scene.cleanup(keep).await;
        let stay: Vec<_> = report.iter().filter(|(_, end)| matches!(end, Removal::Stays(_))).collect();
        assert_eq!(stay.len(), 4, "two tables, workspace and group: {report:?}");
        assert!(report.iter().all(|(_, end)| !matches!(end, Removal::Kept(_))));
    }
    let table = scene.client.get(&wanted.table_id(scene.tables[0].name)).await.json()["properties"].clone();
    assert_eq!((&table["retentionInDays"], &table["totalRetentionInDays"]), (&json!(4), &json!(4)));
    assert_eq!(scene.status(&wanted.rule_id(scene.tables[0].name)).await, 404);
    assert!(Deployment::read(&scene.file()).unwrap().tables.is_empty(), "no rule leads to them any more");
    let report = scene.cleanup(PURGE).await;
    assert!(report.iter().all(|(_, end)| *end == Removal::Removed), "{report:?}");
}

#[tokio::test]
async fn an_obstacle_stops_everything_before_anything_is_changed() {
    let probe = Azure::start(settings()).await.unwrap();
    let ids = wanted(&probe);
    let table = ids.table_id(registry::tables()[0].name);
    let existing = |id: &str, kind: &str, properties: Value| json!({"id": id, "name": id.rsplit('/').next(), "type": kind, "location": "westeurope", "properties": properties});
    let workspaces = "Microsoft.OperationalInsights/workspaces";
    let classic = json!({"schema": {"columns": [], "tableSubType": "Classic"}});
    let resources = vec![
        existing(&ids.resource_group_id(), "Microsoft.Resources/resourceGroups", json!({})),
        existing(&ids.workspace_id(), workspaces, json!({"provisioningState": "Succeeded"})),
        existing(&table, &format!("{workspaces}/tables"), classic),
    ];
    let scene = Scene::new(Settings { resources, ..settings() }).await;
    let wanted = scene.wanted();
    let error = scene.provision(&wanted).await.unwrap_err();
    assert!(error.to_string().contains("classic kind"), "{error}");
    assert_eq!(scene.status(&wanted.endpoint_id()).await, 404);
    let migrate = format!("{table}/migrate?api-version=2025-07-01");
    assert_eq!(scene.client.call(reqwest::Method::POST, &migrate, None).await.status, 200);
    let adopting = provision::Settings { adopt: true, ..wanted };
    scene.provision(&adopting).await.unwrap();
}

#[tokio::test]
async fn a_transformation_that_azure_refuses_is_told_with_its_reason() {
    let scene = Scene::new(settings()).await;
    let query = "source | extend more = 1".to_owned();
    let wanted =
        provision::Settings { transforms: [(scene.tables[0].name.to_owned(), query)].into(), ..scene.wanted() };
    let error = scene.provision(&wanted).await.unwrap_err().to_string();
    assert!(error.contains("InvalidTransformQuery") && error.contains("extend more = 1"), "{error}");
    let changes = scene.changes(&wanted).await;
    assert!(changes[0].starts_with("create     data collection rule"), "{changes:?}");
    assert!(changes.iter().all(|line| !line.contains(" table ")), "what was made stands: {changes:?}");
}

#[tokio::test]
async fn a_grant_under_another_name_is_enough() {
    let scene = Scene::new(settings()).await;
    let unassigned = provision::Settings { publisher: None, ..scene.wanted() };
    scene.provision(&unassigned).await.unwrap();
    let principal = &scene.client.azure.credentials().principal_object_id;
    for table in &scene.tables {
        let id = format!(
            "{}/providers/Microsoft.Authorization/roleAssignments/{}",
            unassigned.rule_id(table.name),
            uuid::Uuid::new_v4()
        );
        let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{}", provision::PUBLISHER_ROLE);
        let body = json!({"properties": {"roleDefinitionId": role, "principalId": principal}});
        assert_eq!(scene.client.put(&id, body).await.status, 201);
    }
    assert_eq!(scene.changes(&scene.wanted()).await, [""; 0]);
}
