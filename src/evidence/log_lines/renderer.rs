//! Lines to rows of `kubelogs_CL`. Written by hand rather than through the generic renderer: a collection is mostly this, so what is
//! constant for a container is rendered once and a line costs one digest and one copy.

use std::collections::{HashMap, HashSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{
    LogRow,
    assembler::{Line, Sink},
    moment::Moments,
};
use crate::{
    bundle::Window,
    table::{Envelope, Row as _, append_json_string, hex, hex_of},
};

/// What is constant on the lines of one container instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod_name: String,
    /// UID of the pod.
    pub pod_uid: String,
    /// Name of the container.
    pub container_name: String,
    /// Id of the instance; empty when the pod's status does not know it.
    pub container_id: String,
    /// Which instance.
    pub restart_count: i64,
    /// Image, where it is to stand on each line.
    pub image: Option<String>,
    /// Labels, where they are to stand on each line.
    pub labels: Option<String>,
    /// Annotations, where they are to stand on each line.
    pub annotations: Option<String>,
}

/// What a renderer has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Rows rendered.
    pub rows: u64,
    /// Lines left out because they lie outside of the window.
    pub outside: u64,
    /// Time of the first line.
    pub first: Option<Timestamp>,
    /// Time of the last line.
    pub last: Option<Timestamp>,
}

impl Seen {
    /// This and what was seen afterwards.
    pub fn and(self, later: Self) -> Self {
        Self {
            rows: self.rows + later.rows,
            outside: self.outside + later.outside,
            first: self.first.or(later.first),
            last: later.last.or(self.last),
        }
    }
}

/// So many bytes of rows make a write worth its while.
const FULL: usize = 64 * 1024;
/// Bytes that SHA-256 takes at a time (FIPS 180-4).
const BLOCK: usize = 64;

/// Renders the lines of one container instance into a buffer.
pub struct LineRenderer {
    window: Window,
    /// `,"CaseId":…,"RunId":…,"RecordId":"`
    head: Vec<u8>,
    /// Members that are constant, and the end of the row.
    tail: Vec<u8>,
    identity: Sha256,
    /// Lines that an earlier read kept.
    known: HashSet<String>,
    /// How many those were.
    expected: usize,
    /// Reading goes on: what comes before the first timestamp belongs to a line that was kept already.
    is_continued: bool,
    time_text: String,
    time: Option<Timestamp>,
    moments: Moments,
    /// What was seen at the current timestamp.
    ordinals: Ordinals,
    whole: Option<Sha256>,
    rows: Vec<u8>,
    pending: u64,
    seen: Seen,
}

impl LineRenderer {
    /// A renderer for an instance; lines whose id is in `known` are left out.
    pub fn new(metadata: &Metadata, envelope: &Envelope, window: Window, known: Option<HashSet<String>>) -> Self {
        let mut head = Vec::new();
        envelope.append_constants(&mut head);
        head.extend_from_slice(b",\"RecordId\":\"");
        Self {
            window,
            head,
            tail: tail(metadata),
            identity: identity(metadata),
            is_continued: known.is_some(),
            expected: known.as_ref().map_or(0, HashSet::len),
            known: known.unwrap_or_default(),
            time_text: String::new(),
            time: None,
            moments: Moments::default(),
            ordinals: Ordinals::default(),
            whole: None,
            rows: Vec::with_capacity(FULL * 2),
            pending: 0,
            seen: Seen::default(),
        }
    }

    /// Whether so much is rendered that it should be taken.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= FULL
    }

    /// Rows rendered since the last call, and how many.
    pub fn take(&mut self, into: &mut dyn FnMut(&[u8], u64) -> anyhow::Result<()>) -> anyhow::Result<()> {
        if self.pending > 0 {
            into(&self.rows, self.pending)?;
            self.rows.clear();
            self.pending = 0;
        }
        Ok(())
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// Whether there are lines that an earlier read kept, and none of them came again: something lies between those and these.
    pub fn has_met_none(&self) -> bool {
        self.expected > 0 && self.known.len() == self.expected
    }

    /// Notes the line's time; a line without one inherits the last.
    fn note_time(&mut self, line: &Line<'_>) {
        let Some(text) = line.timestamp.filter(|text| *text != self.time_text) else { return };
        self.time_text.clear();
        self.time_text.push_str(text);
        self.time = self.moments.parse(text);
        self.ordinals.clear();
        if self.seen.first.is_none() {
            self.seen.first = self.time;
        }
        self.seen.last = self.time.or(self.seen.last);
    }

    /// The line's identity: equal lines at one timestamp are numbered.
    fn record_id(&mut self, line: &Line<'_>) -> [u8; 32] {
        let mut hasher = self.identity.clone();
        hasher.update(self.time_text.as_bytes());
        hasher.update(b"\n");
        if let Some(chunk) = line.chunk {
            hasher.update(chunk.to_string());
        }
        hasher.update(b"\n");
        hasher.update(line.message);
        let digest = first_half(&hasher.finalize());
        let ordinal = self.ordinals.next(digest);
        if ordinal == 1 {
            return hex(digest);
        }
        let mut hasher = Sha256::new();
        hasher.update(digest);
        hasher.update(ordinal.to_le_bytes());
        hex(first_half(&hasher.finalize()))
    }

    fn append(&mut self, line: &Line<'_>, id: &[u8; 32], whole: Option<Sha256>) {
        // Checking first is much faster than the lossy conversion, and nearly every line is text.
        let (text, is_text) = match std::str::from_utf8(line.message) {
            Ok(text) => (std::borrow::Cow::Borrowed(text), true),
            Err(_) => (String::from_utf8_lossy(line.message), false),
        };
        match self.time {
            // As printed: the kubelet's own text is RFC 3339, and need not be made anew from the moment that it names.
            Some(_) if self.time_text.ends_with('Z') => Envelope::append_time_text(&mut self.rows, &self.time_text),
            time => Envelope::append_times(&mut self.rows, time, time.unwrap_or_else(Timestamp::now)),
        }
        self.rows.extend_from_slice(&self.head);
        self.rows.extend_from_slice(id);
        self.rows.push(b'"');
        self.append_chunk(line, whole);
        self.rows.extend_from_slice(b",\"message\":");
        append_json_string(&mut self.rows, &text);
        if !is_text {
            self.rows.extend_from_slice(b",\"message_b64\":\"");
            self.rows.extend_from_slice(STANDARD.encode(line.message).as_bytes());
            self.rows.push(b'"');
        }
        let flags = flags(line, is_text);
        if !flags.is_empty() {
            self.rows.extend_from_slice(b",\"flags\":");
            append_json_string(&mut self.rows, &format!("[\"{}\"]", flags.join("\",\"")));
        }
        self.rows.extend_from_slice(&self.tail);
        self.pending += 1;
        self.seen.rows += 1;
    }

    /// The number of a piece, and on the last one the digest of the whole line.
    fn append_chunk(&mut self, line: &Line<'_>, whole: Option<Sha256>) {
        let Some(chunk) = line.chunk else { return };
        self.rows.extend_from_slice(format!(",\"chunk\":{chunk}").as_bytes());
        if let Some(whole) = whole {
            self.rows.extend_from_slice(b",\"chunk_last\":true,\"chunk_sha256\":\"");
            self.rows.extend(whole.finalize().iter().flat_map(|&byte| hex_of(byte)));
            self.rows.push(b'"');
        }
    }
}

/// How often each line was seen at one timestamp. Nearly always there is one line, so that one is kept apart.
#[derive(Default)]
struct Ordinals {
    first: Option<[u8; 16]>,
    all: HashMap<[u8; 16], u64>,
}

impl Ordinals {
    /// The number of this line among its equals, from 1.
    fn next(&mut self, digest: [u8; 16]) -> u64 {
        let Some(first) = self.first else {
            self.first = Some(digest);
            return 1;
        };
        if self.all.is_empty() {
            self.all.insert(first, 1);
        }
        let count = self.all.entry(digest).or_default();
        *count += 1;
        *count
    }

    fn clear(&mut self) {
        self.first = None;
        self.all.clear();
    }
}

impl Sink for LineRenderer {
    fn line(&mut self, line: &Line<'_>) -> anyhow::Result<()> {
        self.note_time(line);
        if self.is_continued && self.time_text.is_empty() {
            return Ok(());
        }
        if self.time.is_some_and(|time| !self.window.contains(time)) {
            self.seen.outside += 1;
            return Ok(());
        }
        let id = self.record_id(line);
        // Pieces that were kept before belong to the digest of the whole line, too.
        if line.chunk.is_some() {
            self.whole.get_or_insert_default().update(line.message);
        }
        let whole = if line.is_last { self.whole.take() } else { None };
        if !self.known.is_empty() && std::str::from_utf8(&id).is_ok_and(|id| self.known.remove(id)) {
            return Ok(());
        }
        self.append(line, &id, whole);
        Ok(())
    }
}

fn flags(line: &Line<'_>, is_text: bool) -> Vec<&'static str> {
    let odd = [
        (line.timestamp.is_none(), "no_timestamp"),
        (line.is_last && !line.has_newline, "no_final_newline"),
        (!is_text, "invalid_utf8"),
        (memchr::memchr(0, line.message).is_some(), "nul"),
    ];
    odd.into_iter().filter(|(is_odd, _)| *is_odd).map(|(_, name)| name).collect()
}

/// The members that are the same on every line, from the one declaration of the table.
fn tail(metadata: &Metadata) -> Vec<u8> {
    let metadata = metadata.clone();
    let row = LogRow {
        message: None,
        container_name: metadata.container_name,
        namespace: metadata.namespace,
        pod_name: metadata.pod_name,
        pod_uid: metadata.pod_uid,
        restart_count: metadata.restart_count,
        containerimages: metadata.image,
        labels: metadata.labels,
        annotations: metadata.annotations,
        message_b64: None,
        flags: None,
    };
    let mut out = Vec::new();
    row.cells(&mut |column, value| {
        let mut json = Vec::new();
        if value.append_json(&mut json) {
            out.extend_from_slice(format!(",\"{}\":", column.name).as_bytes());
            out.extend_from_slice(&json);
        }
    });
    out.extend_from_slice(b"}\n");
    out
}

/// What is hashed before each line: the table and the instance. Filled up to whole blocks, so that it is hashed once only.
fn identity(metadata: &Metadata) -> Sha256 {
    let mut text = Vec::new();
    for part in [LogRow::TABLE.name, &metadata.pod_uid, &metadata.container_id, "mixed"] {
        text.extend_from_slice(part.as_bytes());
        text.push(b'\n');
    }
    text.resize(text.len().next_multiple_of(BLOCK), b'\n');
    Sha256::new_with_prefix(text)
}

fn first_half(digest: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    half
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{super::Assembler, *};

    fn metadata() -> Metadata {
        Metadata {
            namespace: "shop".into(),
            pod_name: "web".into(),
            pod_uid: "u".into(),
            container_name: "app".into(),
            container_id: "c".into(),
            image: Some("nginx".into()),
            labels: Some("{}".into()),
            ..Metadata::default()
        }
    }

    fn rows(log: &[u8], window: Window, known: Option<HashSet<String>>) -> Vec<Value> {
        let envelope = Envelope { case_id: Some("c".into()), run_id: "R".into() };
        let mut renderer = LineRenderer::new(&metadata(), &envelope, window, known);
        let mut assembler = Assembler::default();
        assembler.push(log, &mut renderer).unwrap();
        assembler.finish(&mut renderer).unwrap();
        let mut rows = Vec::new();
        renderer
            .take(&mut |bytes, count| {
                let found =
                    bytes.split_inclusive(|&byte| byte == b'\n').map(|line| serde_json::from_slice(line).unwrap());
                rows.extend(found);
                assert_eq!(rows.len() as u64, count);
                Ok(())
            })
            .unwrap();
        rows
    }

    #[test]
    fn rows_have_declared_columns_only() {
        let mut log = b"2026-01-02T03:04:05.000000001Z a\xff\n".to_vec();
        log.extend(b"2026-01-02T03:04:05.000000001Z ".iter().chain(&[b'x'; 100_000]));
        let columns: BTreeSet<_> = LogRow::TABLE.columns().map(|column| column.name).collect();
        for row in rows(&log, Window::default(), None) {
            for key in row.as_object().unwrap().keys() {
                assert!(columns.contains(key.as_str()), "{key}");
            }
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_kept_in_base64() {
        let row = &rows(b"2026-01-02T03:04:05Z a\xff\0b\n", Window::default(), None)[0];
        assert_eq!(row["message_b64"], STANDARD.encode(b"a\xff\0b"));
        assert_eq!(row["flags"], r#"["invalid_utf8","nul"]"#);
    }

    #[test]
    fn a_line_without_a_timestamp_inherits_the_last_one() {
        let found = rows(b"2026-01-02T03:04:05Z a\nb", Window::default(), None);
        assert_eq!(found[1]["EventTime"], "2026-01-02T03:04:05Z");
        assert_eq!(found[1]["flags"], r#"["no_timestamp","no_final_newline"]"#);
    }

    #[test]
    fn equal_lines_are_different_evidence_and_come_back_the_same_when_read_on() {
        let log = b"2026-01-02T03:04:05Z a\n2026-01-02T03:04:05Z a\n2026-01-02T03:04:05Z b\n2026-01-02T03:04:06Z a\n";
        let all = rows(log, Window::default(), None);
        let ids: BTreeSet<_> = all.iter().map(|row| row["RecordId"].to_string()).collect();
        assert_eq!(ids.len(), 4);
        let known = all[..2].iter().map(|row| row["RecordId"].as_str().unwrap().to_owned()).collect();
        assert_eq!(rows(log, Window::default(), Some(known)), all[2..]);
    }

    #[test]
    fn the_digest_of_a_long_line_is_that_of_the_whole_line_when_its_first_pieces_were_kept_before_a_break() {
        let mut log = b"2026-01-02T03:04:05Z ".to_vec();
        log.extend((0..20_000).flat_map(|number: u32| number.to_string().into_bytes()));
        log.push(b'\n');
        let all = rows(&log, Window::default(), None);
        assert!(all.len() > 2);
        let known = all[..2].iter().map(|row| row["RecordId"].as_str().unwrap().to_owned()).collect();
        assert_eq!(rows(&log, Window::default(), Some(known)), all[2..]);
    }

    #[test]
    fn the_window_holds_at_both_ends() {
        let log = b"2026-01-02T03:04:05Z a\n2026-01-02T03:04:06Z b\n2026-01-02T03:04:07Z c\n";
        let moment: Timestamp = "2026-01-02T03:04:06Z".parse().unwrap();
        let found = rows(log, Window { since: Some(moment), until: Some(moment) }, None);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["message"], "b");
    }
}
