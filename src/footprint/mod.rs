//! What a run did to the cluster, from the record that it kept (`actions.jsonl`), and filters that take exactly that out of the
//! cluster's audit log: what is left is what others did.
//!
//! Limits: the record holds what this program sent. What follows from it inside the cluster (a kubelet that reports the state of a
//! debug container) is others' in the audit log, and stays there.

mod filters;
mod request;

use std::{
    collections::{BTreeMap, HashMap},
    io::BufRead,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use filters::{Filters, filters};
use request::Kind;

/// A line of the record, as far as it is needed.
#[derive(Deserialize)]
struct Line {
    phase: String,
    time: Option<Timestamp>,
    audit_id: Option<String>,
    method: Option<String>,
    path: Option<String>,
    status: Option<u16>,
    #[serde(default)]
    bytes: u64,
    outcome: Option<String>,
}

/// What a run did. Its JSON is part of the documented output of `footprint -o json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// Time of the first line.
    pub from: Option<Timestamp>,
    /// Time of the last line.
    pub until: Option<Timestamp>,
    /// Sums over all requests.
    pub total: Sum,
    /// Sums by what was asked for.
    pub requests: Vec<Requests>,
    /// Exec sessions.
    pub execs: Execs,
    /// Lines that a kill tore or that cannot be read; a request may be among them.
    pub unreadable: u64,
    /// The `Audit-ID` of each request, in the order of sending.
    #[serde(skip)]
    pub audit_ids: Vec<String>,
}

/// Requests of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Verb, as in the audit log.
    pub verb: String,
    /// Resource with its subresource and group; the path where it is no resource.
    pub resource: String,
    /// `core`, `exec`, `node-logs` or `debug`.
    pub level: &'static str,
    /// Whether it changes something in the cluster or starts something there.
    pub leaves_trace: bool,
    /// Their sums.
    #[serde(flatten)]
    pub sum: Sum,
}

/// Sums over requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Sent.
    pub sent: u64,
    /// Answered with 401 or 403.
    pub denied: u64,
    /// Answered with another status that is no success.
    pub failed: u64,
    /// Without an answer in the record.
    pub unanswered: u64,
    /// Bytes of the answers' bodies. Those of exec sessions are counted there.
    pub bytes: u64,
}

/// Sums over exec sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Execs {
    /// Sessions that opened.
    pub sessions: u64,
    /// Of these, those in which the command did not end well.
    pub unsuccessful: u64,
    /// Bytes that the commands printed.
    pub bytes: u64,
}

impl Sum {
    fn answered(&mut self, status: Option<u16>, bytes: u64) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.bytes += bytes;
        match status {
            Some(401 | 403) => self.denied += 1,
            Some(101 | 200..=299) => {}
            Some(_) => self.failed += 1,
            None => self.unanswered += 1,
        }
    }

    fn sent(&mut self) {
        self.sent += 1;
        self.unanswered += 1;
    }
}

/// Reads a record to its end. What cannot be read is counted.
///
/// # Errors
/// The source fails.
pub fn read(record: impl BufRead) -> std::io::Result<Footprint> {
    let mut reading = Reading::default();
    for line in record.split(b'\n') {
        match serde_json::from_slice::<Line>(&line?) {
            Ok(line) => reading.take(line),
            Err(_) => reading.footprint.unreadable += 1,
        }
    }
    let sums = reading.sums.into_iter();
    let mut requests: Vec<_> = sums.map(|(kind, sum)| kind.into_requests(sum)).collect();
    requests.sort_by_key(|requests| std::cmp::Reverse(requests.sum.sent));
    Ok(Footprint { requests, ..reading.footprint })
}

#[derive(Default)]
struct Reading {
    footprint: Footprint,
    sums: BTreeMap<Kind, Sum>,
    pending: HashMap<String, Kind>,
}

impl Reading {
    fn take(&mut self, line: Line) {
        self.footprint.from = self.footprint.from.or(line.time);
        self.footprint.until = line.time.or(self.footprint.until);
        match (line.phase.as_str(), line.audit_id) {
            ("sent", Some(id)) => {
                let kind =
                    Kind::of(line.method.as_deref().unwrap_or_default(), line.path.as_deref().unwrap_or_default());
                self.footprint.total.sent();
                self.sums.entry(kind.clone()).or_default().sent();
                self.pending.insert(id.clone(), kind);
                self.footprint.audit_ids.push(id);
            }
            ("answered", Some(id)) => {
                let Some(kind) = self.pending.remove(&id) else { return };
                self.footprint.total.answered(line.status, line.bytes);
                self.sums.entry(kind).or_default().answered(line.status, line.bytes);
            }
            ("exec", _) => {
                let execs = &mut self.footprint.execs;
                execs.sessions += 1;
                execs.unsuccessful += u64::from(line.outcome.as_deref() != Some("success"));
                execs.bytes += line.bytes;
            }
            ("torn", _) => self.footprint.unreadable += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"phase":"sent","time":"2026-01-02T03:04:05Z","audit_id":"a","method":"GET","path":"/api/v1/pods?limit=500"}
{"phase":"sent","time":"2026-01-02T03:04:05Z","audit_id":"b","method":"GET","path":"/api/v1/namespaces/shop/pods/web/exec?command=sh"}
{"phase":"answered","time":"2026-01-02T03:04:06Z","audit_id":"a","status":200,"bytes":70,"duration_ms":3}
{"phase":"answered","time":"2026-01-02T03:04:06Z","audit_id":"b","status":101,"bytes":0,"duration_ms":3}
{"phase":"exec","time":"2026-01-02T03:04:06Z","container":"shop/web/app","bytes":9,"duration_ms":3,"outcome":"success"}
{"phase":"sent","time":"2026-01-02T03:04:07Z","audit_id":"c","method":"GET","path":"/api/v1/pods?limit=500&continue=x"}
{"phase":"answered","time":"2026-01-02T03:04:07Z","audit_id":"c","status":403,"bytes":1,"duration_ms":3}
{"phase":"sent","time":"2026-01-02T03:04:08Z","audit_id":"d","method":"GET","path":"/version"}
{"phase":"se"#;

    #[test]
    fn a_record_is_summed_up_even_when_it_is_torn() {
        let found = read(RECORD.as_bytes()).unwrap();
        assert_eq!(found.audit_ids, ["a", "b", "c", "d"]);
        assert_eq!(found.total, Sum { sent: 4, denied: 1, failed: 0, unanswered: 1, bytes: 71 });
        assert_eq!(found.execs, Execs { sessions: 1, unsuccessful: 0, bytes: 9 });
        assert_eq!(found.unreadable, 1);
        assert_eq!(found.until, "2026-01-02T03:04:08Z".parse().ok());
        let kinds: Vec<_> = found
            .requests
            .iter()
            .map(|kind| (kind.verb.as_str(), kind.resource.as_str(), kind.sum.sent, kind.leaves_trace))
            .collect();
        assert_eq!(kinds, [("list", "pods", 2, false), ("get", "/version", 1, false), ("get", "pods/exec", 1, true)]);
    }
}
