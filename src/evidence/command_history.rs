//! Command history: history files of shells and tools, parsed into commands. What cannot be parsed stays a line.
//!
//! Absence is not innocence: shells write their history when they end, and many write none.

mod format;

use jiff::Timestamp;

pub use format::{Command, parse};

crate::table! {
    /// Commands from history files inside containers, and a row for each container whose history could not be read. The files can
    /// be changed by whoever runs in the container: `trust` says so.
    "commandhistory_CL": HistoryRow {
        /// Namespace.
        [key] namespace: String,
        /// Name of the pod.
        [key] pod_name: String,
        /// UID of the pod.
        [key] pod_uid: String,
        /// Name of the container.
        [key] container_name: String,
        /// Id of the container instance.
        [key] container_id: Option<String>,
        /// Path of the history file in the container.
        [key] history_file: Option<String>,
        /// Number of the command in the file, from 1.
        [key] line_no: Option<i64>,
        /// The command.
        command: Option<String>,
        /// The command's bytes in base64, where they are not UTF-8.
        command_b64: Option<String>,
        /// `found`, `none`, `unreadable`, `no-shell`, `denied`, `not-running`, `skipped` or `failed`.
        [key] history_state: String,
        /// Why there is no history, or not all of it.
        reason: Option<String>,
        /// Shell or tool that the file belongs to.
        shell: Option<String>,
        /// User whose home it lies in.
        user_name: Option<String>,
        /// Seconds that the command took (zsh).
        elapsed_seconds: Option<i64>,
        /// Size of the file in bytes, as received; shells drop NUL bytes.
        file_bytes: Option<i64>,
        /// SHA-256 of the bytes received.
        file_sha256: Option<String>,
        /// How it was read: the shell that ran in the container.
        [derived] read_method: Option<String>,
        /// Who could have lied: always `in-container`.
        [derived] trust: String,
        /// Node.
        node_name: Option<String>,
    }
}

/// A container whose history is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryTarget {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod_name: String,
    /// UID of the pod.
    pub pod_uid: String,
    /// Name of the container.
    pub container_name: String,
    /// Id of its instance.
    pub container_id: Option<String>,
    /// Which instance.
    pub restart_count: i64,
    /// Node.
    pub node_name: Option<String>,
}

/// A row that says how reading went, without a command.
pub fn state_row(target: &HistoryTarget, state: &str, reason: Option<String>) -> HistoryRow {
    HistoryRow {
        namespace: target.namespace.clone(),
        pod_name: target.pod_name.clone(),
        pod_uid: target.pod_uid.clone(),
        container_name: target.container_name.clone(),
        container_id: target.container_id.clone(),
        node_name: target.node_name.clone(),
        history_state: state.to_owned(),
        reason,
        trust: "in-container".to_owned(),
        ..HistoryRow::default()
    }
}

/// The rows of one history file, each with the time that the file itself gives.
pub fn file_rows(
    target: &HistoryTarget,
    user: &str,
    path: &str,
    content: Option<&[u8]>,
    shell: &str,
) -> Vec<(Option<Timestamp>, HistoryRow)> {
    let about = HistoryRow {
        history_file: Some(path.to_owned()),
        user_name: (user != "-").then(|| user.to_owned()),
        shell: Some(format::shell_of(path).to_owned()),
        read_method: Some(shell.to_owned()),
        ..state_row(target, "found", None)
    };
    let Some(content) = content else {
        let reason = Some("the container's user may not read the file".to_owned());
        return vec![(None, HistoryRow { history_state: "unreadable".to_owned(), reason, ..about })];
    };
    let about =
        HistoryRow { file_bytes: i64::try_from(content.len()).ok(), file_sha256: Some(sha256(content)), ..about };
    let commands = parse(path, content);
    if commands.is_empty() {
        let reason = Some("the file is empty".to_owned());
        return vec![(None, HistoryRow { history_state: "none".to_owned(), reason, ..about })];
    }
    (1..).zip(commands).map(|(number, command)| (command.time, command_row(&about, number, command))).collect()
}

fn command_row(about: &HistoryRow, number: i64, command: Command) -> HistoryRow {
    let text = String::from_utf8_lossy(&command.bytes).into_owned();
    let is_text = std::str::from_utf8(&command.bytes).is_ok();
    HistoryRow {
        line_no: Some(number),
        command: Some(text),
        command_b64: (!is_text)
            .then(|| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &command.bytes)),
        elapsed_seconds: command.elapsed_seconds,
        ..about.clone()
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
