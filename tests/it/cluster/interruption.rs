//! A collection that is cut off loses nothing that was journalled, and can be gone on with.

use std::{path::Path, process::Child, process::Command, process::Stdio};

use serde_json::Value;

use super::{
    harness::{ADMIN, Ended, collect, eventually, is_of_churn, kubectl, place, resume, standing_records, verify},
    valve::Valve,
};

/// Enough for the lists and small logs, not for the log of the pod `bulk`.
const BEFORE_THE_CUT: usize = 1_500_000;

/// Starts a collection that gets stuck in the middle, with something in its journal.
fn stuck(valve: &Valve, bundle: &Path) -> Child {
    std::sync::LazyLock::force(&ADMIN);
    let kubeconfig = valve.kubeconfig(&bundle.with_extension("kubeconfig"));
    let child = collect(&kubeconfig, bundle).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    valve.wait_until_shut();
    eventually("the first line of the journal", || {
        fs_err::metadata(bundle.join("journal.jsonl")).is_ok_and(|file| file.len() > 0)
    });
    child
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// What a report says is missing, without what goes on changing.
fn standing_gaps(report: &Value) -> Vec<&Value> {
    let gaps = report["gaps"].as_array().unwrap().iter();
    gaps.filter(|gap| !is_of_churn(gap["object"].as_str().unwrap_or_default())).collect()
}

/// Goes on with the bundle and compares it with the undisturbed one.
fn resumes_to_the_same_records(valve: &Valve, bundle: &Path) {
    valve.open();
    let resumed = resume(&bundle.with_extension("kubeconfig"), bundle);
    assert!(matches!(resumed.status, Some(0 | 3)), "{}", resumed.said);
    assert_eq!(standing_gaps(&resumed.report), standing_gaps(&ADMIN.ended.report));
    assert_eq!(verify(bundle).report["ok"], true);
    let (expected, found) = (standing_records(&ADMIN.dir), standing_records(bundle));
    let differing: Vec<_> =
        expected.keys().chain(found.keys()).filter(|key| expected.get(key) != found.get(key)).take(10).collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn a_killed_collection_resumes_to_the_same_records() {
    let valve = Valve::new(BEFORE_THE_CUT);
    let bundle = place("killed");
    let mut child = stuck(&valve, &bundle);
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert!(!bundle.join("manifest.json").exists());
    let verified = verify(&bundle);
    assert_eq!((verified.status, &verified.report["ok"]), (Some(4), &Value::Bool(false)));
    resumes_to_the_same_records(&valve, &bundle);
}

/// How often a collection is killed.
const KILLS: usize = 20;

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn a_collection_that_is_killed_again_and_again_ends_with_the_same_records() {
    let seed =
        std::env::var("FORENSYS_KILL_SEED").map_or_else(|_| std::process::id().into(), |seed| seed.parse().unwrap());
    println!("seed {seed}; again with FORENSYS_KILL_SEED={seed}");
    let mut chance: u64 = seed;
    let mut bytes = || {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        20_000 + usize::try_from(chance >> 33).unwrap() % 400_000
    };
    std::sync::LazyLock::force(&ADMIN);
    let bundle = place("killed-often");
    let valve = Valve::new(bytes());
    let kubeconfig = valve.kubeconfig(&bundle.with_extension("kubeconfig"));
    let mut kills = 0;
    while kills < KILLS {
        let mut command = if bundle.join("run.json").exists() {
            let mut command = kubectl(&kubeconfig);
            command.args(["forensys", "collect", "--resume"]).arg(&bundle);
            command
        } else {
            // A kill before the bundle began leaves nothing that could be gone on with.
            if bundle.exists() {
                fs_err::remove_dir_all(&bundle).unwrap();
            }
            collect(&kubeconfig, &bundle)
        };
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        eventually("the gate's closing", || valve.is_shut() || child.try_wait().unwrap().is_some());
        assert!(child.try_wait().unwrap().is_none(), "it ended after {kills} kills: let less pass at a time");
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        valve.allow(bytes());
    }
    resumes_to_the_same_records(&valve, &bundle);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn an_interrupted_collection_is_sealed_as_such_and_resumes() {
    let valve = Valve::new(BEFORE_THE_CUT);
    let bundle = place("interrupted");
    let child = stuck(&valve, &bundle);
    signal(&child, "-INT");
    let ended = Ended::of(&child.wait_with_output().unwrap());
    assert_eq!(ended.status, Some(130), "{}", ended.said);
    assert_eq!(ended.report["status"], "interrupted");
    assert_eq!(verify(&bundle).report["ok"], true, "what was collected is sealed");
    resumes_to_the_same_records(&valve, &bundle);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn a_flipped_byte_is_found() {
    let bundle = place("flipped");
    let copied = Command::new("cp").arg("-r").arg(&ADMIN.dir).arg(&bundle).status().unwrap();
    assert!(copied.success());
    let part = super::harness::files(&bundle.join("tables/pods_CL")).remove(0);
    let mut text = fs_err::read(&part).unwrap();
    text[10] ^= 1;
    fs_err::write(&part, text).unwrap();
    let verified = verify(&bundle);
    assert_eq!(verified.status, Some(4));
    let problems = verified.report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(part.ends_with(problems[0]["path"].as_str().unwrap()));
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn a_folder_that_is_not_empty_is_left_alone() {
    let bundle = place("occupied");
    fs_err::create_dir_all(&bundle).unwrap();
    fs_err::write(bundle.join("mine"), "precious").unwrap();
    let output = kubectl(&super::harness::kubeconfig("admin"))
        .args(["forensys", "collect", "-A", "--output-dir"])
        .arg(&bundle)
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_eq!(super::harness::files(&bundle), [bundle.join("mine")]);
}
