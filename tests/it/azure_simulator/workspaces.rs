//! Workspaces: long-running, soft-deleted, recovered.

use forensys::demo::azure::{Lags, Settings};
use reqwest::Method;
use serde_json::json;

use super::client::{Client, settings, table_body};

#[tokio::test]
async fn a_workspace_is_provisioned_before_it_is_there() {
    let lags = Lags { workspace_polls: 2, ..Lags::default() };
    let client = Client::start(Settings { lags, retry_after: 7, ..settings() }).await;
    client.put(&client.group(), json!({"location": "westeurope"})).await;
    let started = client.put(&client.workspace(), json!({"location": "westeurope", "properties": {}})).await;
    assert_eq!(started.status, 201);
    assert_eq!(started.json()["properties"]["provisioningState"], "ProvisioningAccount");
    assert_eq!(started.header("retry-after"), "7");
    let operation = started.header("azure-asyncoperation");
    let mut states = Vec::new();
    for _ in 0..3 {
        let body = client.call(Method::GET, operation, None).await.json();
        states.push(body["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(states, ["InProgress", "InProgress", "Succeeded"]);
    let workspace = client.get(&client.workspace()).await.json();
    assert_eq!(workspace["properties"]["provisioningState"], "Succeeded");
    assert!(workspace["properties"]["customerId"].is_string());
    let (sent, shown) = (client.workspace(), workspace["id"].as_str().unwrap());
    assert!(sent != shown && sent.eq_ignore_ascii_case(shown), "the id comes back in another case: {shown}");
}

#[tokio::test]
async fn a_get_of_the_workspace_serves_to_wait_as_well() {
    let lags = Lags { workspace_polls: 1, ..Lags::default() };
    let client = Client::start(Settings { lags, ..settings() }).await;
    client.put(&client.group(), json!({"location": "westeurope"})).await;
    client.put(&client.workspace(), json!({"location": "westeurope", "properties": {}})).await;
    let mut states = Vec::new();
    for _ in 0..3 {
        let body = client.get(&client.workspace()).await.json();
        states.push(body["properties"]["provisioningState"].as_str().unwrap().to_owned());
    }
    assert_eq!(states, ["ProvisioningAccount", "ProvisioningAccount", "Succeeded"]);
}

#[tokio::test]
async fn a_new_workspace_does_not_take_tables_at_once() {
    let lags = Lags { workspace_inactive: 2, ..Lags::default() };
    let client = Client::start(Settings { lags, ..settings() }).await;
    client.make_workspace().await;
    for _ in 0..2 {
        let refused = client.put(&client.table("things_CL"), table_body("things_CL")).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (404, "ResourceNotFound"));
        assert!(refused.text.contains("Workspace not active"));
    }
    client.make_table("things_CL").await;
}

#[tokio::test]
async fn a_deleted_workspace_is_recovered_with_its_tables_unless_it_was_forced() {
    let client = Client::start(settings()).await;
    client.make_workspace().await;
    client.make_table("things_CL").await;
    let customer = client.get(&client.workspace()).await.json()["properties"]["customerId"].clone();

    let deleted = client.delete(&client.workspace()).await;
    assert_eq!(client.finish(&deleted).await["status"], "Succeeded");
    assert_eq!(client.get(&client.workspace()).await.status, 404);
    assert_eq!(client.delete(&client.workspace()).await.status, 204, "a second delete finds nothing to do");
    let listed =
        client.get(&format!("{}/providers/Microsoft.OperationalInsights/deletedWorkspaces", client.group())).await;
    assert_eq!(listed.json()["value"][0]["name"], "logs");

    let elsewhere = client.put(&client.workspace(), json!({"location": "eastus", "properties": {}})).await;
    assert_eq!(elsewhere.status, 409, "recovery is in the same location");
    client.make_workspace_again().await;
    assert_eq!(client.get(&client.workspace()).await.json()["properties"]["customerId"], customer);
    assert_eq!(client.get(&client.table("things_CL")).await.status, 200);

    let forced =
        client.call(Method::DELETE, &format!("{}?force=true&api-version=2025-07-01", client.workspace()), None).await;
    client.finish(&forced).await;
    client.make_workspace_again().await;
    assert_ne!(client.get(&client.workspace()).await.json()["properties"]["customerId"], customer);
    assert_eq!(client.get(&client.table("things_CL")).await.status, 404);
}

#[tokio::test]
async fn names_have_four_to_sixty_three_letters_digits_or_inner_hyphens() {
    let client = Client::start(settings()).await;
    client.put(&client.group(), json!({"location": "westeurope"})).await;
    for name in ["abc", "-abcd", "abcd-", "ab_cd", &"a".repeat(64)] {
        let id = client.workspace().replace("logs", name);
        assert_eq!(client.put(&id, json!({"location": "westeurope"})).await.code(), "InvalidParameter", "{name}");
    }
    assert_eq!(client.put(&client.workspace(), json!({})).await.code(), "LocationRequired");
}
