//! The client against a scripted Resource Manager on loopback.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::VecDeque, sync::Mutex};

use async_trait::async_trait;
use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    time::{Duration as TokenLife, OffsetDateTime},
};
use serde_json::json;

use super::*;
use crate::azure::Cloud;

#[derive(Debug)]
struct Fixed;

#[async_trait]
impl TokenCredential for Fixed {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new("secret", OffsetDateTime::now_utc() + TokenLife::hours(1)))
    }
}

/// Remembers pauses instead of making them.
#[derive(Default)]
struct Pauses(Mutex<Vec<u64>>);

#[async_trait]
impl Sleeper for Pauses {
    async fn sleep(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration.as_millis() as u64);
    }
}

type Scripted = (u16, &'static [(&'static str, &'static str)], &'static str);

#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Scripted>>,
    seen: Mutex<Vec<String>>,
}

async fn play(State(script): State<Arc<Script>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    script.seen.lock().unwrap().push(format!("{} {}?{query}", request.method(), request.uri().path()));
    let (status, headers, body) = script.answers.lock().unwrap().pop_front().unwrap_or((599, &[], "script ended"));
    let mut response = (http::StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

struct Scene {
    arm: Arm,
    script: Arc<Script>,
    pauses: Arc<Pauses>,
}

impl Scene {
    async fn new(answers: &[Scripted]) -> Self {
        let script = Arc::new(Script { answers: Mutex::new(answers.to_vec().into()), seen: Mutex::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let manager = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let routes = axum::Router::new().fallback(play).with_state(Arc::clone(&script));
        tokio::spawn(async { axum::serve(listener, routes).await });
        let cloud = Cloud { resource_manager: manager.clone(), authority: manager, ..Cloud::open("public").unwrap() };
        let http = cloud.http_client().unwrap();
        let session = AzureSession { cloud: Arc::new(cloud), credential: Arc::new(Fixed), http };
        let pauses = Arc::new(Pauses::default());
        Self { arm: Arm::new(session).with_waiting(pauses.clone(), Pace::default()), script, pauses }
    }

    fn seen(&self) -> Vec<String> {
        self.script.seen.lock().unwrap().clone()
    }

    fn pauses(&self) -> Vec<u64> {
        self.pauses.0.lock().unwrap().clone()
    }
}

const ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/dataCollectionRules/r";
const DONE: &str = r#"{"id":"x","properties":{"provisioningState":"Succeeded"}}"#;

#[tokio::test]
async fn a_put_follows_the_operation_at_the_services_pace_and_returns_the_resource() {
    let scene = Scene::new(&[
        (202, &[("azure-asyncoperation", "/operations/1?api-version=9"), ("retry-after", "3")], ""),
        (200, &[("retry-after", "5")], r#"{"status":"InProgress"}"#),
        (200, &[], r#"{"status":"Succeeded"}"#),
        (200, &[], r#"{"properties":{"provisioningState":"Updating"}}"#),
        (200, &[], DONE),
    ])
    .await;
    assert_eq!(scene.arm.put(ID, "1", &json!({})).await.unwrap()["id"], "x");
    assert_eq!(scene.seen()[1], "GET /operations/1?api-version=9");
    assert_eq!(scene.seen()[4], format!("GET {ID}?api-version=1"));
    assert_eq!(scene.pauses(), [3000, 5000, 4000]);
}

#[tokio::test]
async fn throttling_and_faults_are_waited_out() {
    let scene = Scene::new(&[(429, &[("retry-after", "9")], ""), (503, &[], "busy"), (200, &[], DONE)]).await;
    scene.arm.put(ID, "1", &json!({})).await.unwrap();
    assert_eq!(scene.pauses(), [9000, 2000]);
}

#[tokio::test]
async fn a_fault_that_does_not_pass_is_told_in_the_services_words() {
    let broken: Scripted = (500, &[], r#"{"error":{"code":"Broken","message":"try later"}}"#);
    let scene = Scene::new(&[broken; 6]).await;
    let error = scene.arm.get(ID, "1").await.unwrap_err();
    assert_eq!(error.to_string(), format!("GET {ID} was refused: 500 Broken: try later"));
}

#[tokio::test]
async fn an_unregistered_provider_is_registered_first() {
    let scene = Scene::new(&[
        (409, &[], r#"{"error":{"code":"MissingSubscriptionRegistration","message":"not registered"}}"#),
        (200, &[], r#"{"registrationState":"Registering"}"#),
        (200, &[], r#"{"registrationState":"Registering"}"#),
        (200, &[], r#"{"registrationState":"Registered"}"#),
        (201, &[], DONE),
    ])
    .await;
    scene.arm.put(ID, "1", &json!({})).await.unwrap();
    assert_eq!(scene.seen()[1], "POST /subscriptions/s/providers/Microsoft.Insights/register?api-version=2025-04-01");
    assert!(scene.seen()[4].starts_with("PUT "));
}

#[tokio::test]
async fn a_delete_of_what_is_gone_is_success() {
    for answers in [&[(404u16, &[][..], "")][..], &[(202, &[("location", "/operations/2")], ""), (204, &[], "")]] {
        Scene::new(answers).await.arm.delete(ID, "1", "").await.unwrap();
    }
}

#[tokio::test]
async fn the_token_goes_to_no_address_outside_resource_manager() {
    let scene = Scene::new(&[(202, &[("location", "http://localhost.example.net/steal")], "")]).await;
    let error = scene.arm.put(ID, "1", &json!({})).await.unwrap_err().to_string();
    assert!(error.contains("points to localhost.example.net"), "{error}");
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let scene = Scene::new(&[
        (200, &[], r#"{"value":[1,2],"nextLink":"/page2?api-version=1&$skiptoken=x"}"#),
        (200, &[], "\u{feff}{\"value\":[3]}"),
    ])
    .await;
    assert_eq!(scene.arm.list("/subscriptions/s/things", "1").await.unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn patience_ends() {
    let scene =
        Scene::new(&[(202, &[("location", "/o"), ("retry-after", "1700")], ""), (202, &[("retry-after", "200")], "")])
            .await;
    let error = scene.arm.put(ID, "1", &json!({})).await.unwrap_err();
    assert!(matches!(error, AzureError::TookTooLong { minutes: 30, .. }), "{error}");
}
