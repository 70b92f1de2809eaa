//! Turns the readable files of the recording into bytes: times relative to now become absolute, log files become the
//! runtime's chunks. Only our own embedded files pass through here.

use super::recording::{Clock, LogChunk};
use jiff::SignedDuration;

/// The chunks of a log file whose lines are `-SECONDS.FRACTION message`; a message that ends in `\` is a part whose rest follows,
/// a line that starts with `! ` is text without a time.
pub(super) fn log(clock: Clock, text: &str) -> Vec<LogChunk> {
    text.lines().map(|line| log_line(clock, line)).collect()
}

fn log_line(clock: Clock, line: &str) -> LogChunk {
    if let Some(message) = line.strip_prefix("! ") {
        return LogChunk { time: None, bytes: message.into(), full: true };
    }
    let (offset, message) = line.split_once(' ').unwrap_or((line, ""));
    let message = unescape(message);
    match message.strip_suffix(b"\\") {
        Some(part) => chunk(clock, offset, part, false),
        None => chunk(clock, offset, &message, true),
    }
}

/// A chunk printed at `offset`, which is `-SECONDS` or `-SECONDS.FRACTION` relative to now.
pub(super) fn chunk(clock: Clock, offset: &str, bytes: &[u8], full: bool) -> LogChunk {
    let ago = format!("{}s", offset.trim_start_matches('-')).parse::<SignedDuration>().unwrap_or_default();
    LogChunk { time: clock.0.checked_sub(ago).ok(), bytes: bytes.to_vec(), full }
}

/// Replaces `\xNN` by the byte.
fn unescape(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        match u8::from_str_radix(digits, 16) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(digits.as_bytes()),
        }
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

/// A history file with each `@-SECONDS` replaced by that instant in seconds since 1970.
pub(super) fn history(clock: Clock, text: &str) -> Vec<u8> {
    let mut pieces = text.split("@-");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.len() - piece.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (seconds, rest) = piece.split_at_checked(digits).unwrap_or((piece, ""));
        out.push_str(&clock.ago(seconds.parse().unwrap_or_default()).as_second().to_string());
        out.push_str(rest);
    }
    out.into_bytes()
}

/// How zsh writes a history line: bytes that it uses internally (NUL, 0x83 to 0xA2) become 0x83 and the byte with bit 5 flipped.
pub(super) fn metafied(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if byte == 0 || (0x83..=0xa2).contains(&byte) {
            out.extend([0x83, byte ^ 0x20]);
        } else {
            out.push(byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    const CLOCK: Clock = Clock(Timestamp::UNIX_EPOCH);

    #[test]
    fn a_log_line_becomes_a_chunk_with_its_bytes() {
        let chunks = log(CLOCK, "-1.5 a\\xffb\n-1 part\\\n! bare");
        assert_eq!(chunks[0].bytes, b"a\xffb");
        assert_eq!(chunks[0].time.unwrap().as_millisecond(), -1500);
        assert!(!chunks[1].full);
        assert!(chunks[2].time.is_none());
    }

    #[test]
    fn a_history_file_gets_absolute_seconds() {
        assert_eq!(
            history(Clock(Timestamp::from_second(1000).unwrap()), "#@-10\nid\n: @-5:0;ls\n"),
            b"#990\nid\n: 995:0;ls\n"
        );
    }

    #[test]
    fn zsh_bytes_are_metafied() {
        assert_eq!(metafied("aß".as_bytes()), b"a\xc3\x83\xbf");
    }
}
