//! What goes wrong on purpose.

use forensys::demo::azure::{Settings, read_faults};
use serde_json::{Value, json};

use super::client::{Client, gzip, settings};

/// A client whose Azure misbehaves as the file says.
async fn misbehaving(faults: Value) -> Client {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faults.json");
    fs_err::write(&path, faults.to_string()).unwrap();
    Client::start(Settings { faults: read_faults(&path).unwrap(), ..settings() }).await
}

#[tokio::test]
async fn scripted_answers_replace_the_real_ones_for_a_while() {
    let client = misbehaving(json!([
        {"method": "POST", "path": "*/streams/*", "after": 1, "times": 1, "answer": {"status": 429, "retry_after": 3}},
        {"method": "POST", "path": "*/streams/*", "after": 2, "times": 1, "delay_ms": 1, "answer": {"status": 500}},
        {"path": "*/workspaces/logs", "times": 1, "answer": {"status": 409, "code": "Conflict", "message": "again"}},
    ]))
    .await;
    client.put(&client.group(), json!({"location": "westeurope"})).await;
    let refused = client.get(&client.workspace()).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "Conflict"));
    let address = client.make_all_but_the_group().await;
    let rows = json!([{"text": "t"}]);
    assert_eq!(client.upload(&address, &rows).await.status, 204);
    let throttled = client.upload(&address, &rows).await;
    assert_eq!((throttled.status.as_u16(), throttled.header("retry-after")), (429, "3"));
    let broken = client.upload(&address, &rows).await;
    assert_eq!((broken.status.as_u16(), broken.text.as_str()), (500, ""));
    assert_eq!(client.upload(&address, &rows).await.status, 204);
    assert_eq!(client.azure.arrived()["things_CL"], 2, "only what was answered with success");
}

#[tokio::test]
async fn a_cut_connection_leaves_the_client_in_doubt() {
    let client = misbehaving(json!([
        {"path": "*/streams/*", "times": 1, "cut": "before"},
        {"path": "*/streams/*", "after": 1, "times": 1, "cut": "after"},
    ]))
    .await;
    let address = client.make_all().await;
    let send = || {
        let request = client.http.post(format!("{address}?api-version=2023-01-01")).bearer_auth(&client.monitor);
        let request = request.header("content-type", "application/json").header("content-encoding", "gzip");
        request.body(gzip(b"[{\"text\":\"t\"}]")).send()
    };
    send().await.unwrap_err();
    assert!(client.azure.arrived().is_empty(), "cut before anything was done");
    send().await.unwrap_err();
    assert_eq!(client.azure.arrived()["things_CL"], 1, "cut after it was done");
}

#[tokio::test]
async fn answers_can_be_spoiled() {
    let client = misbehaving(json!([
        {"path": "/subscriptions/*/resourceGroups/rg", "after": 1, "times": 1, "alter": "byte_order_mark"},
        {"path": "/subscriptions/*/resourceGroups/rg", "after": 2, "times": 1, "alter": "empty_body"},
    ]))
    .await;
    client.put(&client.group(), json!({"location": "westeurope"})).await;
    let marked = client.get(&client.group()).await;
    assert!(marked.text.starts_with("\u{feff}{"), "{marked:?}");
    let empty = client.get(&client.group()).await;
    assert_eq!((empty.status.as_u16(), empty.text.as_str()), (200, ""));
    assert_eq!(client.get(&client.group()).await.json()["name"], "rg");
}

#[tokio::test]
async fn a_file_with_an_unknown_member_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faults.json");
    fs_err::write(&path, r#"[{"path": "*", "explode": true}]"#).unwrap();
    let error = format!("{:#}", read_faults(&path).unwrap_err());
    assert!(error.contains("faults.json") && error.contains("explode"), "{error}");
}
