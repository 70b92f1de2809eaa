//! Runs of the program that together send every request that it can send, against in-process Azures that keep what was said.

use std::{path::PathBuf, sync::Arc, time::Duration};

use forensys::{
    azure::{Arm, AzureAuth, AzureSession, Pace},
    bundle::{Bundle, BundleWriter, Outcome, SealStatus},
    demo::{
        azure::{Azure, Exchange, Lags, SUBSCRIPTION, Settings},
        scenario::aks::{NAME, RESOURCE_GROUP, diagnostic_setting, managed_cluster},
    },
    evidence::{aks, registry, service_accounts::ServiceAccountRow},
    provision::{
        self, Given, Ingestion, PrivateLink, TablePlan, TableSettings,
        cleanup::{self, Manner},
        deployment::Deployment,
    },
    table::{Row as _, Table},
    upload::{Arrivals, Client, Options, Query, upload},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    azure_simulator::{
        client::settings,
        provision::{NoWait, session, wanted},
    },
    upload::evidence::{Clock, run_file},
};

const SOFT: Manner = Manner { purge: false, keep_tables: false };
const PURGE: Manner = Manner { purge: true, keep_tables: false };
const KEEP: Manner = Manner { purge: false, keep_tables: true };

/// Everything that the runs said and were answered.
pub(super) async fn all() -> Vec<Exchange> {
    let runs: Vec<std::pin::Pin<Box<dyn Future<Output = Vec<Exchange>>>>> = vec![
        Box::pin(everything_from_nothing()),
        Box::pin(private_link()),
        Box::pin(recovered()),
        Box::pin(given_and_adopted()),
        Box::pin(own_endpoints_and_plans()),
        Box::pin(clusters()),
        Box::pin(refused()),
        Box::pin(disturbed()),
    ];
    futures::future::join_all(runs).await.into_iter().flatten().collect()
}

/// A scene with the shipped code on it.
pub(super) struct Stage {
    pub(super) azure: Azure,
    session: AzureSession,
    arm: Arm,
    folder: TempDir,
    tables: Vec<&'static Table>,
}

impl Stage {
    pub(super) async fn new(settings: Settings) -> Self {
        let azure = Azure::start(Settings { keep_exchanges: true, ..settings }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let session = session(&azure, &folder, AzureAuth::ClientSecret);
        let arm = Arm::new(session.clone()).with_waiting(Arc::new(NoWait), Pace::default());
        Self { azure, session, arm, folder, tables: vec![ServiceAccountRow::TABLE] }
    }

    fn sign_in(&mut self) {
        self.session = session(&self.azure, &self.folder, AzureAuth::ClientSecret);
        self.arm = Arm::new(self.session.clone()).with_waiting(Arc::new(NoWait), Pace::default());
    }

    fn wanted(&self) -> provision::Settings {
        wanted(&self.azure)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("deployment.json")
    }

    pub(super) async fn provision(&self, wanted: &provision::Settings) -> anyhow::Result<Deployment> {
        let prepared = provision::prepare(&self.arm, wanted.clone(), &self.tables, &self.file()).await?;
        provision::carry_out(&self.arm, &prepared, "cloud", &self.file(), &|_| {}).await
    }

    async fn provision_and_upload(&self, wanted: &provision::Settings) -> anyhow::Result<()> {
        self.provision(wanted).await?;
        self.upload().await
    }

    async fn cleanup(&self, manner: Manner) {
        let recorded = Deployment::read(&self.file()).unwrap();
        cleanup::remove(&self.arm, &self.file(), recorded, manner, &|_, _| {}).await.unwrap();
    }

    /// Uploads a bundle of a few rows and counts them in the workspace.
    async fn upload(&self) -> anyhow::Result<()> {
        let dir = self.folder.path().join("bundle");
        if !dir.exists() {
            let writer = BundleWriter::create(&dir, run_file(true)).unwrap();
            let mut unit = writer.unit("serviceaccounts", "all", &["all"]);
            for _ in 0..3 {
                unit.push(&ServiceAccountRow::sample(), None).unwrap();
            }
            unit.finish(Outcome::complete()).await.unwrap();
            writer.seal(SealStatus::Complete).await.unwrap();
        }
        let deployment = Deployment::read(&self.file()).unwrap();
        let AzureSession { http, credential, cloud, .. } = self.session.clone();
        let query = Query::of(&cloud, deployment.workspace_customer_id.as_deref()).unwrap();
        let arrivals = Arrivals::new(http.clone(), credential.clone(), query, Duration::from_secs(60));
        let client = Client::new(http, credential, &cloud.ingestion_audience);
        let sleeper = Arc::new(Clock::default());
        let options = Options { sleeper, arrivals: Some(Arc::new(arrivals)), ..Options::default() };
        upload(Arc::new(Bundle::open(&dir).unwrap()), &deployment, &client, options, &()).await.map(drop)
    }
}

/// Every table, in a subscription in which nothing is registered, while everything takes effect late.
async fn everything_from_nothing() -> Vec<Exchange> {
    let lags = Lags {
        workspace_polls: 2,
        table_polls: 2,
        registration_polls: 1,
        workspace_inactive: 2,
        table_invisible: 2,
        principal_unknown: 2,
        role_propagation: 2,
        rule_unknown: 2,
        stream_unknown: 2,
    };
    let mut stage = Stage::new(Settings { lags, registered: Vec::new(), ..settings() }).await;
    stage.tables = registry::tables();
    let wanted = stage.wanted();
    assert_eq!(provision::only_subscription(&stage.arm).await.unwrap(), wanted.subscription);
    stage.provision(&wanted).await.unwrap();
    stage.upload().await.unwrap();
    let tables = TableSettings { plan: None, retention: Some(90), total_retention: Some(365) };
    stage.provision(&provision::Settings { tables, ..wanted.clone() }).await.unwrap();
    stage.provision(&wanted).await.unwrap();
    stage.cleanup(SOFT).await;
    stage.cleanup(SOFT).await;
    stage.azure.exchanges()
}

/// Private link into a network, over what was open before.
async fn private_link() -> Vec<Exchange> {
    let stage = Stage::new(Settings { registered: Vec::new(), ..settings() }).await;
    let open = stage.wanted();
    stage.provision(&open).await.unwrap();
    let subnet = format!("{}/providers/Microsoft.Network/virtualNetworks/hub/subnets/soc", open.resource_group_id());
    let zones = stage.arm.cloud().private_dns_zones.clone();
    let link = PrivateLink { scope: "ampls".to_owned(), subnet: Some(subnet), zones };
    let closed = provision::Settings { private_link: Some(link), ..open };
    for _ in 0..2 {
        stage.provision(&closed).await.unwrap();
    }
    stage.cleanup(PURGE).await;
    stage.provision(&closed).await.unwrap();
    stage.azure.exchanges()
}

/// A workspace that was deleted comes back, with its resource group or without.
async fn recovered() -> Vec<Exchange> {
    let stage = Stage::new(settings()).await;
    let wanted = stage.wanted();
    stage.provision(&wanted).await.unwrap();
    stage.arm.delete(&wanted.workspace_id(), provision::Kind::Workspace.version(), "").await.unwrap();
    stage.provision(&wanted).await.unwrap();
    stage.cleanup(SOFT).await;
    stage.provision(&wanted).await.unwrap();
    stage.azure.exchanges()
}

/// What others made is used by its ids; a table of theirs is adopted; the tables stay at the end.
async fn given_and_adopted() -> Vec<Exchange> {
    let stage = Stage::new(settings()).await;
    let theirs = provision::Settings { resource_group: "soc".to_owned(), ..stage.wanted() };
    stage.provision(&theirs).await.unwrap();
    fs_err::remove_file(stage.file()).unwrap();
    let rules = stage.tables.iter().map(|table| (table.name.to_owned(), theirs.rule_id(table.name))).collect();
    let given = Given { workspace: Some(theirs.workspace_id()), endpoint: Some(theirs.endpoint_id()), rules };
    stage.provision(&provision::Settings { given: given.clone(), ..stage.wanted() }).await.unwrap();
    let ours = Given { rules: [].into(), ..given };
    fs_err::remove_file(stage.file()).unwrap();
    stage.provision(&provision::Settings { given: ours, ..stage.wanted() }).await.unwrap();
    fs_err::remove_file(stage.file()).unwrap();
    let tables = TableSettings { plan: Some(TablePlan::Analytics), retention: Some(60), total_retention: None };
    stage.provision(&provision::Settings { adopt: true, tables, ..theirs }).await.unwrap();
    stage.cleanup(KEEP).await;
    stage.azure.exchanges()
}

/// Rules with endpoints of their own, tables of the plan Basic that stay.
pub(super) async fn own_endpoints_and_plans() -> Vec<Exchange> {
    let stage = Stage::new(settings()).await;
    let tables = TableSettings { plan: Some(TablePlan::Basic), retention: None, total_retention: Some(365) };
    let wanted = provision::Settings { ingestion: Ingestion::Direct, tables, ..stage.wanted() };
    for _ in 0..2 {
        stage.provision(&wanted).await.unwrap();
    }
    stage.upload().await.unwrap();
    stage.cleanup(KEEP).await;
    stage.cleanup(PURGE).await;
    stage.azure.exchanges()
}

/// The AKS cluster, found in each of the ways that there are.
async fn clusters() -> Vec<Exchange> {
    let settings = Settings {
        clusters: vec![managed_cluster(SUBSCRIPTION)],
        diagnostic_settings: vec![diagnostic_setting(SUBSCRIPTION)],
        ..settings()
    };
    let stage = Stage::new(settings).await;
    let named = Some([SUBSCRIPTION, RESOURCE_GROUP, NAME].map(str::to_owned));
    let node = format!("azure:///subscriptions/{SUBSCRIPTION}/resourceGroups/MC_shop-rg_shop_westeurope/x");
    let server_host = "shop-x1y2z3.hcp.westeurope.azmk8s.io".to_owned();
    for hint in [
        aks::Hint { named, ..aks::Hint::default() },
        aks::Hint { provider_ids: vec![node], ..aks::Hint::default() },
        aks::Hint { server_host, ..aks::Hint::default() },
    ] {
        let reading = aks::read(&stage.arm, &hint).await;
        assert!(matches!(reading, aks::Reading::Found { diagnostics: Ok(_), .. }), "{reading:?}");
    }
    let nobody = [SUBSCRIPTION, RESOURCE_GROUP, "other"].map(str::to_owned);
    aks::read(&stage.arm, &aks::Hint { named: Some(nobody), ..aks::Hint::default() }).await;
    stage.azure.exchanges()
}

/// What Azure refuses for good: a transformation, and rows of somebody without a role.
async fn refused() -> Vec<Exchange> {
    let stage = Stage::new(settings()).await;
    let query = "source | extend more = 1".to_owned();
    let transforms = [(stage.tables[0].name.to_owned(), query)].into();
    let unassigned = provision::Settings { publisher: None, ..stage.wanted() };
    stage.provision(&provision::Settings { transforms, ..unassigned.clone() }).await.unwrap_err();
    stage.provision(&unassigned).await.unwrap();
    stage.upload().await.unwrap_err();
    let mut file: Value = serde_json::from_slice(&fs_err::read(stage.file()).unwrap()).unwrap();
    file["workspace_customer_id"] = json!("00000000-0000-0000-0000-000000000000");
    fs_err::write(stage.file(), file.to_string()).unwrap();
    stage.provision(&stage.wanted()).await.unwrap();
    let rule = stage.wanted().rule_id(stage.tables[0].name);
    stage.upload().await.unwrap();
    stage.arm.delete(&rule, provision::Kind::Rule.version(), "").await.unwrap();
    stage.azure.exchanges()
}

/// Everything goes wrong once, and is gone through again until it is done.
async fn disturbed() -> Vec<Exchange> {
    let once = |path: &str, after: u64, what: Value| {
        let mut fault = what;
        let members = fault.as_object_mut().unwrap();
        members.extend([
            ("path".to_owned(), json!(path)),
            ("after".to_owned(), json!(after)),
            ("times".to_owned(), json!(1)),
        ]);
        fault
    };
    let answer = |status: u16, code: &str| json!({"answer": {"status": status, "code": code, "message": "on purpose", "retry_after": 0}});
    let alters = ["byte_order_mark", "empty_body", "id_case", "failed_operation"];
    let mut faults: Vec<Value> = Vec::new();
    for (at, alter) in alters.iter().enumerate() {
        faults.push(once("*/operationstatuses/*", at as u64, json!({"alter": alter})));
        faults.push(once("*/resourcegroups/rg*", 3 * at as u64, json!({"alter": alter})));
    }
    for (at, what) in [
        answer(429, "TooManyRequests"),
        answer(503, "ServiceUnavailable"),
        answer(409, "Conflict"),
        json!({"answer": {"status": 500}}),
        json!({"cut": "before"}),
        json!({"cut": "after"}),
        json!({"expire_token": true}),
    ]
    .into_iter()
    .enumerate()
    {
        faults.push(once("/subscriptions/*", 2 + 4 * at as u64, what.clone()));
        faults.push(once("*/streams/*", at as u64, what));
    }
    let faults = serde_json::from_value(Value::Array(faults)).unwrap();
    let mut stage = Stage::new(Settings { faults, ..settings() }).await;
    let wanted = stage.wanted();
    let mut errors = Vec::new();
    while let Err(error) = stage.provision_and_upload(&wanted).await {
        errors.push(format!("{error:#}"));
        assert!(errors.len() < 30, "it does not come to an end: {errors:#?}");
        // As a new process does, which keeps no token.
        stage.sign_in();
    }
    stage.cleanup(PURGE).await;
    stage.azure.exchanges()
}
