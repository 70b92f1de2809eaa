//! What the in-process Azure answers to others: requests that the program never sends, and such as are wrong.

use forensys::demo::{
    azure::{Exchange, SUBSCRIPTION, Settings},
    scenario::aks::{diagnostic_setting, managed_cluster},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::azure_simulator::client::{Client, MONITOR, gzip, settings, stream_columns, table_body};

/// Everything that strangers said and were answered.
pub(super) async fn all() -> Vec<Exchange> {
    let settings = Settings {
        keep_exchanges: true,
        limit_plain_size: true,
        clusters: vec![managed_cluster(SUBSCRIPTION)],
        diagnostic_settings: vec![diagnostic_setting(SUBSCRIPTION)],
        ..settings()
    };
    let client = Client::start(settings).await;
    let address = client.make_all().await;
    readers(&client).await;
    writers(&client).await;
    refused(&client).await;
    uploads(&client, &address).await;
    queries(&client).await;
    removals(&client).await;
    client.azure.exchanges()
}

/// Lists, and single resources in every version that is known.
async fn readers(client: &Client) {
    let (group, subscription) = (client.group(), format!("/subscriptions/{SUBSCRIPTION}"));
    let insights = |scope: &str, what: &str| format!("{scope}/providers/Microsoft.Insights/{what}");
    let workspaces = "providers/Microsoft.OperationalInsights/workspaces";
    let cluster = managed_cluster(SUBSCRIPTION)["id"].as_str().unwrap().to_owned();
    let roles = format!("{group}/providers/Microsoft.Authorization/roleAssignments");
    for (path, version) in [
        (subscription.clone(), "2022-12-01"),
        (format!("{subscription}/providers"), "2025-04-01"),
        (format!("{subscription}/resourceGroups"), "2025-04-01"),
        (format!("{subscription}/{workspaces}"), "2025-07-01"),
        (format!("{group}/{workspaces}"), "2023-09-01"),
        (client.workspace(), "2023-09-01"),
        (client.workspace(), "2022-10-01"),
        (format!("{}/tables", client.workspace()), "2025-07-01"),
        (client.table("things_CL"), "2022-10-01"),
        (insights(&group, "dataCollectionEndpoints"), "2024-03-11"),
        (insights(&group, "dataCollectionEndpoints/dce"), "2023-03-11"),
        (insights(&group, "dataCollectionEndpoints/dce"), "2022-06-01"),
        (insights(&subscription, "dataCollectionRules"), "2024-03-11"),
        (insights(&group, "dataCollectionRules/rule"), "2023-03-11"),
        (insights(&group, "dataCollectionRules/rule"), "2022-06-01"),
        (insights(&group, "privateLinkScopes"), "2021-07-01-preview"),
        (roles.clone(), "2022-04-01"),
        (format!("{}/providers/Microsoft.Authorization/roleAssignments", client.workspace()), "2022-04-01"),
        (format!("{cluster}/agentPools"), "2024-02-01"),
        (cluster.rsplit_once('/').unwrap().0.to_owned(), "2026-05-01"),
        (insights(&cluster, "diagnosticSettings"), "2021-05-01-preview"),
    ] {
        let found = client.call(Method::GET, &format!("{path}?api-version={version}"), None).await;
        assert_eq!(found.status, 200, "{path} {version}: {found:?}");
    }
    let filtered = format!("{roles}?api-version=2022-04-01&$filter=atScope()");
    assert_eq!(client.call(Method::GET, &filtered, None).await.status, 200);
    let head = client.call(Method::HEAD, &format!("{group}?api-version=2025-04-01"), None).await;
    assert_eq!(head.status, 204);
}

/// Changes of what is there, and tables that fail in the end.
async fn writers(client: &Client) {
    client.put(&client.group(), json!({"location": "westeurope"})).await;
    client.put(&client.workspace(), json!({"location": "westeurope", "properties": {}})).await;
    client.put(&client.insights("dataCollectionEndpoints/dce"), json!({"location": "westeurope"})).await;
    let rule = client.put(&client.insights("dataCollectionRules/rule"), client.rule_body()).await;
    assert_eq!(rule.status, 200);
    let mut direct = client.rule_body();
    direct["kind"] = json!("Direct");
    assert_eq!(client.put(&client.insights("dataCollectionRules/direct"), direct).await.status, 201);
    let patch = async |id: &str, properties: Value| {
        let target = format!("{id}?api-version=2025-07-01");
        client.call(Method::PATCH, &target, Some(json!({"properties": properties}))).await
    };
    assert_eq!(patch(&client.workspace(), json!({"retentionInDays": 60})).await.status, 200);
    let started = patch(&client.table("things_CL"), json!({"totalRetentionInDays": 90})).await;
    assert_eq!(client.finish(&started).await["status"], "Succeeded");
    let mut timeless = table_body("timeless_CL");
    timeless["properties"]["schema"]["columns"] = json!([{"name": "text", "type": "string"}]);
    let started = client.put(&client.table("timeless_CL"), timeless).await;
    assert_eq!(client.finish(&started).await["status"], "Failed");
    let migrate = format!("{}/migrate?api-version=2025-07-01", client.table("things_CL"));
    assert_eq!(client.call(Method::POST, &migrate, None).await.status, 200);
}

/// What Resource Manager refuses.
async fn refused(client: &Client) {
    let group = client.group();
    let at = |path: &str| format!("{group}/{path}?api-version=2025-07-01");
    let workspace = at("providers/Microsoft.OperationalInsights/workspaces/no");
    let table = format!("{}?api-version=2025-07-01", client.table("Bad!_CL"));
    let rule =
        |name: &str| format!("{}?api-version=2024-03-11", client.insights(&format!("dataCollectionRules/{name}")));
    let role =
        |name: &str| format!("{group}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01");
    let somebody = json!({"properties": {"roleDefinitionId": "/x", "principalId": "y"}});
    let mut columns = table_body("Bad!_CL");
    columns["properties"]["schema"]["columns"] = stream_columns();
    let scope = format!("{}?api-version=2021-09-01", client.insights("privateLinkScopes/scope"));
    for (method, target, body) in [
        (Method::GET, "/subscriptions/other/resourceGroups?api-version=2025-04-01".to_owned(), None),
        (Method::GET, group.clone(), None),
        (Method::GET, format!("{group}?api-version=1999-01-01"), None),
        (Method::GET, at("providers/Microsoft.OperationalInsights/workspaces/other"), None),
        (Method::GET, format!("{}?api-version=2025-07-01", client.table("other_CL")), None),
        (Method::GET, rule("other"), None),
        (Method::GET, role("7e57da7a-0000-4000-8000-0000000000ff"), None),
        (Method::GET, at("providers/Microsoft.Other/things/x"), None),
        (Method::GET, format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Other?api-version=2025-04-01"), None),
        (Method::POST, rule("rule"), None),
        (Method::PUT, format!("{group}.?api-version=2025-04-01"), Some(json!({"location": "westeurope"}))),
        (Method::PUT, format!("{group}?api-version=2025-04-01"), Some(json!({"location": "eastus"}))),
        (Method::PUT, workspace.clone(), Some(json!({"location": "westeurope"}))),
        (Method::PUT, workspace, Some(json!({}))),
        (Method::PUT, table, Some(columns)),
        (Method::PUT, rule("rule"), Some(json!({"location": "westeurope", "properties": {"dataFlows": [{}]}}))),
        (Method::PUT, rule("rule"), Some(json!([]))),
        (Method::PUT, role("no-guid"), Some(somebody.clone())),
        (Method::PUT, role("7e57da7a-0000-4000-8000-0000000000ff"), Some(json!({}))),
        (Method::PUT, scope.clone(), Some(json!({"location": "westeurope"}))),
        (Method::PUT, scope, Some(json!({"location": "global"}))),
        (Method::PUT, at("providers/Microsoft.Network/privateEndpoints/x"), Some(json!({"location": "westeurope"}))),
    ] {
        let answer = client.call(method.clone(), &target, body).await;
        assert!(answer.status.as_u16() >= 400, "{method} {target}: {answer:?}");
    }
    for token in [None, Some("x"), Some(client.monitor.as_str())] {
        let mut request = client.http.get(format!("{}{group}?api-version=2025-04-01", client.azure.address()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    let granted =
        client.grant(&client.insights("dataCollectionRules/rule"), "7e57da7a-0000-4000-8000-0000000000fe").await;
    assert_eq!(granted.code(), "RoleAssignmentExists");
}

/// What the ingestion service takes and refuses.
async fn uploads(client: &Client, address: &str) {
    let rows = json!([{"text": "t"}]);
    let mut bodies = vec![(gzip(rows.to_string().as_bytes()), true), (rows.to_string().into_bytes(), false)];
    bodies.push((vec![b'x'; 2 << 20], false));
    bodies.push((gzip(&vec![b' '; 2 << 20]), true));
    bodies.push((b"[{".to_vec(), false));
    bodies.push((b"no gzip".to_vec(), true));
    bodies.push((Vec::new(), false));
    for (body, compressed) in bodies {
        client.upload_bytes(address, body, compressed).await;
    }
    let (way, _) = address.rsplit_once('/').unwrap();
    let unknown = address.replace("/dcr-", "/dcr-0");
    for address in [&format!("{way}/Custom-other"), &unknown, &address.replace("/dce", "/other")] {
        assert!(client.upload(address, &rows).await.status.as_u16() >= 400, "{address}");
    }
    for (query, token, kind) in [
        ("", client.monitor.as_str(), "application/json"),
        ("?api-version=1999-01-01", &client.monitor, "application/json"),
        ("?api-version=2023-01-01", &client.management, "application/json"),
        ("?api-version=2023-01-01", "x", "application/json"),
        ("?api-version=2023-01-01", &client.monitor, "text/plain"),
    ] {
        let request = client.http.post(format!("{address}{query}")).bearer_auth(token).header("content-type", kind);
        let status = request.body(rows.to_string()).send().await.unwrap().status();
        assert!(status.as_u16() >= 400, "{query} {kind}: {status}");
    }
}

/// What the query service refuses.
async fn queries(client: &Client) {
    let token = client.token("https://api.loganalytics.io/.default").await;
    let workspace = client.get(&client.workspace()).await.json()["properties"]["customerId"].clone();
    for (id, token, text) in [
        (workspace.as_str().unwrap(), token.as_str(), "union *"),
        (workspace.as_str().unwrap(), &client.monitor, "x"),
        ("00000000-0000-0000-0000-000000000000", &token, "x"),
    ] {
        let url = format!("{}/v1/workspaces/{id}/query", client.azure.address());
        let answer = client.http.post(url).bearer_auth(token).json(&json!({"query": text})).send().await.unwrap();
        assert!(answer.status().as_u16() >= 400);
    }
    assert!(!client.token(MONITOR).await.is_empty());
}

/// Deletions of what is there, and of what is not.
async fn removals(client: &Client) {
    let role = "providers/Microsoft.Authorization/roleAssignments/7e57da7a-0000-4000-8000-00000000000a";
    let rule = client.insights("dataCollectionRules/rule");
    for id in [format!("{rule}/{role}"), rule, client.insights("dataCollectionEndpoints/dce")] {
        assert_eq!(client.delete(&id).await.status, 200, "{id}");
        assert_eq!(client.delete(&id).await.status, 204, "{id}");
    }
    for id in [client.table("things_CL"), client.workspace()] {
        let started = client.delete(&id).await;
        assert_eq!(client.finish(&started).await["status"], "Succeeded", "{id}");
        assert_eq!(client.delete(&id).await.status, 204, "{id}");
    }
    let other = format!("{}-other", client.group());
    assert_eq!(client.delete(&other).await.status, 404);
}
