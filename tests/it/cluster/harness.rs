//! Running the program through kubectl, and reading the bundle it leaves.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A variable that `tests/cluster/run` sets.
fn setting(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run these tests with tests/cluster/run")).into()
}

/// The kubeconfig of a user of the test cluster: `admin` or `limited`.
pub(super) fn kubeconfig(user: &str) -> PathBuf {
    setting("FORENSYS_CLUSTER_CONF").join(format!("{user}.kubeconfig"))
}

/// What the API server recorded of requests.
pub(super) fn audit_log() -> Vec<Value> {
    json_lines(&audit_text())
}

/// What it recorded since a run began, whoever asked.
pub(super) fn audit_log_since(run: &Collected) -> Vec<Value> {
    let (text, agent) = (audit_text(), format!("run/{}", run.run_id()));
    let begun = memchr::memmem::find(&text, agent.as_bytes()).unwrap_or(text.len());
    let line = text[..begun].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    json_lines(&text[line..])
}

/// The record, up to its last whole line: the server goes on writing.
fn audit_text() -> Vec<u8> {
    let mut text = fs_err::read(setting("FORENSYS_CLUSTER_AUDIT")).unwrap();
    text.truncate(text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1));
    text
}

/// kubectl with the program on its PATH.
pub(super) fn kubectl(kubeconfig: &Path) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_kubectl-forensys"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("kubectl");
    command.env("KUBECONFIG", kubeconfig).env("PATH", path);
    command
}

/// What kubectl itself answers, as JSON.
pub(super) fn kubectl_json(arguments: &[&str]) -> Value {
    let output = kubectl(&kubeconfig("admin")).args(arguments).args(["-o", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An empty place for a bundle, below the target folder, where it can be looked at afterwards.
pub(super) fn place(name: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster").join(name);
    if place.exists() {
        fs_err::remove_dir_all(&place).unwrap();
    }
    fs_err::create_dir_all(place.parent().unwrap()).unwrap();
    place
}

/// How the program ended and what it reported.
pub(super) struct Ended {
    pub(super) status: Option<i32>,
    pub(super) report: Value,
    pub(super) said: String,
}

impl Ended {
    pub(super) fn of(output: &Output) -> Self {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{said}", String::from_utf8_lossy(&output.stdout)));
        Self { status: output.status.code(), report, said }
    }
}

/// `collect -A`, ready to run.
pub(super) fn collect(kubeconfig: &Path, bundle: &Path) -> Command {
    let mut command = kubectl(kubeconfig);
    command.args(["forensys", "collect", "-A", "-o", "json", "--output-dir"]).arg(bundle);
    command
}

/// `collect -n NAMESPACE`, ready to run.
pub(super) fn collect_namespace(kubeconfig: &Path, namespace: &str, bundle: &Path) -> Command {
    let mut command = kubectl(kubeconfig);
    command.args(["forensys", "collect", "-n", namespace, "-o", "json", "--output-dir"]).arg(bundle);
    command
}

/// `collect --resume`, run to its end.
pub(super) fn resume(kubeconfig: &Path, bundle: &Path) -> Ended {
    let mut command = kubectl(kubeconfig);
    Ended::of(&command.args(["forensys", "collect", "-o", "json", "--resume"]).arg(bundle).output().unwrap())
}

/// `verify`, run to its end.
pub(super) fn verify(bundle: &Path) -> Ended {
    let mut command = kubectl(&kubeconfig("admin"));
    Ended::of(&command.args(["forensys", "verify", "-o", "json"]).arg(bundle).output().unwrap())
}

/// A bundle and the report of the command that made it.
pub(super) struct Collected {
    pub(super) dir: PathBuf,
    pub(super) ended: Ended,
}

/// One undisturbed collection of everything as an admin, shared by the tests that only read it.
pub(super) static ADMIN: LazyLock<Collected> = LazyLock::new(|| {
    super::rights::accounts();
    collected("admin")
});

/// One collection of everything by an account that has rights in the namespace `shop` only.
pub(super) static LIMITED: LazyLock<Collected> = LazyLock::new(|| collected("limited"));

fn collected(user: &str) -> Collected {
    let dir = place(user);
    let ended = Ended::of(&collect(&kubeconfig(user), &dir).output().unwrap());
    Collected { dir, ended }
}

impl Collected {
    /// The rows of a table, in the order of the files' names.
    pub(super) fn rows(&self, table: &str) -> Vec<Value> {
        rows(&self.dir, table)
    }

    /// Rows of a table that a test cares about.
    pub(super) fn rows_of(&self, table: &str, columns: &[(&str, &str)]) -> Vec<Value> {
        let mut rows = self.rows(table);
        rows.retain(|row| columns.iter().all(|(column, value)| row[column] == *value));
        rows
    }

    /// The ULID of the run.
    pub(super) fn run_id(&self) -> &str {
        self.ended.report["run_id"].as_str().unwrap()
    }
}

/// The rows of a table of a bundle.
pub(super) fn rows(bundle: &Path, table: &str) -> Vec<Value> {
    let folder = bundle.join("tables").join(table);
    let paths = if folder.exists() { files(&folder) } else { Vec::new() };
    paths.iter().flat_map(|path| json_lines(&fs_err::read(path).unwrap())).collect()
}

/// The same without what was seen to change during the collection.
fn listed_rows(bundle: &Path, table: &str) -> Vec<Value> {
    let folder = bundle.join("tables").join(table);
    let mut paths = if folder.exists() { files(&folder) } else { Vec::new() };
    paths.retain(|path| !path.starts_with(folder.join("watch")));
    paths.iter().flat_map(|path| json_lines(&fs_err::read(path).unwrap())).collect()
}

/// Every file below a folder, sorted.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Lines of JSON; the file must end with a newline.
pub(super) fn json_lines(text: &[u8]) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with(b"\n"), "the last line is torn");
    text.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// Whether a gap is about the namespace `churn`, whose containers crash and are replaced all the time. Files name it in their paths.
pub(super) fn is_of_churn(object: &str) -> bool {
    object.contains("churn")
}

/// How often each record is there, without what changes between two runs: events, and the namespace `churn`.
pub(super) fn standing_records(bundle: &Path) -> BTreeMap<(String, String), usize> {
    let mut records = BTreeMap::new();
    for folder in fs_err::read_dir(bundle.join("tables")).unwrap() {
        let table = folder.unwrap().file_name().into_string().unwrap();
        if table == "kubeevents_CL" {
            continue;
        }
        for row in listed_rows(bundle, &table) {
            let object = row["object"].as_str().unwrap_or_default();
            if row["namespace"] == "churn" || is_of_churn(object) {
                continue;
            }
            // A kubelet writes the status of a pod anew some time after it began, and with it the time of the last change.
            let record = if table == "pods_CL" { "pod_uid" } else { "RecordId" };
            *records.entry((table.clone(), row[record].as_str().unwrap().to_owned())).or_insert(0) += 1;
        }
    }
    records
}

/// Waits until something holds; fails the test when it does not within a minute.
pub(super) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A column of rows as text, sorted; null is an empty text.
pub(super) fn column(rows: &[Value], name: &str) -> Vec<String> {
    let mut values: Vec<_> = rows.iter().map(|row| text(row, name)).collect();
    values.sort();
    values
}

/// A column of a row as text; null is an empty text, and what is no string is its JSON.
pub(super) fn text(row: &Value, name: &str) -> String {
    match &row[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
