//! A client of the in-process Azure that does what it is told, right or wrong.

use std::io::Write as _;

use forensys::demo::azure::{Azure, Lags, Settings};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

pub(crate) const MANAGEMENT: &str = "https://management.azure.com/.default";
pub(crate) const MONITOR: &str = "https://monitor.azure.com/.default";
pub(crate) const PUBLISHER: &str = "3913510d-42f4-4e42-8a64-420c390055eb";

/// An in-process Azure with a signed-in client.
pub(crate) struct Client {
    pub(crate) azure: Azure,
    pub(crate) http: reqwest::Client,
    pub(crate) management: String,
    pub(crate) monitor: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The code of the first of the error's details.
    pub(crate) fn detail(&self) -> String {
        self.json()["error"]["details"][0]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Settings over plain HTTP in which nothing takes effect late.
pub(crate) fn settings() -> Settings {
    Settings {
        tls: false,
        lags: Lags::default(),
        registered: vec!["Microsoft.OperationalInsights".into(), "Microsoft.Insights".into()],
        ..Settings::default()
    }
}

impl Client {
    pub(crate) async fn start(settings: Settings) -> Self {
        Self::join(Azure::start(settings).await.unwrap()).await
    }

    /// A signed-in client of an Azure that runs already.
    pub(crate) async fn join(azure: Azure) -> Self {
        let mut builder = reqwest::Client::builder();
        if let Some(pem) = azure.authority_pem() {
            builder = builder.add_root_certificate(reqwest::Certificate::from_pem(pem.as_bytes()).unwrap());
        }
        let http = builder.build().unwrap();
        let mut client = Self { azure, http, management: String::new(), monitor: String::new() };
        client.management = client.token(MANAGEMENT).await;
        client.monitor = client.token(MONITOR).await;
        client
    }

    pub(crate) async fn form(&self, fields: &[(&str, &str)]) -> Reply {
        let url = format!("{}/{}/oauth2/v2.0/token", self.azure.address(), self.azure.credentials().tenant_id);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        reply(request).await
    }

    pub(crate) async fn token(&self, scope: &str) -> String {
        let credentials = self.azure.credentials();
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", &credentials.client_id),
            ("client_secret", &credentials.client_secret),
            ("scope", scope),
        ];
        self.form(&fields).await.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// The id of the resource group that these tests use, `/subscriptions/…/resourceGroups/rg`.
    pub(crate) fn group(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/rg", self.azure.credentials().subscription_id)
    }

    pub(crate) fn workspace(&self) -> String {
        format!("{}/providers/Microsoft.OperationalInsights/workspaces/logs", self.group())
    }

    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}/tables/{name}", self.workspace())
    }

    pub(crate) fn insights(&self, resource: &str) -> String {
        format!("{}/providers/Microsoft.Insights/{resource}", self.group())
    }

    /// Calls the resource manager; `target` is a path with its query.
    pub(crate) async fn call(&self, method: Method, target: &str, body: Option<Value>) -> Reply {
        let url =
            if target.starts_with("http") { target.to_owned() } else { format!("{}{target}", self.azure.address()) };
        let mut request = self.http.request(method, url).bearer_auth(&self.management);
        if let Some(body) = body {
            request = request.json(&body);
        }
        reply(request).await
    }

    pub(crate) async fn get(&self, id: &str) -> Reply {
        self.call(Method::GET, &format!("{id}?api-version={}", version(id)), None).await
    }

    pub(crate) async fn put(&self, id: &str, body: Value) -> Reply {
        self.call(Method::PUT, &format!("{id}?api-version={}", version(id)), Some(body)).await
    }

    pub(crate) async fn delete(&self, id: &str) -> Reply {
        self.call(Method::DELETE, &format!("{id}?api-version={}", version(id)), None).await
    }

    /// Follows `Azure-AsyncOperation` to the end and returns the last body.
    pub(crate) async fn finish(&self, started: &Reply) -> Value {
        let url = started.header("azure-asyncoperation").to_owned();
        assert!(!url.is_empty(), "no operation was announced: {started:?}");
        loop {
            let body = self.call(Method::GET, &url, None).await.json();
            if body["status"] != "InProgress" {
                return body;
            }
        }
    }

    pub(crate) async fn make_workspace(&self) {
        assert_eq!(self.put(&self.group(), json!({"location": "westeurope"})).await.status, 201);
        self.make_workspace_again().await;
    }

    /// Makes or recovers the workspace in a group that is there.
    pub(crate) async fn make_workspace_again(&self) {
        let started = self.put(&self.workspace(), json!({"location": "westeurope", "properties": {}})).await;
        assert_eq!(self.finish(&started).await["status"], "Succeeded");
    }

    pub(crate) async fn make_table(&self, name: &str) {
        let started = self.put(&self.table(name), table_body(name)).await;
        assert_eq!(self.finish(&started).await["status"], "Succeeded");
    }

    /// The body of a rule that sends the stream of `things_CL` to its table.
    pub(crate) fn rule_body(&self) -> Value {
        json!({"location": "westeurope", "properties": {
            "dataCollectionEndpointId": self.insights("dataCollectionEndpoints/dce"),
            "streamDeclarations": {"Custom-things_CL": {"columns": stream_columns()}},
            "destinations": {"logAnalytics": [{"name": "law", "workspaceResourceId": self.workspace()}]},
            "dataFlows": [{"streams": ["Custom-things_CL"], "destinations": ["law"], "transformKql": "source",
                           "outputStream": "Custom-things_CL"}]}})
    }

    pub(crate) async fn make_endpoint(&self, name: &str) -> String {
        let id = self.insights(&format!("dataCollectionEndpoints/{name}"));
        let made = self.put(&id, json!({"location": "westeurope", "properties": {}})).await;
        made.json()["properties"]["logsIngestion"]["endpoint"].as_str().unwrap().to_owned()
    }

    /// Gives the client the role that allows ingestion, at `scope`.
    pub(crate) async fn grant(&self, scope: &str, name: &str) -> Reply {
        let id = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}");
        let definition = format!("{scope}/providers/Microsoft.Authorization/roleDefinitions/{PUBLISHER}");
        let principal = &self.azure.credentials().principal_object_id;
        let body = json!({"properties": {"roleDefinitionId": definition, "principalId": principal, "principalType": "ServicePrincipal"}});
        self.put(&id, body).await
    }

    /// Makes everything that uploads to `things_CL` need, and returns the address to post to, without its query.
    pub(crate) async fn make_all(&self) -> String {
        assert_eq!(self.put(&self.group(), json!({"location": "westeurope"})).await.status, 201);
        self.make_all_but_the_group().await
    }

    pub(crate) async fn make_all_but_the_group(&self) -> String {
        self.make_workspace_again().await;
        self.make_table("things_CL").await;
        let endpoint = self.make_endpoint("dce").await;
        let rule = self.insights("dataCollectionRules/rule");
        let made = self.put(&rule, self.rule_body()).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(self.grant(&rule, "7e57da7a-0000-4000-8000-00000000000a").await.status, 201);
        let immutable = made.json()["properties"]["immutableId"].as_str().unwrap().to_owned();
        format!("{endpoint}/dataCollectionRules/{immutable}/streams/Custom-things_CL")
    }

    /// Uploads rows as gzip.
    pub(crate) async fn upload(&self, address: &str, rows: &Value) -> Reply {
        self.upload_bytes(address, gzip(rows.to_string().as_bytes()), true).await
    }

    pub(crate) async fn upload_bytes(&self, address: &str, body: Vec<u8>, compressed: bool) -> Reply {
        let mut request = self.http.post(format!("{address}?api-version=2023-01-01")).bearer_auth(&self.monitor);
        request = request.header("content-type", "application/json").body(body);
        if compressed {
            request = request.header("content-encoding", "gzip");
        }
        reply(request).await
    }
}

pub(crate) async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Reply { status, headers, text: response.text().await.unwrap() }
}

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn stream_columns() -> Value {
    json!([
        {"name": "TimeGenerated", "type": "datetime"},
        {"name": "RecordId", "type": "string"},
        {"name": "text", "type": "string"},
        {"name": "number", "type": "long"},
    ])
}

pub(crate) fn table_body(name: &str) -> Value {
    json!({"properties": {"schema": {"name": name, "columns": stream_columns()}}})
}

fn version(id: &str) -> &'static str {
    let lower = id.to_lowercase();
    match () {
        () if lower.contains("/roleassignments") => "2022-04-01",
        () if lower.contains("microsoft.insights/diagnosticsettings") => "2021-05-01-preview",
        () if lower.contains("/microsoft.insights/") => "2024-03-11",
        () if lower.contains("/microsoft.operationalinsights/") => "2025-07-01",
        () if lower.contains("/microsoft.containerservice/") => "2026-05-01",
        () => "2021-04-01",
    }
}
