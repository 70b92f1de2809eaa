//! Plans carried out against a small Resource Manager on loopback that keeps what it is given.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "table! declares public rows")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    time::{Duration as TokenLife, OffsetDateTime},
};
use serde_json::json;
use tempfile::TempDir;
use url::Url;

use super::{
    cleanup::{Manner, Removal, remove},
    *,
};
use crate::{
    azure::{AzureSession, Cloud, Pace, Sleeper},
    table::Row as _,
};

crate::table! {
    /// Things.
    "things_CL": Thing {
        /// Name.
        [key] name: String,
    }
}

crate::table! {
    /// Others.
    "others_CL": Other {
        /// Name.
        [key] name: String,
    }
}

#[derive(Debug)]
struct Fixed;

#[async_trait]
impl TokenCredential for Fixed {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new("secret", OffsetDateTime::now_utc() + TokenLife::hours(1)))
    }
}

struct NoWait;

#[async_trait]
impl Sleeper for NoWait {
    async fn sleep(&self, _: Duration) {}
}

/// What is there by id, what happened, and errors still to be given: (end of the id, how often, status, code).
#[derive(Default)]
struct Manager {
    resources: BTreeMap<String, Value>,
    log: Vec<String>,
    errors: Vec<(&'static str, u32, u16, &'static str)>,
}

type Shared = Arc<Mutex<Manager>>;

async fn manage(State(manager): State<Shared>, method: Method, uri: Uri, body: Bytes) -> Response {
    let mut manager = manager.lock().unwrap();
    let id = uri.path().to_owned();
    if method == Method::GET {
        if id.ends_with("/deletedWorkspaces") {
            return Json(json!({"value": []})).into_response();
        }
        if let Some(scope) = id.strip_suffix("/roleAssignments") {
            let below =
                manager.resources.iter().filter(|(id, _)| id.starts_with(scope) && id.contains("/roleAssignments/"));
            return Json(json!({"value": below.map(|(_, role)| role).collect::<Vec<_>>()})).into_response();
        }
        if let Some(group) = id.strip_suffix("/resources") {
            let below = format!("{group}/providers/");
            let items: Vec<_> = manager.resources.keys().filter(|id| id.starts_with(&below)).collect();
            return Json(json!({"value": items.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()}))
                .into_response();
        }
        return manager.resources.get(&id).map_or(StatusCode::NOT_FOUND.into_response(), |it| Json(it).into_response());
    }
    manager.log.push(format!("{method} {}", id.rsplit('/').next().unwrap()));
    if method == Method::DELETE {
        return if manager.resources.remove(&id).is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT }
            .into_response();
    }
    if let Some(error) = manager.errors.iter_mut().find(|error| error.1 > 0 && id.contains(error.0)) {
        error.1 -= 1;
        let body = json!({"error": {"code": "Outer", "message": "m", "details": [{"code": error.3, "message": "d"}]}});
        return (StatusCode::from_u16(error.2).unwrap(), Json(body)).into_response();
    }
    let mut resource: Value = serde_json::from_slice(&body).unwrap();
    if id.contains("/dataCollectionEndpoints/") {
        resource["properties"]["logsIngestion"] = json!({"endpoint": "https://dce.example.net"});
    }
    if id.contains("/dataCollectionRules/") {
        resource["properties"]["immutableId"] = json!(format!("dcr-{}", manager.resources.len()));
    }
    manager.resources.insert(id, resource.clone());
    (StatusCode::CREATED, Json(resource)).into_response()
}

struct Scene {
    arm: Arm,
    manager: Shared,
    folder: TempDir,
}

impl Scene {
    async fn new(errors: &[(&'static str, u32, u16, &'static str)]) -> Self {
        let manager = Shared::default();
        manager.lock().unwrap().errors = errors.to_vec();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let routes = axum::Router::new().fallback(manage).with_state(Arc::clone(&manager));
        tokio::spawn(async { axum::serve(listener, routes).await });
        let cloud = Cloud { resource_manager: address.clone(), authority: address, ..Cloud::open("public").unwrap() };
        let http = cloud.http_client().unwrap();
        let session = AzureSession { cloud: Arc::new(cloud), credential: Arc::new(Fixed), http };
        let arm = Arm::new(session).with_waiting(Arc::new(NoWait), Pace::default());
        Self { arm, manager, folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("deployment.json")
    }

    async fn provision(&self) -> anyhow::Result<Deployment> {
        let tables = [Thing::TABLE, Other::TABLE];
        let prepared = prepare(&self.arm, names::tests::settings(), &tables, &self.file()).await?;
        carry_out(&self.arm, &prepared, "public", &self.file(), &|_| {}).await
    }

    async fn cleanup(&self) -> Vec<(deployment::Resource, Removal)> {
        let deployment = Deployment::read(&self.file()).unwrap();
        remove(&self.arm, &self.file(), deployment, Manner::default(), &|_, _| {}).await.unwrap()
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.manager.lock().unwrap().log)
    }
}

#[tokio::test]
async fn everything_is_made_recorded_and_found_again() {
    let scene = Scene::new(&[]).await;
    let deployment = scene.provision().await.unwrap();
    assert_eq!(scene.log().len(), 9);
    assert_eq!(deployment, Deployment::read(&scene.file()).unwrap());
    assert!(deployment.resources.iter().all(|resource| resource.created && resource.confirmed));
    let way = &deployment.tables["things_CL"];
    assert_eq!((way.endpoint.as_str(), way.stream.as_str()), ("https://dce.example.net", "Custom-things_CL"));
    assert_eq!(scene.provision().await.unwrap(), deployment);
    assert_eq!(scene.log(), [""; 0]);
}

#[tokio::test]
async fn what_azure_needs_time_for_is_waited_for() {
    let scene = Scene::new(&[
        ("/tables/", 3, 404, "ResourceNotFound"),
        ("-dcr", 2, 400, "InvalidOutputTable"),
        ("/roleAssignments/", 2, 400, "PrincipalNotFound"),
    ])
    .await;
    assert_eq!(scene.provision().await.unwrap().tables.len(), 2);
}

#[tokio::test]
async fn a_run_that_broke_off_is_told_recorded_and_goes_on() {
    let scene = Scene::new(&[("things_CL-dcr", 1, 400, "InvalidTransformOutput")]).await;
    let error = scene.provision().await.unwrap_err();
    assert!(
        error.to_string().contains("things_CL-dcr") && error.to_string().contains("InvalidTransformOutput"),
        "{error}"
    );
    let recorded = Deployment::read(&scene.file()).unwrap();
    let rule = recorded.resources.iter().find(|resource| resource.id.ends_with("things_CL-dcr")).unwrap();
    assert!(rule.created && !rule.confirmed);
    let deployment = scene.provision().await.unwrap();
    assert!(deployment.resources.iter().all(|resource| resource.created && resource.confirmed));
}

#[tokio::test]
async fn cleanup_removes_in_reverse_what_was_made_and_nothing_else() {
    let scene = Scene::new(&[]).await;
    let workspace = names::tests::settings().workspace_id();
    let theirs = json!({"location": "westeurope", "properties": {}});
    scene.manager.lock().unwrap().resources.insert(workspace.clone(), theirs);
    let group = names::tests::settings().resource_group_id();
    scene.manager.lock().unwrap().resources.insert(group.clone(), json!({"location": "westeurope"}));
    scene.provision().await.unwrap();
    let mut made: Vec<_> = scene.log().iter().map(|line| line.replace("PUT", "DELETE")).collect();
    let report = scene.cleanup().await;
    assert!(report.iter().all(|(_, end)| *end == Removal::Removed));
    let mut removed = scene.log();
    let at = |name: &str| removed.iter().position(|line| line.ends_with(name)).unwrap();
    let dce = at("forensys-dce");
    assert!(at("things_CL-dcr") < dce && dce < at("things_CL") && at("others_CL-dcr") < at("others_CL"));
    made.sort();
    removed.sort();
    assert_eq!(removed, made);
    let left: Vec<_> = scene.manager.lock().unwrap().resources.keys().cloned().collect();
    assert_eq!(left, [group, workspace]);
    let recorded = Deployment::read(&scene.file()).unwrap();
    assert!(recorded.tables.is_empty() && recorded.resources.iter().all(|resource| !resource.created));
}

#[tokio::test]
async fn a_resource_group_that_holds_more_than_ours_stays() {
    let scene = Scene::new(&[]).await;
    scene.provision().await.unwrap();
    let other = format!("{}/providers/Microsoft.Compute/disks/evidence", names::tests::settings().resource_group_id());
    scene.manager.lock().unwrap().resources.insert(other.clone(), json!({}));
    let report = scene.cleanup().await;
    let (group, end) = report.last().unwrap();
    assert!(group.id.ends_with("/ir-rg"));
    assert_eq!(*end, Removal::Kept(format!("it still holds {other}")));
    scene.manager.lock().unwrap().resources.remove(&other);
    assert_eq!(scene.cleanup().await.len(), 1);
    assert!(scene.manager.lock().unwrap().resources.is_empty());
}

#[tokio::test]
async fn a_grant_of_somebody_else_is_used_and_left() {
    let scene = Scene::new(&[("/roleAssignments/", 2, 409, "RoleAssignmentExists")]).await;
    let deployment = scene.provision().await.unwrap();
    let roles: Vec<_> = deployment.resources.iter().filter(|it| it.id.contains("/roleAssignments/")).collect();
    assert!(roles.len() == 2 && roles.iter().all(|role| !role.created && role.confirmed));
}

#[tokio::test]
async fn the_file_of_another_deployment_is_not_overwritten() {
    let scene = Scene::new(&[]).await;
    let other = r#"{"format":1,"tables":{},"resources":[{"id":"/subscriptions/s/resourceGroups/other/x","api_version":"1","created":true,"confirmed":true}]}"#;
    fs_err::write(scene.file(), other).unwrap();
    let message = scene.provision().await.unwrap_err().to_string();
    assert!(message.contains("records another deployment"), "{message}");
    assert_eq!(scene.log(), [""; 0]);
}
