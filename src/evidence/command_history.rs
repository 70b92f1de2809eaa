//! Command history: history files of shells and tools, parsed into commands. What cannot be parsed stays a line.
//!
//! Absence is not innocence: shells write their history when they end, and many write none. What keeps them from it, or leads the
//! history astray, is told by rows of their own; see [`findings`].

pub mod findings;
mod format;
mod lines;
mod tools;

use jiff::Timestamp;

pub use format::{Command, parse};

use crate::cluster::history_frames::{Content, Frame, HistoryFile};

crate::table! {
    /// Commands from history files inside containers, a row for each container whose history could not be read, and rows about what
    /// keeps histories from being written. The files can be changed by whoever runs in the container: `trust` says so.
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
        /// Path of the history file in the container, or of the start-up file.
        [key] history_file: Option<String>,
        /// Number of the command in the file, from 1; of a start-up file the number of the line.
        [key] line_no: Option<i64>,
        /// The command; with `tampered` and `setting` the line of the start-up file, or the variable.
        command: Option<String>,
        /// The command's bytes in base64, where they are not UTF-8.
        command_b64: Option<String>,
        /// `found`, `none`, `unreadable`, `truncated`, `binary`, `no-shell`, `denied`, `not-running` or `failed`; `linked`: the file is a link;
        /// `tampered`: something keeps the history from being written or reads it away; `setting`: something decides what is written.
        [key] history_state: String,
        /// Why there is no history, or not all of it, or what the state means here.
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
        /// How it was read: the shell that ran in the container, `debug-container` before it where it was one of ours.
        [derived] read_method: Option<String>,
        /// Who could have lied: `in-container`, whoever runs there; `pod-spec`, whoever wrote the pod's specification.
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
    /// What the pod's specification sets in its environment: names and literal values.
    pub environment: Vec<(String, String)>,
}

/// Takes rows, each with the time that the evidence itself gives.
pub type Push<'a> = &'a mut dyn FnMut(Option<Timestamp>, HistoryRow) -> anyhow::Result<()>;

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

/// Whether a row, as it was written, tells of something that was read in the container, rather than of how reading went.
pub fn is_from_container(row: &[u8]) -> bool {
    // Within a JSON string the quotes would be escaped.
    memchr::memmem::find(row, b"\"read_method\":").is_some()
}

/// Rows about what the pod's specification sets.
pub fn specification_rows(target: &HistoryTarget) -> Vec<HistoryRow> {
    let rows = target.environment.iter().filter_map(|(name, value)| {
        let row = variable_row(target, name, value)?;
        Some(HistoryRow { trust: "pod-spec".to_owned(), ..row })
    });
    rows.collect()
}

fn variable_row(target: &HistoryTarget, name: &str, value: &str) -> Option<HistoryRow> {
    let finding = findings::of_variable(name, value)?;
    let row = state_row(target, finding.state, Some(finding.reason));
    Some(HistoryRow { command: Some(format!("{name}={value}")), ..row })
}

/// Writes the rows of a frame, read by `method`. A history's rows are made one at a time: it may be long.
///
/// # Errors
/// Those of `push`.
pub fn frame_rows(target: &HistoryTarget, frame: &Frame, method: &str, push: Push<'_>) -> anyhow::Result<()> {
    let read_method = Some(method.to_owned());
    match frame {
        Frame::Variable(text) => {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            let is_known = target.environment.iter().any(|(known, same)| known == name && same == value);
            match variable_row(target, name, value).filter(|_| !is_known) {
                Some(row) => push(None, HistoryRow { read_method, ..row }),
                None => Ok(()),
            }
        }
        Frame::File(file) => file_rows(target, file, method, push),
        Frame::Lines { user, path, lines } => {
            let about = HistoryRow { read_method, ..place_row(target, user, path) };
            lines.iter().try_for_each(|(number, line)| match findings::of_line(line) {
                Some(finding) => push(None, finding_row(&about, Some((*number, line)), finding)),
                None => Ok(()),
            })
        }
    }
}

fn file_rows(target: &HistoryTarget, file: &HistoryFile, method: &str, push: Push<'_>) -> anyhow::Result<()> {
    let about = HistoryRow {
        shell: Some(format::shell_of(&file.path).to_owned()),
        read_method: Some(method.to_owned()),
        ..place_row(target, &file.user, &file.path)
    };
    if let Some(finding) = findings::of_place(file) {
        push(None, finding_row(&about, None, finding))?;
    }
    let say = |state: &str, reason: &str| HistoryRow {
        history_state: state.to_owned(),
        reason: Some(reason.to_owned()),
        ..about.clone()
    };
    match &file.content {
        Content::Bytes(bytes, is_whole) => {
            if !is_whole {
                push(None, say("truncated", "the rest of the file was not read"))?;
            }
            content_rows(about, &file.path, bytes, push)
        }
        Content::Unreadable => push(None, say("unreadable", "the container's user may not read the file")),
        Content::Closed => push(None, say("unreadable", "the container's user may not look into this home")),
        Content::Binary => push(None, say("binary", "a database, which is not read as text")),
        Content::Skipped => {
            push(None, say("truncated", "not read: the files before it reached the limit of a container"))
        }
        // Their place was told of.
        Content::NotFollowed | Content::Odd => Ok(()),
    }
}

fn place_row(target: &HistoryTarget, user: &str, path: &str) -> HistoryRow {
    HistoryRow {
        history_file: Some(path.to_owned()),
        user_name: (user != "-").then(|| user.to_owned()),
        ..state_row(target, "found", None)
    }
}

fn finding_row(about: &HistoryRow, line: Option<(i64, &Vec<u8>)>, finding: findings::Finding) -> HistoryRow {
    let about = HistoryRow { history_state: finding.state.to_owned(), reason: Some(finding.reason), ..about.clone() };
    match line {
        Some((number, line)) => command_row(&about, number, &Command { bytes: line.clone(), ..Command::default() }),
        None => about,
    }
}

fn content_rows(about: HistoryRow, path: &str, content: &[u8], push: Push<'_>) -> anyhow::Result<()> {
    let about =
        HistoryRow { file_bytes: i64::try_from(content.len()).ok(), file_sha256: Some(sha256(content)), ..about };
    if let Some(kind) = format::binary(content) {
        let reason = Some(format!("{kind}, which is not read as text"));
        return push(None, HistoryRow { history_state: "binary".to_owned(), reason, ..about });
    }
    let mut number = 0;
    format::each(path, content, &mut |command| {
        number += 1;
        push(command.time, command_row(&about, number, &command))
    })?;
    if number == 0 {
        let reason = Some("the file is empty".to_owned());
        push(None, HistoryRow { history_state: "none".to_owned(), reason, ..about })?;
    }
    Ok(())
}

fn command_row(about: &HistoryRow, number: i64, command: &Command) -> HistoryRow {
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
    crate::table::hex_text(sha2::Sha256::digest(bytes).iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(frame: &Frame, environment: &[(&str, &str)]) -> Vec<HistoryRow> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let target = HistoryTarget { environment, ..HistoryTarget::default() };
        let mut rows = Vec::new();
        frame_rows(&target, frame, "sh", &mut |_, row| {
            rows.push(row);
            Ok(())
        })
        .unwrap();
        rows
    }

    fn file(path: &str, link: Option<&str>, content: Content) -> Frame {
        let (user, path, link) = ("root".to_owned(), path.to_owned(), link.map(str::to_owned));
        Frame::File(HistoryFile { user, path, link, device: None, content })
    }

    fn states(rows: &[HistoryRow]) -> Vec<&str> {
        rows.iter().map(|row| row.history_state.as_str()).collect()
    }

    #[test]
    fn a_history_that_leads_nowhere_is_a_row() {
        let rows = rows(&file("/root/.bash_history", Some("/dev/null"), Content::Odd), &[]);
        assert_eq!(states(&rows), ["tampered"]);
        assert!(rows[0].reason.as_ref().unwrap().contains("/dev/null"));
        assert_eq!((rows[0].shell.as_deref(), rows[0].trust.as_str()), (Some("bash"), "in-container"));
    }

    #[test]
    fn a_linked_or_cut_history_is_said_to_be_and_its_commands_are_rows() {
        let content = || Content::Bytes(b"id\nls\n".to_vec(), false);
        let rows = rows(&file("/root/.bash_history", Some(""), content()), &[]);
        assert_eq!(states(&rows), ["linked", "truncated", "found", "found"]);
    }

    #[test]
    fn databases_are_not_parsed_as_text() {
        for bytes in [&b"SQLite format 3\x10\x01"[..], b"a\0b", b"\x81\x01\nls\n"] {
            let rows = rows(&file("/root/.sqlite_history", None, Content::Bytes(bytes.to_vec(), true)), &[]);
            assert_eq!(states(&rows), ["binary"], "{bytes:?}");
            assert_eq!(rows[0].file_bytes, Some(bytes.len() as i64));
        }
    }

    #[test]
    fn the_environment_is_told_once_and_with_its_origin() {
        let environment = [("HISTFILE", "/dev/null"), ("LANG", "C")];
        assert!(rows(&Frame::Variable("HISTFILE=/dev/null".to_owned()), &environment).is_empty());
        let image = rows(&Frame::Variable("HISTSIZE=0".to_owned()), &environment);
        assert_eq!((states(&image), image[0].trust.as_str()), (vec!["tampered"], "in-container"));
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let target = HistoryTarget { environment, ..HistoryTarget::default() };
        let spec = specification_rows(&target);
        assert_eq!((states(&spec), spec[0].trust.as_str()), (vec!["tampered"], "pod-spec"));
        assert_eq!(spec[0].command.as_deref(), Some("HISTFILE=/dev/null"));
    }

    #[test]
    fn lines_of_start_up_files_keep_their_numbers() {
        let lines = vec![(3, b"# HISTSIZE=0".to_vec()), (7, b"  unset HISTFILE".to_vec()), (9, b"HISTSIZE=9".to_vec())];
        let frame = Frame::Lines { user: "root".to_owned(), path: "/root/.bashrc".to_owned(), lines };
        let rows = rows(&frame, &[]);
        assert_eq!(states(&rows), ["tampered", "setting"]);
        assert_eq!(rows[0].line_no, Some(7));
        assert_eq!(rows[0].command.as_deref(), Some("  unset HISTFILE"));
    }
}
