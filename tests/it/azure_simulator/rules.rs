//! Data collection endpoints and rules.

use forensys::demo::azure::{Lags, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, settings, table_body};

async fn ready(settings: Settings) -> (Client, String) {
    let client = Client::start(settings).await;
    client.make_workspace().await;
    client.make_table("things_CL").await;
    client.make_endpoint("dce").await;
    let rule = client.insights("dataCollectionRules/rule");
    (client, rule)
}

#[tokio::test]
async fn an_endpoint_keeps_its_address_when_it_is_put_again() {
    let client = Client::start(settings()).await;
    client.make_workspace().await;
    let first = client.make_endpoint("dce").await;
    assert_eq!(client.make_endpoint("dce").await, first);
    let id = client.insights("dataCollectionEndpoints/dce");
    let properties = client.get(&id).await.json()["properties"].clone();
    assert!(properties["immutableId"].as_str().unwrap().starts_with("dce-"));
    assert_eq!(client.delete(&id).await.status, 200);
    assert_eq!(client.delete(&id).await.status, 204);
    assert_ne!(client.make_endpoint("dce").await, first);
}

#[tokio::test]
async fn a_rule_keeps_its_immutable_id_until_it_is_made_anew() {
    let (client, rule) = ready(settings()).await;
    let id = |body: Value| body["properties"]["immutableId"].as_str().unwrap().to_owned();
    let made = client.put(&rule, client.rule_body()).await;
    let first = id(made.json());
    assert_eq!((made.status.as_u16(), first.len()), (201, "dcr-".len() + 32));
    assert!(made.json()["properties"]["destinations"]["logAnalytics"][0]["workspaceId"].is_string());
    let again = client.put(&rule, client.rule_body()).await;
    assert_eq!((again.status.as_u16(), id(again.json())), (200, first.clone()));
    assert_eq!(client.delete(&rule).await.status, 200);
    assert_eq!(client.delete(&rule).await.status, 204);
    assert_ne!(id(client.put(&rule, client.rule_body()).await.json()), first);
}

#[tokio::test]
async fn the_table_has_to_be_there_and_is_seen_late() {
    let lags = Lags { table_polls: 1, table_invisible: 2, ..Lags::default() };
    let client = Client::start(Settings { lags, ..settings() }).await;
    client.make_workspace().await;
    client.make_endpoint("dce").await;
    let rule = client.insights("dataCollectionRules/rule");
    let refused = client.put(&rule, client.rule_body()).await;
    assert_eq!((refused.code(), refused.detail()), ("InvalidPayload".to_owned(), "InvalidOutputTable".to_owned()));

    let started = client.put(&client.table("things_CL"), table_body("things_CL")).await;
    for _ in 0..4 {
        let early = client.put(&rule, client.rule_body()).await;
        assert_eq!(early.detail(), "InvalidOutputTable", "the operation was not waited for");
    }
    client.finish(&started).await;
    for _ in 0..2 {
        assert_eq!(client.put(&rule, client.rule_body()).await.detail(), "InvalidOutputTable", "not yet visible");
    }
    assert_eq!(client.put(&rule, client.rule_body()).await.status, 201);
}

#[tokio::test]
async fn what_is_wrong_with_a_rule_stands_in_the_details() {
    let (client, rule) = ready(settings()).await;
    let body = client.rule_body();
    let changed = |pointer: &str, value: Value| {
        let mut body = body.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let flow = body["properties"]["dataFlows"][0].clone();
    let number_column = "/properties/streamDeclarations/Custom-things_CL/columns/3/type";
    let time_column = "/properties/streamDeclarations/Custom-things_CL/columns/0/name";
    let cases = [
        ("InvalidTransformOutput", changed(number_column, json!("string"))),
        ("InvalidTransformQuery", changed(time_column, json!("Time"))),
        ("InvalidTransformQuery", changed("/properties/dataFlows/0/transformKql", json!("source | where true"))),
        ("InvalidStream", changed(number_column, json!("guid"))),
        ("InvalidStream", changed("/properties/dataFlows/0/streams", json!(["Custom-other_CL"]))),
        ("InvalidStream", changed("/properties/streamDeclarations", json!({"things_CL": {"columns": []}}))),
        ("InvalidDataFlow", changed("/properties/dataFlows/0/destinations", json!(["nowhere"]))),
        (
            "InvalidDataFlow",
            changed("/properties/dataFlows/0/streams", json!(["Custom-things_CL", "Custom-things_CL"])),
        ),
        ("InvalidDataFlow", changed("/properties/dataFlows", json!([]))),
        ("InvalidDataFlow", changed("/properties/dataFlows", json!(vec![flow; 11]))),
        ("InvalidProperty", changed("/properties/dataCollectionEndpointId", json!("/subscriptions/none"))),
        ("InvalidProperty", changed("/location", json!("eastus"))),
    ];
    for (code, body) in cases {
        let refused = client.put(&rule, body).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "InvalidPayload"), "{code}");
        assert_eq!(refused.detail(), code, "{}", refused.text);
    }
    let mut streams = body["properties"]["streamDeclarations"].clone();
    for number in 0..10 {
        streams[format!("Custom-more{number}_CL")] = json!({"columns": []});
    }
    let refused = client.put(&rule, changed("/properties/streamDeclarations", streams)).await;
    assert_eq!(refused.detail(), "InvalidStream", "more than ten streams");
    let output = client.put(&rule, changed(number_column, json!("int"))).await;
    assert!(output.text.contains("number [produced:'Int', output:'Long']"), "{}", output.text);
    assert_eq!(client.get(&rule).await.status, 404, "nothing was made");
}

#[tokio::test]
async fn only_a_direct_rule_has_an_endpoint_and_only_newer_versions_show_it() {
    let (client, rule) = ready(settings()).await;
    let made = client.put(&rule, client.rule_body()).await.json();
    assert!(made["properties"]["endpoints"].is_null());
    let mut body = client.rule_body();
    body["kind"] = "Direct".into();
    body["properties"].as_object_mut().unwrap().remove("dataCollectionEndpointId");
    let direct = client.insights("dataCollectionRules/direct");
    let made = client.put(&direct, body).await.json();
    let endpoint = made["properties"]["endpoints"]["logsIngestion"].as_str().unwrap().to_owned();
    let old = client.call(Method::GET, &format!("{direct}?api-version=2022-06-01"), None).await.json();
    assert!(old["properties"]["endpoints"].is_null());

    client.grant(&direct, "7e57da7a-0000-4000-8000-00000000000d").await;
    let immutable = made["properties"]["immutableId"].as_str().unwrap();
    let address = format!("{endpoint}/dataCollectionRules/{immutable}/streams/Custom-things_CL");
    assert_eq!(client.upload(&address, &json!([{"text": "t"}])).await.status, 204);
}
