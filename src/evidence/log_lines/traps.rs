//! The ways in which a kubelet's log body is not what it seems, one test for each.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{Assembler, LineRenderer, Metadata, is_error_body};
use crate::{bundle::Window, table::Envelope};

/// The rows of a log body that comes in frames of so many bytes.
fn rows(log: &[u8], frame: usize) -> Vec<Value> {
    let envelope = Envelope { case_id: None, run_id: "R".into() };
    let mut renderer = LineRenderer::new(&Metadata::default(), &envelope, Window::default(), None);
    let mut assembler = Assembler::default();
    for bytes in log.chunks(frame) {
        assembler.push(bytes, &mut renderer).unwrap();
    }
    assembler.finish(&mut renderer).unwrap();
    let mut rows = Vec::new();
    let mut take = |bytes: &[u8], _| {
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        rows.extend(lines.map(|line| serde_json::from_slice::<Value>(line).unwrap()));
        Ok(())
    };
    renderer.take(&mut take).unwrap();
    rows
}

fn messages(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["message"].as_str().unwrap()).collect()
}

#[test]
fn a_timestamp_may_have_another_offset_than_z() {
    let found = rows(b"2026-01-02T03:04:05.5+02:00 a\n", 7);
    assert_eq!(found[0]["EventTime"], "2026-01-02T01:04:05.5Z", "in UTC, for Azure takes nothing else");
    assert_eq!(messages(&found), ["a"]);
}

#[test]
fn a_line_of_the_other_stream_may_be_glued_to_an_unfinished_one() {
    let found = rows(b"2026-01-02T03:04:05Z outerr\n2026-01-02T03:04:06Z rest\n", 5);
    assert_eq!(messages(&found), ["outerr", "rest"]);
}

#[test]
fn a_prefix_may_be_missing_in_the_middle() {
    let found = rows(b"2026-01-02T03:04:05Z a\nwithout\n2026-01-02T03:04:06Z b\n", 4096);
    assert_eq!(messages(&found), ["a", "without", "b"]);
    assert_eq!(found[1]["EventTime"], found[0]["EventTime"]);
    assert_eq!(found[1]["flags"], r#"["no_timestamp"]"#);
}

#[test]
fn the_rest_of_a_line_may_come_first_and_without_a_prefix() {
    let found = rows(b"rest of a line\n2026-01-02T03:04:05Z a\n", 4096);
    assert_eq!(messages(&found), ["rest of a line", "a"]);
    assert!(found[0].get("EventTime").is_none(), "no time is invented");
}

#[test]
fn a_line_that_only_looks_like_a_timestamp_loses_nothing() {
    for odd in ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05 x", "20260102T030405Z x", "2026-01-02T03:04:05.Z"] {
        let log = format!("2026-01-02T03:04:05Z {odd}\n");
        assert_eq!(messages(&rows(log.as_bytes(), 3)), [odd]);
    }
}

#[test]
fn the_last_line_may_have_no_newline() {
    let found = rows(b"2026-01-02T03:04:05Z a\n2026-01-02T03:04:06Z b", 4096);
    assert_eq!(found[1]["flags"], r#"["no_final_newline"]"#);
}

#[test]
fn bytes_may_be_no_text_and_text_may_be_hostile() {
    let found = rows(b"2026-01-02T03:04:05Z \xff\xfe\n2026-01-02T03:04:06Z \x1b[2J\0\r\xe2\x80\xae\n", 3);
    assert_eq!(found[0]["message_b64"], STANDARD.encode(b"\xff\xfe"));
    assert_eq!(messages(&found)[1], "\u{1b}[2J\0\r\u{202e}");
    assert_eq!(found[1]["flags"], r#"["nul"]"#);
}

#[test]
fn a_line_may_have_megabytes() {
    let mut log = b"2026-01-02T03:04:05Z ".to_vec();
    log.extend(std::iter::repeat_n(b'x', 3_000_000));
    let found = rows(&log, 65_536);
    assert_eq!(messages(&found).concat().len(), 3_000_000);
    assert!(messages(&found).iter().all(|message| message.len() <= 60 * 1024));
    assert_eq!(found.iter().filter(|row| row["chunk_last"] == true).count(), 1);
}

#[test]
fn equal_lines_at_one_time_are_two_lines() {
    let found = rows(b"2026-01-02T03:04:05Z a\n2026-01-02T03:04:05Z a\n", 4096);
    assert_ne!(found[0]["RecordId"], found[1]["RecordId"]);
}

#[test]
fn an_answer_of_200_may_be_an_error() {
    assert!(is_error_body(b"unable to retrieve container logs for containerd://0a1b"));
    assert!(!is_error_body(b"2026-01-02T03:04:05Z unable to retrieve container logs for containerd://0a1b"));
}
