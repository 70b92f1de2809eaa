//! What becomes of a unit that is tried more than once: nothing that was kept is lost, and no row is there twice.

use std::{collections::BTreeMap, path::Path};

use forensys::{
    bundle::{Bundle, BundleWriter, FORMAT, Growing, Outcome, RunFile, SealStatus, State, Unit, verify},
    evidence::service_accounts::ServiceAccountRow,
};
use serde_json::{Value, json};

fn run_file() -> RunFile {
    serde_json::from_value(json!({"format": FORMAT, "run_id": "01JTEST", "tool": "test", "demo": true,
        "started": "2026-03-01T12:00:00Z", "operator": {"login": "", "host": ""}, "server": "", "window": {}, "settings": {}}))
    .unwrap()
}

fn begun(dir: &Path) -> BundleWriter {
    BundleWriter::create(dir, run_file()).unwrap()
}

fn list(writer: &BundleWriter) -> Unit {
    writer.unit("serviceaccounts", "a list", &["serviceaccounts", "_all"])
}

/// Takes objects as a list does: a row for each, and the object itself.
fn take(unit: &mut Unit, names: &[&str]) {
    for name in names {
        let row = ServiceAccountRow { name: Some((*name).to_owned()), ..ServiceAccountRow::default() };
        unit.raw("serviceaccounts", format!(r#"{{"name":"{name}"}}"#).as_bytes()).unwrap();
        unit.push(&row, None).unwrap();
    }
}

/// Names of the rows in a sealed bundle, sorted.
fn names(dir: &Path) -> Vec<String> {
    let bundle = Bundle::open(dir).unwrap();
    let mut names = Vec::new();
    for part in bundle.parts("serviceaccounts_CL") {
        for line in std::io::BufRead::lines(bundle.read_part(part).unwrap()) {
            let row: Value = serde_json::from_str(&line.unwrap()).unwrap();
            names.push(row["name"].as_str().unwrap().to_owned());
        }
    }
    names.sort();
    names
}

/// How often each object stands in `raw/`. A file that a kill cut off is read up to there.
fn raw_objects(dir: &Path) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for file in Bundle::open(dir).unwrap().manifest.files.iter().filter(|file| file.path.starts_with("raw/")) {
        let decoder = zstd::Decoder::new(fs_err::File::open(dir.join(&file.path)).unwrap()).unwrap();
        for line in std::io::BufRead::lines(std::io::BufReader::new(decoder)).map_while(Result::ok) {
            *found.entry(line).or_default() += 1;
        }
    }
    found
}

fn is_sound(dir: &Path) {
    let verified = verify(dir).unwrap();
    assert_eq!(verified.problems, []);
}

/// States of the gaps and notes of a sealed bundle.
fn states(dir: &Path) -> Vec<State> {
    Bundle::open(dir).unwrap().manifest.gaps.iter().map(|gap| gap.state).collect()
}

#[tokio::test]
async fn a_later_try_that_gets_less_far_takes_nothing_away() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let writer = begun(&dir);
    let mut unit = list(&writer);
    take(&mut unit, &["a", "b", "c"]);
    unit.finish(Outcome::new(State::Truncated, "the list broke off")).await.unwrap();
    // Once more in the same run, as what failed is tried again at its end.
    let mut unit = list(&writer);
    take(&mut unit, &["a"]);
    unit.finish(Outcome::new(State::Truncated, "the list broke off")).await.unwrap();
    writer.seal(SealStatus::Gaps).await.unwrap();
    is_sound(&dir);
    assert_eq!(names(&dir), ["a", "b", "c"]);
    drop(writer);

    let writer = BundleWriter::resume(&dir).unwrap();
    let mut unit = list(&writer);
    take(&mut unit, &["a", "d"]);
    unit.finish(Outcome::new(State::Failed, "unreachable")).await.unwrap();
    writer.seal(SealStatus::Gaps).await.unwrap();
    is_sound(&dir);
    assert_eq!(names(&dir), ["a", "b", "c", "d"]);
    let objects = raw_objects(&dir);
    assert_eq!((objects.len(), objects.values().max()), (4, Some(&1)), "{objects:?}");
}

#[tokio::test]
async fn beginning_again_within_a_try_keeps_what_was_seen_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let writer = begun(&dir);
    let mut unit = list(&writer);
    take(&mut unit, &["gone", "b", "twin", "twin"]);
    unit.restart().unwrap();
    take(&mut unit, &["b", "twin", "twin", "new"]);
    unit.finish(Outcome::complete()).await.unwrap();
    writer.seal(SealStatus::Complete).await.unwrap();
    is_sound(&dir);
    assert_eq!(names(&dir), ["b", "gone", "new", "twin", "twin"], "rows that are equal from the first stay as many");
    assert_eq!(raw_objects(&dir).len(), 4);
}

#[tokio::test]
async fn what_a_kill_cut_off_stays_when_the_next_try_sees_other_things() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let writer = begun(&dir);
    let mut unit = list(&writer);
    take(&mut unit, &["a", "gone"]);
    unit.flush().unwrap();
    drop((unit, writer));
    for _ in 0..2 {
        // Killed in the middle of the second try, too.
        let writer = BundleWriter::resume(&dir).unwrap();
        let mut unit = list(&writer);
        take(&mut unit, &["a", "b"]);
        drop((unit, writer));
    }
    let writer = BundleWriter::resume(&dir).unwrap();
    let mut unit = list(&writer);
    take(&mut unit, &["a", "b", "c"]);
    unit.finish(Outcome::complete()).await.unwrap();
    writer.seal(SealStatus::Complete).await.unwrap();
    is_sound(&dir);
    assert_eq!(names(&dir), ["a", "b", "c", "gone"]);
    assert_eq!(states(&dir), [], "what was cut off has been read to its end since");
}

#[tokio::test]
async fn a_part_that_the_journal_names_never_changes() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let writer = begun(&dir);
    let mut unit = list(&writer);
    take(&mut unit, &["a"]);
    unit.finish(Outcome::new(State::Truncated, "the list broke off")).await.unwrap();
    writer.seal(SealStatus::Gaps).await.unwrap();
    drop(writer);
    let growing = Growing::open(&dir).unwrap().unwrap();
    let before = growing.parts().unwrap();
    let writer = BundleWriter::resume(&dir).unwrap();
    let mut unit = list(&writer);
    take(&mut unit, &["a", "b"]);
    unit.flush().unwrap();
    for part in &before {
        assert_eq!(fs_err::metadata(dir.join(&part.path)).unwrap().len(), part.bytes, "while the next try writes");
    }
    unit.finish(Outcome::complete()).await.unwrap();
    writer.seal(SealStatus::Complete).await.unwrap();
    let after = growing.parts().unwrap();
    assert!(before.iter().all(|part| after.contains(part)), "{before:?} {after:?}");
}

#[tokio::test]
async fn a_unit_that_ended_without_a_word_is_kept_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let writer = begun(&dir);
    let mut unit = list(&writer);
    take(&mut unit, &["a"]);
    drop(unit);
    writer.seal(SealStatus::Gaps).await.unwrap();
    is_sound(&dir);
    assert_eq!((names(&dir), states(&dir)), (vec!["a".to_owned()], vec![State::Interrupted]));
}

#[tokio::test]
async fn a_journal_grows_by_the_same_with_each_resume() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    drop(begun(&dir));
    let mut sizes = vec![0];
    for number in 0..20 {
        let writer = BundleWriter::resume(&dir).unwrap();
        let mut unit = list(&writer);
        take(&mut unit, &[format!("name-{number:02}").as_str()]);
        unit.finish(Outcome::new(State::Truncated, "the list broke off")).await.unwrap();
        writer.seal(SealStatus::Gaps).await.unwrap();
        sizes.push(fs_err::metadata(dir.join("journal.jsonl")).unwrap().len());
    }
    let steps: Vec<_> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().all(|step| *step < steps[0] + 50), "{steps:?}");
    is_sound(&dir);
    assert_eq!(names(&dir).len(), 20);
    let seals = fs_err::read_dir(&dir)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("manifest."));
    assert_eq!(seals.count(), 20, "no seal takes the place of another");
}

#[tokio::test]
async fn what_a_try_derives_anew_takes_the_place_of_the_old_when_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let writer = begun(&dir);
    let mut unit = list(&writer);
    take(&mut unit, &["old"]);
    unit.finish(Outcome::complete()).await.unwrap();
    writer.seal(SealStatus::Complete).await.unwrap();
    drop(writer);

    let writer = BundleWriter::resume(&dir).unwrap();
    let mut unit = list(&writer);
    unit.replace_earlier().unwrap();
    assert!(dir.join("tables/serviceaccounts_CL/serviceaccounts/_all.jsonl").exists(), "the new is not there yet");
    take(&mut unit, &["new"]);
    drop((unit, writer));

    let writer = BundleWriter::resume(&dir).unwrap();
    let mut unit = list(&writer);
    unit.replace_earlier().unwrap();
    take(&mut unit, &["newer"]);
    unit.finish(Outcome::complete()).await.unwrap();
    writer.seal(SealStatus::Complete).await.unwrap();
    is_sound(&dir);
    assert_eq!(names(&dir), ["newer"]);
}
