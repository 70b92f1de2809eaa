//! The judges of the in-process Azure, and of what is provisioned in it: Microsoft's own Python packages, over TLS. Ignored by
//! default, for the first run installs packages; `.ci/run` runs it.

use std::{path::Path, process::Command, sync::Arc};

use forensys::{
    azure::{Arm, Cloud, Pace},
    demo::azure::{Azure, Served, Settings, serve, served},
    evidence::registry,
    provision::{self, Ingestion, Kind, Plan, PrivateLink, TablePlan, TableSettings},
};
use serde_json::{Value, json};

use crate::azure_simulator::provision::{NoWait, wanted};

/// Runs a script with the variables of the env file, and returns what it printed last.
fn talk(served: &Served, script: &str) -> Value {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/official/run");
    let folder = served.env_file.parent().unwrap().display();
    let env = served.env_file.display();
    let line = format!(". '{env}' && FORENSYS_PLAN='{folder}/plan.json' exec '{}' {script}", run.display());
    let output = Command::new("bash").args(["-c", &line]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "Microsoft's packages and the in-process Azure disagree:\n{out}\n{err}");
    serde_json::from_str(out.lines().last().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs Microsoft's Python packages; cargo test --test it -- --ignored official"]
async fn official_packages_provision_and_upload_without_errors() {
    let folder = tempfile::tempdir().unwrap();
    let (said, told) = tokio::sync::oneshot::channel();
    let mut said = Some(said);
    let (heard, until) = tokio::sync::oneshot::channel::<()>();
    let tell = move |served: &Served| {
        let served = served.clone();
        let said = said.take().unwrap();
        tokio::task::spawn_blocking(move || {
            said.send(talk(&served, "talk.py")).unwrap();
            drop(heard);
        });
        Ok(())
    };
    let arrived = serve(Settings::default(), folder.path(), tell, async { drop(until.await) }).await.unwrap();
    let told = told.await.expect("the script's failure stands above");
    assert_eq!(told["sign_ins"], 3);
    assert_eq!(arrived[told["table"].as_str().unwrap()] as u64, told["rows"].as_u64().unwrap());
}

/// Provisions with the settings, and returns the plan that was carried out.
async fn provision(azure: &Azure, folder: &Path, wanted: provision::Settings) -> Plan {
    let session = crate::upload::azure::session(azure, &azure.cloud_file(folder).unwrap());
    let arm = Arm::new(session).with_waiting(Arc::new(NoWait), Pace::default());
    let file = folder.join(format!("{}.json", wanted.resource_group));
    let tables = registry::tables();
    let prepared = provision::prepare(&arm, wanted, &tables, &file).await.unwrap();
    provision::carry_out(&arm, &prepared, "cloud", &file, &|_| {}).await.unwrap();
    prepared.plan
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs Microsoft's Python packages; cargo test --test it -- --ignored official"]
async fn official_packages_see_every_resource_as_it_was_planned() {
    let azure = Azure::start(Settings { tls: true, ..Settings::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let served = served(&azure, folder.path()).unwrap();
    let closed = wanted(&azure);
    let subnet = format!("{}/providers/Microsoft.Network/virtualNetworks/v/subnets/s", closed.resource_group_id());
    let zones = Cloud::open("public").unwrap().private_dns_zones;
    let closed = provision::Settings {
        tables: TableSettings { plan: Some(TablePlan::Analytics), retention: Some(90), total_retention: Some(1095) },
        private_link: Some(PrivateLink { scope: "ampls".to_owned(), subnet: Some(subnet), zones }),
        ..closed
    };
    let direct = provision::Settings {
        resource_group: "rg-direct".to_owned(),
        ingestion: Ingestion::Direct,
        tables: TableSettings { plan: Some(TablePlan::Basic), retention: None, total_retention: Some(365) },
        transforms: [("kubelogs_CL".to_owned(), "source".to_owned())].into(),
        ..wanted(&azure)
    };
    let mut plan = Vec::new();
    for wanted in [closed, direct] {
        let made = provision(&azure, folder.path(), wanted).await;
        plan.extend(
            made.steps.iter().map(
                |step| json!({"kind": step.kind.name(), "id": step.id, "version": step.version, "body": step.body}),
            ),
        );
    }
    let kinds: std::collections::BTreeSet<_> = plan.iter().map(|step| step["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), Kind::ALL.len(), "a resource of every kind: {kinds:?}");
    fs_err::write(folder.path().join("plan.json"), json!(plan).to_string()).unwrap();
    let read = tokio::task::spawn_blocking(move || talk(&served, "read.py")).await.unwrap();
    let sum = |what: &str| read[what].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!(sum("resources"), plan.len() as u64);
    assert_eq!(sum("values"), plan.iter().map(|step| leaves(&step["body"])).sum::<u64>(), "each value once: {read}");
}

/// How many values there are in a body.
fn leaves(value: &Value) -> u64 {
    match value {
        Value::Object(members) => members.values().map(leaves).sum(),
        Value::Array(items) => items.iter().map(leaves).sum(),
        _ => 1,
    }
}
