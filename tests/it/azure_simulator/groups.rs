//! What all of the resource manager has in common, resource groups and providers.

use forensys::demo::azure::{Lags, Settings};
use reqwest::Method;
use serde_json::json;

use super::client::{Client, settings};

#[tokio::test]
async fn the_api_version_is_required_and_has_to_exist() {
    let client = Client::start(settings()).await;
    let missing = client.call(Method::GET, &client.group(), None).await;
    assert_eq!((missing.status.as_u16(), missing.code().as_str()), (400, "MissingApiVersionParameter"));
    let unknown = client.call(Method::GET, &format!("{}?api-version=1999-01-01", client.group()), None).await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (400, "NoRegisteredProviderFound"));
}

#[tokio::test]
async fn a_group_is_made_found_in_any_case_and_deleted_with_all_that_is_in_it() {
    let client = Client::start(settings()).await;
    let group = client.group();
    let head = |id: String| {
        let client = &client;
        async move { client.call(Method::HEAD, &format!("{id}?api-version=2021-04-01"), None).await.status }
    };
    assert_eq!(head(group.clone()).await, 404);
    assert_eq!(client.get(&group).await.code(), "ResourceGroupNotFound");
    client.make_workspace().await;
    assert_eq!(head(group.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions")).await, 204);
    assert_eq!(client.put(&group, json!({"location": "westeurope"})).await.status, 200);
    assert_eq!(client.put(&group, json!({"location": "eastus"})).await.code(), "InvalidResourceGroupLocation");
    let listed = client.call(Method::GET, &format!("{group}/resources?api-version=2021-04-01"), None).await.json();
    assert_eq!(listed["value"][0]["name"], "logs");

    let started = client.delete(&group).await;
    assert_eq!(started.status, 202);
    let location = started.header("location").to_owned();
    assert_eq!(client.call(Method::GET, &location, None).await.status, 202);
    assert_eq!(client.call(Method::GET, &location, None).await.status, 200);
    assert_eq!(head(group).await, 404);
    assert_eq!(client.get(&client.workspace()).await.code(), "ResourceGroupNotFound");
}

#[tokio::test]
async fn nothing_is_made_in_a_group_that_is_not_there_or_a_namespace_that_is_not_registered() {
    let lags = Lags { registration_polls: 1, ..Lags::default() };
    let client = Client::start(Settings { lags, registered: Vec::new(), ..settings() }).await;
    let body = json!({"location": "westeurope", "properties": {}});
    assert_eq!(client.put(&client.workspace(), body.clone()).await.code(), "ResourceGroupNotFound");
    client.put(&client.group(), json!({"location": "westeurope"})).await;
    let refused = client.put(&client.workspace(), body.clone()).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "MissingSubscriptionRegistration"));

    let subscription = client.azure.credentials().subscription_id.clone();
    let provider = format!("/subscriptions/{subscription}/providers/Microsoft.OperationalInsights");
    let state = |path: String, method| {
        let client = &client;
        async move {
            client.call(method, &format!("{path}?api-version=2021-04-01"), None).await.json()["registrationState"]
                .clone()
        }
    };
    assert_eq!(state(format!("{provider}/register"), Method::POST).await, "Registering");
    assert_eq!(client.put(&client.workspace(), body.clone()).await.status, 409, "not before it is registered");
    assert_eq!(state(provider.clone(), Method::GET).await, "Registering");
    assert_eq!(state(provider, Method::GET).await, "Registered");
    assert_eq!(client.put(&client.workspace(), body).await.status, 201);
}

#[tokio::test]
async fn clusters_their_pools_and_diagnostic_settings_are_read() {
    let id = "/subscriptions/7e57da7a-0000-4000-8000-000000000004/resourceGroups/aks/providers/Microsoft.ContainerService/managedClusters/c";
    let cluster = json!({"id": id, "name": "c", "type": "Microsoft.ContainerService/ManagedClusters",
        "properties": {"fqdn": "c.hcp.westeurope.azmk8s.io", "agentPoolProfiles": [{"name": "pool", "count": 3}]}});
    let setting = json!({"id": format!("{}/providers/microsoft.insights/diagnosticSettings/audit", id.to_lowercase()), "name": "audit",
        "type": "Microsoft.Insights/diagnosticSettings", "properties": {"logs": [{"category": "kube-audit", "enabled": true}]}});
    let client =
        Client::start(Settings { clusters: vec![cluster], diagnostic_settings: vec![setting], ..settings() }).await;
    let subscription = id.split("/resourceGroups").next().unwrap();
    let listed =
        client.get(&format!("{subscription}/providers/Microsoft.ContainerService/managedClusters")).await.json();
    assert_eq!(listed["value"].as_array().unwrap().len(), 1);
    assert_eq!(client.get(&id.to_lowercase()).await.json()["name"], "c");
    assert_eq!(client.get(&format!("{id}/agentPools")).await.json()["value"][0]["properties"]["count"], 3);
    let settings = client.get(&format!("{id}/providers/Microsoft.Insights/diagnosticSettings")).await.json();
    assert_eq!(settings["value"][0]["name"], "audit");
    assert_eq!(client.get(&format!("{id}x")).await.code(), "ResourceNotFound");
}
