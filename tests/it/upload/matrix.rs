//! The rows of what Azure is known to do, one at a time, through each verb that they concern: what passes is passed without a
//! person, what does not is said once, in the service's words, and costs nothing.

use forensys::{azure::AzureError, demo::azure::Lags, failure::Failure};
use serde_json::{Value, json};

use super::{
    faults::{ROWS, Stage, TABLE},
    schedules::{TOKENS, cleanup_once, manager, provision_once, refused_secret, through},
};

/// Of Resource Manager and the data collection rules' API.
#[tokio::test]
async fn each_known_trouble_of_resource_manager_is_passed() {
    let none = Lags::default();
    let answer = |path: &str, status: u16, code: &str| json!([{"path": path, "times": 2, "answer": {"status": status, "code": code, "message": "on purpose"}}]);
    let spoilt = |path: &str, alter: &str| json!([{"method": "PUT", "path": path, "times": 1, "alter": alter}]);
    for (what, lags, faults) in [
        ("workspace not active", Lags { workspace_inactive: 3, ..none }, json!([])),
        ("InvalidOutputTable", Lags { table_invisible: 3, ..none }, json!([])),
        ("PrincipalNotFound", Lags { principal_unknown: 3, ..none }, json!([])),
        ("slow operations", Lags { workspace_polls: 4, table_polls: 4, registration_polls: 3, ..none }, json!([])),
        (
            "429",
            none,
            json!([{"path": "/subscriptions/*", "after": 4, "times": 2, "answer": {"status": 429, "retry_after": 9}}]),
        ),
        ("500", none, answer("*/workspaces/*", 500, "InternalServerError")),
        ("503", none, answer("*/datacollectionendpoints/*", 503, "ServiceUnavailable")),
        ("409 Conflict", none, answer("*/tables/*", 409, "Conflict")),
        ("byte order mark", none, json!([{"path": "/subscriptions/*", "alter": "byte_order_mark"}])),
        ("case of ids", none, json!([{"path": "/subscriptions/*", "alter": "id_case"}])),
        ("empty 200, rule", none, spoilt("*/datacollectionrules/*", "empty_body")),
        ("empty 200, endpoint", none, spoilt("*/datacollectionendpoints/*", "empty_body")),
        ("failed operation", none, json!([{"path": "*/operationstatuses/*", "times": 1, "alter": "failed_operation"}])),
        ("cut before", none, json!([{"method": "PUT", "path": "*/tables/*", "times": 1, "cut": "before"}])),
        (
            "cut after",
            none,
            json!([{"method": "PUT", "path": "/subscriptions/*", "after": 3, "times": 1, "cut": "after"}]),
        ),
    ] {
        through(what, lags, &faults).await;
    }
}

/// A rule of the scripted Azure that acts once.
fn once(path: &str, more: Value) -> Value {
    let mut whole = json!({"path": path, "times": 1});
    whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    whole
}

fn words(status: u16, code: &str) -> Value {
    json!({"answer": {"status": status, "code": code, "message": "on purpose"}})
}

fn on(method: &str, mut more: Value) -> Value {
    more.as_object_mut().unwrap().insert("method".to_owned(), json!(method));
    more
}

/// Every verb succeeds at the first attempt, and every row arrived.
async fn passes(what: &str, faults: &Value) {
    let stage = Stage::new(Lags::default(), faults).await;
    let arm = manager(&stage);
    provision_once(&stage, &arm).await.unwrap_or_else(|error| panic!("provision, {what}: {error:#}"));
    stage.upload(None).await.unwrap_or_else(|error| panic!("upload, {what}: {error:#}"));
    assert_eq!(stage.account(what), 0, "{what}");
    cleanup_once(&stage, &arm).await.unwrap_or_else(|error| panic!("cleanup, {what}: {error:#}"));
    assert_eq!(stage.resources().await, 0, "{what}");
}

#[tokio::test]
async fn troubles_of_the_token_service_that_pass_are_passed_by_every_verb() {
    for (what, fault) in [
        ("429", json!({"answer": {"status": 429, "retry_after": 3}})),
        ("empty 500", json!({"answer": {"status": 500}})),
        ("503", words(503, "temporarily_unavailable")),
        ("504", words(504, "")),
        ("cut before", json!({"cut": "before"})),
        ("cut after", json!({"cut": "after"})),
    ] {
        // The first token is Resource Manager's, the next ingestion's; the one that expires in a removal is renewed.
        let mut faults: Vec<_> = [0, 2, 4]
            .map(|after| {
                let mut fault = once(TOKENS, fault.clone());
                fault.as_object_mut().unwrap().insert("after".to_owned(), json!(after));
                fault
            })
            .into();
        faults.push(once("*/roleassignments/*", on("DELETE", json!({"expire_token": true}))));
        passes(what, &Value::Array(faults)).await;
    }
}

#[tokio::test]
async fn the_pause_that_the_token_service_asks_for_is_made() {
    let fault = once(TOKENS, json!({"answer": {"status": 429, "retry_after": 77}}));
    let stage = Stage::new(Lags::default(), &json!([fault])).await;
    manager(&stage).caller().await.unwrap();
    let pauses = stage.clock.0.lock().unwrap().iter().map(std::time::Duration::as_secs).collect::<Vec<_>>();
    assert_eq!(pauses, [77]);
}

#[tokio::test]
async fn a_token_service_that_stays_broken_is_given_up() {
    for (fault, said) in [
        (json!({"path": TOKENS, "answer": {"status": 503}}), "127.0.0.1 answered 503"),
        (json!({"path": TOKENS, "answer": {"status": 429, "retry_after": 100_000}}), "127.0.0.1 answered 429"),
        (json!({"path": TOKENS, "cut": "before"}), "signing in to Azure failed"),
    ] {
        let stage = Stage::new(Lags::default(), &json!([fault])).await;
        let error = manager(&stage).caller().await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        let pauses = stage.clock.0.lock().unwrap().clone();
        assert_eq!(pauses.len(), 5, "{pauses:?}");
        assert!(pauses.iter().all(|pause| pause.as_secs() <= 300), "{pauses:?}");
    }
}

#[tokio::test]
async fn a_sign_in_that_is_refused_is_told_at_once_with_the_reason_and_the_fix() {
    let refusal = |after: u64, status: u16| {
        json!([{"path": TOKENS, "after": after, "times": 1, "answer": {"status": status, "body": refused_secret()}},
               {"path": "*/roleassignments/*", "method": "DELETE", "times": 1, "expire_token": true}])
    };
    let told = |error: anyhow::Error| {
        let failure = match error.downcast::<AzureError>() {
            Ok(error) => Failure::from(error),
            Err(error) => error.downcast::<Failure>().unwrap(),
        };
        assert!(failure.message.contains("AADSTS7000222: The provided client secret"), "{failure}");
        assert!(failure.fix.unwrap().contains("has not expired"));
    };
    // It acts once: whoever repeated the request would not see an error.
    let stage = Stage::new(Lags::default(), &refusal(0, 401)).await;
    let arm = manager(&stage);
    told(provision_once(&stage, &arm).await.unwrap_err());
    assert_eq!(stage.resources().await, 0);
    provision_once(&stage, &arm).await.unwrap();

    let stage = Stage::new(Lags::default(), &refusal(1, 400)).await;
    let arm = manager(&stage);
    provision_once(&stage, &arm).await.unwrap();
    told(stage.upload(None).await.unwrap_err());
    assert!(stage.spooled().is_empty());
    stage.upload(None).await.unwrap();
    assert_eq!(stage.azure.arrived()[TABLE], ROWS);

    let stage = Stage::new(Lags::default(), &refusal(1, 401)).await;
    let arm = manager(&stage);
    provision_once(&stage, &arm).await.unwrap();
    let error = cleanup_once(&stage, &arm).await.unwrap_err().to_string();
    assert!(error.contains("AADSTS7000222"), "{error}");
    cleanup_once(&stage, &arm).await.unwrap();
    assert_eq!(stage.resources().await, 0);
}

#[tokio::test]
async fn a_token_that_expires_on_the_way_is_renewed_once_by_every_verb() {
    for (method, path) in [
        ("GET", "/subscriptions/*"),
        ("PUT", "*/resourcegroups/rg"),
        ("PUT", "*/tables/*"),
        ("GET", "*/operationstatuses/*"),
        ("PUT", "*/datacollectionrules/*"),
        ("POST", "*/streams/*"),
        ("DELETE", "*/datacollectionrules/*"),
        ("DELETE", "*/workspaces/*"),
        ("GET", "*/operationresults/*"),
    ] {
        passes(&format!("{method} {path}"), &json!([once(path, on(method, json!({"expire_token": true})))])).await;
    }
    // Each token is refused: one renewal, then the end.
    let stage = Stage::new(Lags::default(), &json!([{"path": "/subscriptions/*", "expire_token": true}])).await;
    let error = provision_once(&stage, &manager(&stage)).await.unwrap_err();
    assert!(format!("{error:#}").contains("401 ExpiredAuthenticationToken"), "{error:#}");
}

#[tokio::test]
async fn a_provider_that_is_not_registered_is_registered_whatever_needs_it() {
    for path in ["*/workspaces/*", "*/datacollectionendpoints/*", "*/datacollectionrules/*"] {
        let faults = json!([once(path, on("PUT", words(409, "MissingSubscriptionRegistration")))]);
        passes(path, &faults).await;
    }
}

#[tokio::test]
async fn removing_passes_what_passes() {
    for (what, fault) in [
        ("429", json!({"answer": {"status": 429, "retry_after": 2}})),
        ("500", words(500, "InternalServerError")),
        ("502", words(502, "")),
        ("503", words(503, "ServiceUnavailable")),
        ("504", words(504, "GatewayTimeout")),
        ("408", words(408, "")),
        ("409 Conflict", words(409, "Conflict")),
        ("cut before", json!({"cut": "before"})),
        ("cut after", json!({"cut": "after"})),
        ("byte order mark", json!({"alter": "byte_order_mark"})),
        ("case of ids", json!({"alter": "id_case"})),
    ] {
        for path in [
            "*/datacollectionrules/*",
            "*/tables/*",
            "*/workspaces/*",
            "*/datacollectionendpoints/*",
            "*/resourcegroups/rg",
        ] {
            let faults = json!([once(path, on("DELETE", fault.clone()))]);
            let stage = Stage::new(Lags::default(), &faults).await;
            let arm = manager(&stage);
            provision_once(&stage, &arm).await.unwrap();
            cleanup_once(&stage, &arm).await.unwrap_or_else(|error| panic!("{what}, {path}: {error:#}"));
            assert_eq!(stage.resources().await, 0, "{what}, {path}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_for_good_is_said_once_and_the_next_run_goes_on() {
    let detailed = |code: &str| {
        let detail =
            json!({"code": code, "message": format!("{code} on purpose"), "target": "properties.dataFlows[0]"});
        json!({"answer": {"status": 400, "body": {"error": {"code": "InvalidPayload", "message": "Data collection rule is invalid", "details": [detail]}}}})
    };
    let rules = "*/datacollectionrules/*";
    let mut cases = vec![
        ("*/workspaces/*", words(400, "InvalidParameter"), "InvalidParameter"),
        ("*/tables/*", words(400, "InvalidProperty"), "InvalidProperty"),
        ("*/datacollectionendpoints/*", words(403, "AuthorizationFailed"), "AuthorizationFailed"),
        ("*/roleassignments/*", words(403, "AuthorizationFailed"), "AuthorizationFailed"),
        ("*/roleassignments/*", words(400, "RoleAssignmentLimitExceeded"), "RoleAssignmentLimitExceeded"),
        ("*/resourcegroups/rg", words(403, "AuthorizationFailed"), "AuthorizationFailed"),
    ];
    for code in [
        "InvalidTransformOutput",
        "InvalidTransformQuery",
        "InvalidDataFlow",
        "InvalidStream",
        "InvalidDataSource",
        "InvalidTransform",
    ] {
        cases.push((rules, detailed(code), code));
    }
    for (path, fault, code) in cases {
        let stage = Stage::new(Lags::default(), &json!([once(path, on("PUT", fault))])).await;
        let arm = manager(&stage);
        let error = provision_once(&stage, &arm).await.unwrap_err().to_string();
        assert!(error.contains(code) && error.contains("on purpose"), "{code}: {error}");
        provision_once(&stage, &arm).await.unwrap_or_else(|error| panic!("{code}: {error:#}"));
        stage.upload(None).await.unwrap();
        assert_eq!(stage.account(code), 0);
    }
    for (path, code) in [("*/roleassignments/*", "AuthorizationFailed"), ("*/workspaces/*", "ScopeLocked")] {
        let stage = Stage::new(Lags::default(), &json!([once(path, on("DELETE", words(403, code)))])).await;
        let arm = manager(&stage);
        provision_once(&stage, &arm).await.unwrap();
        let error = cleanup_once(&stage, &arm).await.unwrap_err().to_string();
        assert!(error.contains(code), "{error}");
        cleanup_once(&stage, &arm).await.unwrap();
        assert_eq!(stage.resources().await, 0, "{code}");
    }
}
