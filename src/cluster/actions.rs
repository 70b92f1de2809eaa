//! `actions.jsonl`: every request that left for the cluster. A line before it is sent, a line when its answer has ended.
//!
//! The `Audit-ID` that we mint is kept by the API server, so each line can be matched with the cluster's audit log.

use std::{
    io::Write as _,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use jiff::Timestamp;
use serde::Serialize;

/// Where actions are recorded. Cheap to clone.
#[derive(Clone)]
pub struct Actions {
    file: Arc<Mutex<Box<dyn std::io::Write + Send>>>,
    sent: Arc<AtomicU64>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
enum Line<'a> {
    Sent {
        time: Timestamp,
        audit_id: &'a str,
        method: &'a str,
        path: &'a str,
    },
    Answered {
        time: Timestamp,
        audit_id: &'a str,
        status: Option<u16>,
        bytes: u64,
        duration_ms: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    },
    Exec {
        time: Timestamp,
        container: &'a str,
        bytes: u64,
        duration_ms: u64,
        outcome: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        may_still_run: bool,
    },
    Torn {
        time: Timestamp,
        text: &'a str,
    },
}

impl Actions {
    /// Opens the record for appending. A line that a kill tore is kept inside a line of its own.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let text = match fs_err::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let torn = String::from_utf8_lossy(text.get(whole..).unwrap_or_default()).into_owned();
        let file = fs_err::OpenOptions::new().create(true).append(true).open(path)?;
        if !torn.is_empty() {
            file.set_len(whole as u64)?;
        }
        let actions = Self { file: Arc::new(Mutex::new(Box::new(file))), sent: Arc::default() };
        if !torn.is_empty() {
            actions.write(&Line::Torn { time: Timestamp::now(), text: &torn })?;
        }
        Ok(actions)
    }

    /// A record that is kept nowhere, for a process that leaves no files behind.
    pub fn nowhere() -> Self {
        Self { file: Arc::new(Mutex::new(Box::new(std::io::sink()))), sent: Arc::default() }
    }

    /// How many requests this process has sent.
    pub fn count(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Records that a request leaves. Errors when it cannot be recorded: then it must not leave.
    pub(super) fn sent(&self, audit_id: &str, method: &str, path: &str) -> std::io::Result<Answer> {
        self.write(&Line::Sent { time: Timestamp::now(), audit_id, method, path })?;
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(Answer {
            actions: self.clone(),
            audit_id: audit_id.to_owned(),
            began: Instant::now(),
            status: None,
            bytes: 0,
            error: None,
        })
    }

    /// Records how an exec session ended: its frames do not pass the guard.
    pub(super) fn exec(&self, container: &str, began: Instant, end: ExecEnd<'_>) -> std::io::Result<()> {
        let ExecEnd { bytes, outcome, exit_code, may_still_run } = end;
        let duration_ms = milliseconds(began);
        self.write(&Line::Exec {
            time: Timestamp::now(),
            container,
            bytes,
            duration_ms,
            outcome,
            exit_code,
            may_still_run,
        })
    }

    fn write(&self, line: &Line<'_>) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text)
    }
}

/// How an exec session ended.
pub(super) struct ExecEnd<'a> {
    /// Bytes of its standard output.
    pub(super) bytes: u64,
    /// In words.
    pub(super) outcome: &'a str,
    /// Exit code of a command that failed.
    pub(super) exit_code: Option<i32>,
    /// Whether the process may go on: it was given up.
    pub(super) may_still_run: bool,
}

/// The answer to a request; recorded when it is dropped, which is when its body has ended or was given up.
pub(super) struct Answer {
    actions: Actions,
    audit_id: String,
    began: Instant,
    /// HTTP status of the answer.
    pub(super) status: Option<u16>,
    /// Bytes of the body so far.
    pub(super) bytes: u64,
    /// What went wrong.
    pub(super) error: Option<String>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let line = Line::Answered {
            time: Timestamp::now(),
            audit_id: &self.audit_id,
            status: self.status,
            bytes: self.bytes,
            duration_ms: milliseconds(self.began),
            error: self.error.as_deref(),
        };
        if let Err(error) = self.actions.write(&line) {
            tracing::error!(%error, "An answer could not be recorded in actions.jsonl");
        }
    }
}

fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
