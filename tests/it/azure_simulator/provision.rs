//! The shipped client against the in-process Azure: signing in, provisioning every table, and removing it all.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use forensys::{
    azure::{Arm, AzureAuth, AzureSession, Cloud, CredentialSettings, Pace, Sleeper},
    demo::azure::{Azure, Lags, Settings},
    evidence::registry,
    provision::{self, Action, Principal, cleanup, deployment::Deployment},
};
use serde_json::json;
use tempfile::TempDir;

use super::client::{Client, settings};

pub(crate) struct NoWait;

#[async_trait]
impl Sleeper for NoWait {
    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

pub(super) fn session(azure: &Azure, folder: &TempDir, auth: AzureAuth) -> AzureSession {
    let cloud = Cloud::open(azure.cloud_file(folder.path()).unwrap().to_str().unwrap()).unwrap();
    let credentials = azure.credentials();
    let (certificate, token) = (folder.path().join("client.pem"), folder.path().join("token"));
    fs_err::write(&certificate, &credentials.client_certificate().unwrap().pem).unwrap();
    fs_err::write(&token, &credentials.federated_token).unwrap();
    let settings = CredentialSettings {
        auth,
        tenant_id: Some(credentials.tenant_id.clone()),
        client_id: Some(credentials.client_id.clone()),
        client_secret: Some(credentials.client_secret.clone().into()),
        client_certificate: Some(certificate),
        federated_token_file: Some(token),
        token_file: None,
    };
    AzureSession::open(cloud, &settings).unwrap()
}

pub(crate) fn wanted(azure: &Azure) -> provision::Settings {
    let credentials = azure.credentials();
    provision::Settings {
        subscription: credentials.subscription_id.clone(),
        resource_group: "rg".to_owned(),
        create_resource_group: true,
        workspace: "logs".to_owned(),
        endpoint: "dce".to_owned(),
        location: Some("westeurope".to_owned()),
        publisher: Some(Principal {
            id: credentials.principal_object_id.clone(),
            kind: Some("ServicePrincipal".to_owned()),
        }),
        ..provision::Settings::default()
    }
}

#[tokio::test]
async fn every_way_to_sign_in_without_a_person_is_taken() {
    let azure = Azure::start(Settings::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for auth in [AzureAuth::ClientSecret, AzureAuth::ClientCertificate, AzureAuth::WorkloadIdentity, AzureAuth::Auto] {
        let arm = Arm::new(session(&azure, &folder, auth));
        let caller = provision::caller(&arm).await.unwrap_or_else(|error| panic!("{}: {error}", auth.name()));
        assert_eq!(caller.id, azure.credentials().principal_object_id, "{}", auth.name());
        let subscription = provision::only_subscription(&arm).await.unwrap();
        assert_eq!(subscription, azure.credentials().subscription_id);
    }
}

#[tokio::test]
async fn every_table_is_provisioned_despite_lags_and_faults_and_removed_again() {
    let lags = Lags {
        workspace_polls: 2,
        table_polls: 2,
        registration_polls: 1,
        workspace_inactive: 3,
        table_invisible: 2,
        principal_unknown: 2,
        ..Lags::default()
    };
    let faults = json!([
        {"method": "PUT", "path": "*/dataCollectionEndpoints/*", "times": 1, "answer": {"status": 429, "retry_after": 1}},
        {"method": "PUT", "path": "*/dataCollectionRules/*", "times": 2, "answer": {"status": 500}},
        {"path": "*/operationstatuses/*", "times": 1, "alter": "byte_order_mark"},
        {"path": "*/operationstatuses/*", "after": 3, "times": 1, "cut": "after"},
    ]);
    let faults = serde_json::from_value(faults).unwrap();
    let azure = Azure::start(Settings { tls: true, lags, faults, registered: Vec::new(), ..settings() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let arm =
        Arm::new(session(&azure, &folder, AzureAuth::ClientSecret)).with_waiting(Arc::new(NoWait), Pace::default());
    let file = folder.path().join("deployment.json");
    let tables = registry::tables();

    let prepared = provision::prepare(&arm, wanted(&azure), &tables, &file).await.unwrap();
    assert!(prepared.plan.steps.iter().all(|step| step.action == Action::Create));
    let made = provision::carry_out(&arm, &prepared, "cloud", &file, &|_| {}).await.unwrap();
    assert_eq!(made.tables.len(), tables.len());
    let again = provision::prepare(&arm, wanted(&azure), &tables, &file).await.unwrap();
    let changes: Vec<_> =
        again.plan.steps.iter().filter(|step| step.action != Action::Unchanged).map(|s| s.line()).collect();
    assert!(changes.is_empty(), "what is there is as it was sent: {changes:?}");

    let client = Client::join(azure).await;
    let one = &made.tables["kubeevents_CL"];
    let address = format!("{}/dataCollectionRules/{}/streams/{}", one.endpoint, one.immutable_id, one.stream);
    assert_eq!(client.upload(&address, &json!([{"reason": "BackOff"}])).await.status, 204);
    assert_eq!(client.azure.arrived()["kubeevents_CL"], 1);

    let recorded = Deployment::read(&file).unwrap();
    let removed =
        cleanup::remove(&arm, &file, recorded, cleanup::Manner { purge: true, keep_tables: false }, &|_, _| {})
            .await
            .unwrap();
    let kept: Vec<_> = removed.iter().filter(|(_, end)| *end != cleanup::Removal::Removed).collect();
    assert!(kept.is_empty(), "{kept:?}");
    assert_eq!(client.get(&client.group()).await.status, 404);
}
