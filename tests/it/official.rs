//! The judges of the in-process Azure: Microsoft's own Python packages, over TLS. Ignored by default, for the first run installs
//! packages; `.ci/run` runs it.

use std::{path::Path, process::Command};

use forensys::demo::azure::{Served, Settings, serve};
use serde_json::Value;

/// Runs the script with the variables of the env file, and returns what it printed last.
fn talk(served: &Served) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/official/run");
    let line = format!(". '{}' && exec '{}'", served.env_file.display(), script.display());
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
            said.send(talk(&served)).unwrap();
            drop(heard);
        });
        Ok(())
    };
    let arrived = serve(Settings::default(), folder.path(), tell, async { drop(until.await) }).await.unwrap();
    let told = told.await.expect("the script's failure stands above");
    assert_eq!(told["sign_ins"], 3);
    assert_eq!(arrived[told["table"].as_str().unwrap()] as u64, told["rows"].as_u64().unwrap());
}
