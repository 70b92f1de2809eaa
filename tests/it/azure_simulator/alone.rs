//! The in-process Azure served alone, and the files that it leaves for others.

use forensys::demo::azure::{Settings, serve};
use serde_json::Value;

#[tokio::test]
async fn the_files_lead_a_stranger_to_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let (told, served) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let path = folder.path().join("azure");
    let server = tokio::spawn(async move {
        let tell = |served: &forensys::demo::azure::Served| {
            told.send(served.clone()).unwrap();
            Ok(())
        };
        serve(Settings { keep_rows: false, ..Settings::default() }, &path, tell, async {
            stopped.await.unwrap();
        })
        .await
    });
    let served = served.await.unwrap();
    let cloud: Value = serde_json::from_slice(&fs_err::read(&served.cloud_file).unwrap()).unwrap();
    assert_eq!(cloud["resource_manager"], served.address.as_str());
    assert_eq!(cloud["ingestion_audience"], "https://monitor.azure.com");
    let env = fs_err::read_to_string(&served.env_file).unwrap();
    let variable = |name: &str| {
        let line = env.lines().find_map(|line| line.strip_prefix(&format!("export {name}='"))).unwrap();
        line.trim_end_matches('\'').to_owned()
    };
    assert!(served.instructions.contains(&served.address) && served.instructions.contains("/arrived"));

    let authority = reqwest::Certificate::from_pem(&fs_err::read(cloud["ca_file"].as_str().unwrap()).unwrap()).unwrap();
    let http = reqwest::Client::builder().add_root_certificate(authority).build().unwrap();
    let url = format!("{}/{}/oauth2/v2.0/token", cloud["authority"].as_str().unwrap(), variable("AZURE_TENANT_ID"));
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &variable("AZURE_CLIENT_ID"))
        .append_pair("client_secret", &variable("AZURE_CLIENT_SECRET"))
        .append_pair("scope", &format!("{}/.default", cloud["ingestion_audience"].as_str().unwrap()))
        .finish();
    assert_eq!(http.post(url).body(body).send().await.unwrap().status(), 200);
    stop.send(()).unwrap();
    assert!(server.await.unwrap().unwrap().is_empty());
    http.get(format!("{}/arrived", served.address)).send().await.unwrap_err();
}
