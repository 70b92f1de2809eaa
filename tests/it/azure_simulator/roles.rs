//! Role assignments.

use forensys::demo::azure::{Lags, Settings};
use reqwest::Method;
use serde_json::json;

use super::client::{Client, PUBLISHER, settings};

const NAME: &str = "7e57da7a-0000-4000-8000-00000000000e";
const OTHER: &str = "7e57da7a-0000-4000-8000-00000000000f";

#[tokio::test]
async fn an_assignment_is_made_once_and_the_same_one_under_another_name_is_refused() {
    let client = Client::start(settings()).await;
    client.make_workspace().await;
    let scope = client.group();
    assert_eq!(client.grant(&scope, NAME).await.status, 201);
    assert_eq!(client.grant(&scope, NAME).await.status, 200);
    let refused = client.grant(&scope, OTHER).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "RoleAssignmentExists"));
    assert!(refused.text.contains(&NAME.replace('-', "")), "it names the other: {}", refused.text);

    let id = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{NAME}");
    assert_eq!(client.get(&id).await.json()["properties"]["principalType"], "ServicePrincipal");
    assert_eq!(client.delete(&id).await.status, 200);
    assert_eq!(client.delete(&id).await.status, 204);
    assert_eq!(client.get(&id).await.code(), "RoleAssignmentNotFound");
}

#[tokio::test]
async fn a_fresh_principal_is_not_found_at_first() {
    let lags = Lags { principal_unknown: 2, ..Lags::default() };
    let client = Client::start(Settings { lags, ..settings() }).await;
    client.make_workspace().await;
    for _ in 0..2 {
        let refused = client.grant(&client.group(), NAME).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "PrincipalNotFound"));
    }
    assert_eq!(client.grant(&client.group(), NAME).await.status, 201);
}

#[tokio::test]
async fn assignments_are_listed_by_principal_and_scope() {
    let client = Client::start(settings()).await;
    client.make_workspace().await;
    client.grant(&client.group(), NAME).await;
    let list = |scope: String, filter: String| {
        let client = &client;
        async move {
            let path = format!(
                "{scope}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter={filter}"
            );
            client.call(Method::GET, &path, None).await.json()["value"].as_array().unwrap().len()
        }
    };
    let principal = client.azure.credentials().principal_object_id.clone();
    assert_eq!(list(client.group(), format!("principalId%20eq%20'{principal}'")).await, 1);
    assert_eq!(list(client.group(), "principalId%20eq%20'somebody'".to_owned()).await, 0);
    assert_eq!(list(client.workspace(), "atScope()".to_owned()).await, 1, "inherited");
    let subscription = client.group().replace("/resourceGroups/rg", "");
    assert_eq!(list(subscription, "atScope()".to_owned()).await, 0, "below the scope");
}

#[tokio::test]
async fn the_name_is_a_guid_and_the_scope_exists() {
    let client = Client::start(settings()).await;
    client.make_workspace().await;
    assert_eq!(client.grant(&client.group(), "name").await.code(), "InvalidRoleAssignmentId");
    assert_eq!(client.grant(&client.insights("dataCollectionRules/none"), NAME).await.code(), "ResourceNotFound");
    let id = format!("{}/providers/Microsoft.Authorization/roleAssignments/{NAME}", client.group());
    let incomplete = client.put(&id, json!({"properties": {"roleDefinitionId": PUBLISHER}})).await;
    assert_eq!(incomplete.status, 400);
}
