//! What was collected from the cluster arrives in Azure: every row, also when the upload is killed in between.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use forensys::demo::azure::{Azure, Fault, Settings};

use super::harness::{ADMIN, Ended, column, eventually, kubeconfig, kubectl, place, rows, text};

/// An in-process Azure over TLS, with everything provisioned by the program.
struct Cloud {
    azure: Azure,
    folder: PathBuf,
}

impl Cloud {
    async fn provisioned(name: &str, faults: Vec<Fault>) -> Self {
        let settings = Settings { tls: true, faults, ..Settings::default() };
        let cloud = Self { azure: Azure::start(settings).await.unwrap(), folder: place(name) };
        cloud.azure.cloud_file(&cloud.folder).unwrap();
        let mut provision = cloud.command("provision");
        provision.args(["--resource-group", "evidence", "--create-resource-group", "--location", "westeurope"]);
        let ended = run(provision).await;
        assert_eq!(ended.status, Some(0), "{}", ended.said);
        cloud
    }

    /// A verb that works in this cloud.
    fn command(&self, verb: &str) -> Command {
        let who = self.azure.credentials();
        let mut command = kubectl(&kubeconfig("admin"));
        command.args(["forensys", verb, "-o", "json", "--azure-auth", "client-secret", "--cloud"]);
        command.arg(self.folder.join("cloud.json"));
        command.arg("--deployment").arg(self.folder.join("deployment.json"));
        command.env("AZURE_TENANT_ID", &who.tenant_id).env("AZURE_CLIENT_ID", &who.client_id);
        command.env("AZURE_CLIENT_SECRET", &who.client_secret).env("AZURE_SUBSCRIPTION_ID", &who.subscription_id);
        command
    }

    fn upload(&self, bundle: &Path) -> Command {
        let mut command = self.command("upload");
        command.args(["--concurrency", "2", "--state-dir"]).arg(self.folder.join("state")).arg(bundle);
        command
    }
}

/// Runs a command to its end while the in-process Azure goes on answering.
async fn run(mut command: Command) -> Ended {
    Ended::of(&tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
}

/// The tables of the bundle that have rows.
fn tables() -> Vec<String> {
    let tables = ADMIN.ended.report["tables"].as_object().unwrap().iter();
    tables.filter(|(_, total)| total["rows"] != 0).map(|(table, _)| table.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the cluster of tests/cluster/run"]
async fn every_row_arrives_once() {
    let tables = tables();
    let cloud = Cloud::provisioned("upload", Vec::new()).await;
    let ended = run(cloud.upload(&ADMIN.dir)).await;
    assert_eq!(ended.status, Some(0), "{}", ended.said);
    for table in &tables {
        let (told, collected) = (&ended.report["tables"][table], rows(&ADMIN.dir, table));
        assert_eq!(told["rows"], collected.len(), "{table}");
        assert_eq!((&told["acknowledged"], &told["spooled"]), (&told["rows"], &0.into()), "{table}");
        assert_eq!(cloud.azure.record_ids(table), column(&collected, "RecordId"), "{table}");
    }
    assert_eq!(cloud.azure.losses(), Default::default(), "nothing was cut or left out on the way");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the cluster of tests/cluster/run"]
async fn a_killed_upload_sends_the_rest_when_run_again() {
    let tables = tables();
    // Two requests go unanswered after a few were taken: with two at once, nothing moves any more.
    let hang = Fault {
        method: Some("POST".to_owned()),
        path: "*/streams/Custom-kubelogs_CL".to_owned(),
        after: 3,
        times: Some(2),
        delay_ms: Some(3_600_000),
        ..Fault::default()
    };
    let cloud = Cloud::provisioned("killed-upload", vec![hang]).await;
    let mut child = cloud.upload(&ADMIN.dir).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let azure = &cloud.azure;
    tokio::task::block_in_place(|| {
        eventually("the first logs' arrival", || azure.arrived().contains_key("kubelogs_CL"));
        child.kill().unwrap();
        child.wait().unwrap();
    });
    let before: usize = azure.arrived().values().sum();
    let ended = run(cloud.upload(&ADMIN.dir)).await;
    assert_eq!(ended.status, Some(0), "{}", ended.said);
    for table in &tables {
        let mut collected = column(&rows(&ADMIN.dir, table), "RecordId");
        let mut arrived = azure.record_ids(table);
        collected.dedup();
        arrived.dedup();
        assert_eq!(arrived, collected, "{table}");
        assert_eq!(text(&ended.report["tables"][table], "spooled"), "0", "{table}");
    }
    assert!(before > 0 && before < azure.arrived().values().sum(), "it was killed in the middle");
}
