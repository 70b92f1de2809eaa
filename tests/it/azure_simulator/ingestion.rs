//! The Logs Ingestion API.

use forensys::demo::azure::{Lags, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, MONITOR, gzip, reply, settings};

fn row(number: u64) -> Value {
    let time = jiff::Timestamp::now().to_string();
    json!({"TimeGenerated": time, "RecordId": format!("{number:032x}"), "text": "t", "number": number})
}

#[tokio::test]
async fn rows_arrive_over_tls_and_are_counted_and_listed() {
    let client = Client::start(Settings { tls: true, ..settings() }).await;
    let address = client.make_all().await;
    assert!(address.starts_with("https://127.0.0.1:"));
    let answer = client.upload(&address, &json!([row(2), row(1), row(1)])).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(client.azure.arrived().into_iter().collect::<Vec<_>>(), [("things_CL".to_owned(), 3)]);
    let base = client.azure.address();
    let counts = reply(client.http.get(format!("{base}/arrived"))).await.json();
    assert_eq!(counts, json!({"things_CL": 3}));
    let ids = reply(client.http.get(format!("{base}/arrived/things_CL/record_ids"))).await.json();
    assert_eq!(ids, json!([format!("{:032x}", 1), format!("{:032x}", 1), format!("{:032x}", 2)]));
    assert!(client.azure.losses().is_empty());
    client.azure.stop().await;
}

#[tokio::test]
async fn a_probe_without_rows_and_a_plain_body_are_accepted() {
    let client = Client::start(settings()).await;
    let address = client.make_all().await;
    assert_eq!(client.upload(&address, &json!([])).await.status, 204);
    assert!(client.azure.arrived().get("things_CL").is_none_or(|rows| *rows == 0));
    let plain = json!([row(1)]).to_string().into_bytes();
    assert_eq!(client.upload_bytes(&address, plain, false).await.status, 204);
    assert_eq!(client.azure.arrived()["things_CL"], 1);
}

#[tokio::test]
async fn a_token_for_the_resource_manager_is_refused() {
    let mut client = Client::start(settings()).await;
    let address = client.make_all().await;
    client.monitor = client.management.clone();
    let answer = client.upload(&address, &json!([row(1)])).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "InvalidAudience"));
    assert_eq!(answer.header("x-ms-error-code"), "InvalidAudience");
}

#[tokio::test]
async fn a_double_slash_in_the_scope_works_as_it_does_in_azure() {
    let mut client = Client::start(settings()).await;
    let address = client.make_all().await;
    client.monitor = client.token(&MONITOR.replace("/.default", "//.default")).await;
    assert_eq!(client.upload(&address, &json!([row(1)])).await.status, 204);
}

#[tokio::test]
async fn a_single_object_is_accepted_and_lost() {
    let client = Client::start(settings()).await;
    let address = client.make_all().await;
    assert_eq!(client.upload(&address, &row(1)).await.status, 204);
    assert!(client.azure.arrived().is_empty());
}

#[tokio::test]
async fn a_malformed_body_stores_none_of_its_rows() {
    let client = Client::start(settings()).await;
    let address = client.make_all().await;
    for body in [format!("[{},7]", row(1)), format!("[{}", row(1)), "text".to_owned()] {
        assert_eq!(client.upload_bytes(&address, gzip(body.as_bytes()), true).await.status, 400, "{body}");
    }
    assert_eq!(client.upload_bytes(&address, b"[]".to_vec(), true).await.status, 400, "not gzip");
    assert_eq!(client.upload_bytes(&address, Vec::new(), false).await.status, 500, "an empty body");
    assert!(client.azure.arrived().is_empty());
}

#[tokio::test]
async fn a_call_above_one_megabyte_is_refused_as_sent_or_as_plain() {
    let client = Client::start(settings()).await;
    let address = client.make_all().await;
    let mut large = row(1);
    large["text"] = "x".repeat(1_048_576).into();
    let body = json!([large]).to_string().into_bytes();
    let length = body.len();
    let answer = client.upload_bytes(&address, body.clone(), false).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "ContentLengthLimitExceeded"));
    assert!(answer.text.contains(&format!("Provided content length: {length} bytes.")));
    assert_eq!(client.upload_bytes(&address, gzip(&body), true).await.status, 204);

    let strict = Client::start(Settings { limit_plain_size: true, ..settings() }).await;
    let address = strict.make_all().await;
    let answer = strict.upload_bytes(&address, gzip(&body), true).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "ContentLengthLimitExceeded"));
}

#[tokio::test]
async fn a_body_that_inflates_beyond_fifty_mebibytes_is_refused() {
    let client = Client::start(settings()).await;
    let address = client.make_all().await;
    let mut bomb = b"[".to_vec();
    bomb.resize((50 << 20) + 2, b' ');
    let answer = client.upload_bytes(&address, gzip(&bomb), true).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "PayloadSizeLimitExceeded"));
}

#[tokio::test]
async fn without_the_role_nothing_gets_in_and_a_fresh_grant_takes_time() {
    let lags = Lags { role_propagation: 2, ..Lags::default() };
    let client = Client::start(Settings { lags, ..settings() }).await;
    let address = client.make_all().await;
    for _ in 0..2 {
        let answer = client.upload(&address, &json!([row(1)])).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "OperationFailed"));
        assert!(answer.text.contains("IsRbacPresent: False"), "{}", answer.text);
    }
    assert_eq!(client.upload(&address, &json!([row(1)])).await.status, 204);

    let rule = client.insights("dataCollectionRules/rule");
    client
        .delete(&format!(
            "{rule}/providers/Microsoft.Authorization/roleAssignments/7e57da7a-0000-4000-8000-00000000000a"
        ))
        .await;
    assert_eq!(client.upload(&address, &json!([row(1)])).await.status, 403);
}

#[tokio::test]
async fn a_grant_on_the_group_is_inherited_but_one_on_the_workspace_is_not() {
    let client = Client::start(settings()).await;
    let address = client.make_all().await;
    let rule = client.insights("dataCollectionRules/rule");
    client
        .delete(&format!(
            "{rule}/providers/Microsoft.Authorization/roleAssignments/7e57da7a-0000-4000-8000-00000000000a"
        ))
        .await;
    client.grant(&client.workspace(), "7e57da7a-0000-4000-8000-00000000000b").await;
    assert_eq!(client.upload(&address, &json!([row(1)])).await.status, 403);
    client.grant(&client.group(), "7e57da7a-0000-4000-8000-00000000000c").await;
    assert_eq!(client.upload(&address, &json!([row(1)])).await.status, 204);
}

#[tokio::test]
async fn another_endpoint_than_the_rule_s_is_refused() {
    let client = Client::start(settings()).await;
    let address = client.make_all().await;
    let other = client.make_endpoint("other").await;
    let at = address.find("/dataCollectionRules").unwrap();
    let answer = client.upload(&format!("{other}{}", &address[at..]), &json!([row(1)])).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "OperationFailed"));
    assert!(answer.text.contains("IsDcrDceBindingValid: False"), "{}", answer.text);
}

#[tokio::test]
async fn unknown_rules_and_streams_are_told_apart_and_new_ones_are_found_late() {
    let lags = Lags { rule_unknown: 1, stream_unknown: 1, ..Lags::default() };
    let client = Client::start(Settings { lags, ..settings() }).await;
    let address = client.make_all().await;
    let first = client.upload(&address, &json!([row(1)])).await;
    assert_eq!((first.status.as_u16(), first.code().as_str()), (404, "NotFound"));
    let second = client.upload(&address, &json!([row(1)])).await;
    assert_eq!((second.status.as_u16(), second.code().as_str()), (400, "InvalidStream"));
    assert_eq!(client.upload(&address, &json!([row(1)])).await.status, 204);
    let answer = client.upload(&address.replace("things", "others"), &json!([row(1)])).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "InvalidStream"));
    let answer = client.upload(&address.replace("/dcr-", "/dcr-0"), &json!([row(1)])).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "NotFound"));
}

#[tokio::test]
async fn what_azure_would_lose_without_a_word_is_lost_and_told() {
    let client = Client::start(settings()).await;
    let address = client.make_all().await;
    let mut bad = row(1);
    bad["extra"] = 1.into();
    bad["number"] = "seven".into();
    bad["text"] = "x".repeat(70_000).into();
    assert_eq!(client.upload(&address, &json!([bad])).await.status, 204);
    let stored = client.azure.rows("things_CL").remove(0);
    assert!(!stored.contains_key("extra"));
    assert_eq!(stored["number"], Value::Null);
    assert_eq!(stored["text"].as_str().unwrap().len(), 64 * 1024);
    let losses = client.azure.losses().remove("things_CL").unwrap();
    let names: Vec<_> = losses.keys().map(|loss| loss.split(':').next().unwrap()).collect();
    assert_eq!(names, ["extra", "number", "text"]);
}

#[tokio::test]
async fn a_time_older_than_two_days_is_replaced() {
    let client = Client::start(settings()).await;
    let address = client.make_all().await;
    let (mut old, new) = (row(1), row(2));
    old["TimeGenerated"] = "2020-01-01T00:00:00Z".into();
    client.upload(&address, &json!([old, new])).await;
    let rows = client.azure.rows("things_CL");
    assert!(!rows[0]["TimeGenerated"].as_str().unwrap().starts_with("2020"));
    assert_eq!(rows[1]["TimeGenerated"], new["TimeGenerated"]);
}

#[tokio::test]
async fn only_counts_and_ids_are_held_when_rows_are_not_to_be_kept() {
    let client = Client::start(Settings { keep_rows: false, ..settings() }).await;
    let address = client.make_all().await;
    client.upload(&address, &json!([row(1), row(2)])).await;
    assert!(client.azure.rows("things_CL").is_empty());
    assert_eq!(client.azure.arrived()["things_CL"], 2);
    assert_eq!(client.azure.record_ids("things_CL").len(), 2);
}

#[tokio::test]
async fn the_api_version_and_the_content_type_are_required() {
    let client = Client::start(settings()).await;
    let address = client.make_all().await;
    let post = |url: String| client.http.request(Method::POST, url).bearer_auth(&client.monitor).body("[]");
    assert_eq!(reply(post(address.clone()).header("content-type", "application/json")).await.status, 400);
    assert_eq!(reply(post(format!("{address}?api-version=2023-01-01"))).await.status, 415);
}
