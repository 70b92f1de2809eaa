//! Custom tables.

use forensys::demo::azure::{Lags, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, settings, stream_columns, table_body};

fn with_columns(columns: &[(&str, &str)]) -> Value {
    let columns: Vec<_> = columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
    json!({"properties": {"schema": {"name": "things_CL", "columns": columns}}})
}

const TIME: (&str, &str) = ("TimeGenerated", "dateTime");

#[tokio::test]
async fn a_table_is_made_by_an_operation_and_locked_until_it_ends() {
    let lags = Lags { table_polls: 1, ..Lags::default() };
    let client = Client::start(Settings { lags, ..settings() }).await;
    client.make_workspace().await;
    let table = client.table("things_CL");
    let started = client.put(&table, table_body("things_CL")).await;
    assert_eq!((started.status.as_u16(), started.header("retry-after")), (202, "0"));
    assert_eq!(client.put(&table, table_body("things_CL")).await.status, 409, "locked while it is updated");
    assert_eq!(client.finish(&started).await["status"], "Succeeded");
    let made = client.get(&table).await.json();
    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    assert_eq!(made["properties"]["schema"]["tableSubType"], "DataCollectionRuleBased");
    let mut columns = stream_columns();
    columns[0]["type"] = "dateTime".into();
    assert_eq!(made["properties"]["schema"]["columns"], columns, "types are answered in Azure's case");
    assert_eq!(client.get(&client.table("")).await.json()["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_missing_time_column_is_told_by_the_operation_only() {
    let client = Client::start(settings()).await;
    client.make_workspace().await;
    for columns in [&[("text", "string")][..], &[("TimeGenerated", "string")]] {
        let started = client.put(&client.table("things_CL"), with_columns(columns)).await;
        assert_eq!(started.status, 202);
        let end = client.finish(&started).await;
        assert_eq!((&end["status"], &end["error"]["code"]), (&json!("Failed"), &json!("SchemaUpdateFatalError")));
        assert_eq!(client.get(&client.table("things_CL")).await.status, 404, "nothing was made");
    }
}

#[tokio::test]
async fn illegal_tables_and_columns_are_refused() {
    let client = Client::start(settings()).await;
    client.make_workspace().await;
    let long = "c".repeat(46);
    let many: Vec<String> = (0..500).map(|number| format!("column{number}")).collect();
    let mut too_many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "string")).collect();
    too_many.push(TIME);
    let cases: [(&str, Value); 9] = [
        ("reserved", with_columns(&[TIME, ("Type", "string")])),
        ("reserved in any case", with_columns(&[TIME, ("tenantid", "string")])),
        ("short", with_columns(&[TIME, ("a", "string")])),
        ("long", with_columns(&[TIME, (&long, "string")])),
        ("underscore first", with_columns(&[TIME, ("_text", "string")])),
        ("hyphen", with_columns(&[TIME, ("te-xt", "string")])),
        ("type", with_columns(&[TIME, ("text", "varchar")])),
        ("twice", with_columns(&[TIME, TIME])),
        ("501 columns", with_columns(&too_many)),
    ];
    for (what, body) in cases {
        let refused = client.put(&client.table("things_CL"), body).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "InvalidParameter"), "{what}");
    }
    for name in ["things", "t_C", &format!("{}_CL", "t".repeat(61)), "th.ngs_CL"] {
        assert_eq!(client.put(&client.table(name), table_body(name)).await.status, 400, "{name}");
    }
    let mut sent_back = table_body("things_CL");
    sent_back["properties"]["schema"]["standardColumns"] = json!([]);
    assert_eq!(client.put(&client.table("things_CL"), sent_back).await.status, 400, "standardColumns");
    let mut described = table_body("things_CL");
    described["properties"]["schema"]["description"] = "d".repeat(257).into();
    assert_eq!(client.put(&client.table("things_CL"), described).await.code(), "InvalidProperty");
    let mut basic = table_body("things_CL");
    basic["properties"]["plan"] = "Basic".into();
    basic["properties"]["retentionInDays"] = 30.into();
    assert_eq!(client.put(&client.table("things_CL"), basic).await.status, 400, "retention of a Basic table");
}

#[tokio::test]
async fn an_omitted_column_is_deleted_and_a_type_stays() {
    let client = Client::start(settings()).await;
    client.make_workspace().await;
    client.make_table("things_CL").await;
    let table = client.table("things_CL");
    let changed = client.put(&table, with_columns(&[TIME, ("text", "long")])).await;
    assert_eq!(changed.status, 400);
    let started = client.put(&table, with_columns(&[TIME, ("text", "string")])).await;
    client.finish(&started).await;
    let columns = client.get(&table).await.json()["properties"]["schema"]["columns"].clone();
    assert_eq!(columns.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn retention_is_patched_and_a_table_deleted() {
    let client = Client::start(settings()).await;
    client.make_workspace().await;
    client.make_table("things_CL").await;
    let table = client.table("things_CL");
    let target = format!("{table}?api-version=2025-07-01");
    let patched = client.call(Method::PATCH, &target, Some(json!({"properties": {"retentionInDays": 4}}))).await;
    client.finish(&patched).await;
    assert_eq!(client.get(&table).await.json()["properties"]["retentionInDays"], 4);
    let deleted = client.delete(&table).await;
    assert!(deleted.header("location").contains("/operationresults/"));
    assert_eq!(client.finish(&deleted).await["status"], "Succeeded");
    assert_eq!(client.get(&table).await.status, 404);
    assert_eq!(client.delete(&table).await.status, 204);
}
