//! Logs that are made rather than written down: regular traffic, a miner, and lines that break naive readers.

use super::recording::{Clock, LogChunk};
use super::text::chunk;

/// A health check every thirty seconds from `first` to `last` (seconds ago).
pub(super) fn health_checks(clock: Clock, first: i64, last: i64) -> Vec<LogChunk> {
    let times = (0..).map(|index| first - index * 30).take_while(|&ago| ago > last);
    let line =
        |ago: i64| format!("10.244.0.1 - - \"GET /healthz HTTP/1.1\" 200 2 \"kube-probe/1.36\" {}us", 80 + ago % 41);
    times.map(|ago| chunk(clock, &format!("-{ago}.000412907"), line(ago).as_bytes(), true)).collect()
}

/// Bytes that are no text, a NUL, 17 KiB in one line, a glued line, a line of the kubelet itself, and an unfinished last line.
pub(super) fn hostile(clock: Clock, ago: i64) -> Vec<LogChunk> {
    let long: Vec<u8> = std::iter::repeat_n(b"payload=", 17 * 1024 / 8).flatten().copied().collect();
    let (first, rest) = long.split_at(16 * 1024);
    let at = |fraction: &str| format!("-{ago}.{fraction}");
    vec![
        chunk(clock, &at("9"), b"upload \xff\xfe\x80 from 203.0.113.9 is not UTF-8", true),
        chunk(clock, &at("8"), b"name=a\0b from 203.0.113.9", true),
        chunk(clock, &at("7"), b"user \x1b[2J\x1b[31mroot\x1b[0m logged in", true),
        chunk(clock, &at("6"), first, false),
        chunk(clock, &at("59"), rest, true),
        chunk(clock, &at("5"), b"rendering template ", false),
        chunk(clock, &at("49"), b"[stderr] panic: nil pointer in handler /cmd", true),
        LogChunk {
            time: None,
            bytes: b"failed to watch file \"/var/log/pods/shop_web/web/1.log\": no space left on device".into(),
            full: true,
        },
        chunk(clock, &at("4"), b"GET /?cmd=id 200", true),
        chunk(clock, &at("3"), b"shutting down in", false),
    ]
}

/// The miner's output: a banner and a hash rate every minute.
pub(super) fn miner(clock: Clock, first: i64) -> Vec<LogChunk> {
    let banner =
        [" * ABOUT        XMRig/6.21.0 gcc/13.2.1", " * POOL #1      stratum+tcp://pool.example:3333 algo rx/0"];
    let mut chunks: Vec<LogChunk> =
        banner.iter().map(|line| chunk(clock, &format!("-{first}.5"), line.as_bytes(), true)).collect();
    let times = (0..).map(|index| first - 5 - index * 60).take_while(|&ago| ago > 0);
    chunks.extend(times.map(|ago| {
        let line = format!(
            "\x1b[1;37mminer\x1b[0m    speed 10s/60s/15m {}.{} 2011.4 n/a H/s max 2048.0 H/s",
            1990 + ago % 50,
            ago % 10
        );
        chunk(clock, &format!("-{ago}.25"), line.as_bytes(), true)
    }));
    chunks
}
