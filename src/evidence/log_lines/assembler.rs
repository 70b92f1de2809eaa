//! Frames of bytes to lines, and lines to pieces of bounded size. Knows nothing of JSON or of Kubernetes objects.

use memchr::memchr;

/// The longest piece of a line, in bytes: it may grow when it becomes text (three bytes for each byte that is not UTF-8),
/// and its base64 grows by a third; both must stay below what a field may hold.
const PIECE: usize = 20 * 1024;
/// The longest line that stays in one piece when it is UTF-8.
const WHOLE: usize = 60 * 1024;
/// A timestamp and its blank are never longer than this: `2006-01-02T15:04:05.000000000+07:00 `.
const LONGEST_TIMESTAMP: usize = 36;

/// A line, or a piece of one that is too long to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The timestamp as printed; none where the line has none.
    pub timestamp: Option<&'a str>,
    /// The bytes without timestamp and newline.
    pub message: &'a [u8],
    /// Number of the piece, from 0; none for a line in one piece.
    pub chunk: Option<u64>,
    /// Whether the line ends here.
    pub is_last: bool,
    /// Whether it was ended by a newline, rather than by the end of the log.
    pub has_newline: bool,
}

/// Where lines go.
pub trait Sink {
    /// Takes a line or a piece. Errors when it cannot be kept (a full disk).
    fn line(&mut self, line: &Line<'_>) -> anyhow::Result<()>;
}

/// Splits bytes into lines, whatever the frames are that they come in.
#[derive(Debug, Default)]
pub struct Assembler {
    /// The unfinished line so far, timestamp included while it is the first piece.
    pending: Vec<u8>,
    /// The timestamp of a line that is already being given out in pieces.
    timestamp: Option<String>,
    /// Number of the next piece of such a line.
    chunk: Option<u64>,
}

impl Assembler {
    /// Takes bytes; lines that end in them go to the sink.
    pub fn push(&mut self, mut bytes: &[u8], sink: &mut dyn Sink) -> anyhow::Result<()> {
        while let Some(at) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(at);
            bytes = rest.get(1..).unwrap_or_default();
            if self.pending.is_empty() && self.chunk.is_none() && line.len() <= WHOLE {
                give_whole(line, true, sink)?;
            } else {
                self.grow(line, sink)?;
                self.end(true, sink)?;
            }
        }
        self.grow(bytes, sink)
    }

    /// The log has ended: what is pending is its last line.
    pub fn finish(mut self, sink: &mut dyn Sink) -> anyhow::Result<()> {
        if self.pending.is_empty() && self.chunk.is_none() {
            return Ok(());
        }
        self.end(false, sink)
    }

    /// Holds bytes of an unfinished line; gives out pieces when it grows too long.
    fn grow(&mut self, mut bytes: &[u8], sink: &mut dyn Sink) -> anyhow::Result<()> {
        while self.pending.len() + bytes.len() > WHOLE + LONGEST_TIMESTAMP {
            let room = (WHOLE + LONGEST_TIMESTAMP).saturating_sub(self.pending.len());
            let (taken, rest) = bytes.split_at(room.min(bytes.len()));
            self.pending.extend_from_slice(taken);
            bytes = rest;
            self.give_pieces(PIECE * 2, sink)?;
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self, has_newline: bool, sink: &mut dyn Sink) -> anyhow::Result<()> {
        if self.chunk.is_none() {
            let line = std::mem::take(&mut self.pending);
            if line.len() <= WHOLE {
                return give_whole(&line, has_newline, sink);
            }
            self.pending = line;
        }
        self.give_pieces(PIECE, sink)?;
        let rest = std::mem::take(&mut self.pending);
        let piece = Line {
            timestamp: self.timestamp.as_deref(),
            message: &rest,
            chunk: self.chunk,
            is_last: true,
            has_newline,
        };
        sink.line(&piece)?;
        self.timestamp = None;
        self.chunk = None;
        Ok(())
    }

    /// Gives out pieces of [`PIECE`] bytes while more than `keep` bytes are pending.
    fn give_pieces(&mut self, keep: usize, sink: &mut dyn Sink) -> anyhow::Result<()> {
        if self.chunk.is_none() {
            let (timestamp, message) = split_timestamp(&self.pending);
            let (timestamp, skip) = (timestamp.map(str::to_owned), self.pending.len() - message.len());
            self.timestamp = timestamp;
            self.pending.drain(..skip);
            self.chunk = Some(0);
        }
        let mut from = 0;
        while self.pending.len() - from > keep.max(PIECE) {
            let window = self.pending.get(from..from + PIECE).unwrap_or_default();
            let size = cut(window);
            let number = self.chunk.unwrap_or_default();
            let piece = Line {
                timestamp: self.timestamp.as_deref(),
                message: self.pending.get(from..from + size).unwrap_or_default(),
                chunk: Some(number),
                is_last: false,
                has_newline: false,
            };
            sink.line(&piece)?;
            self.chunk = Some(number + 1);
            from += size;
        }
        self.pending.drain(..from);
        Ok(())
    }
}

/// A short line in one go. One that is not UTF-8 grows too much when it is over [`PIECE`] bytes: it goes out in pieces.
fn give_whole(line: &[u8], has_newline: bool, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let (timestamp, message) = split_timestamp(line);
    if message.len() <= PIECE || std::str::from_utf8(message).is_ok() {
        return sink.line(&Line { timestamp, message, chunk: None, is_last: true, has_newline });
    }
    let mut rest = message;
    let mut number = 0;
    while !rest.is_empty() {
        let size = if rest.len() > PIECE { cut(rest.get(..PIECE).unwrap_or(rest)) } else { rest.len() };
        let (piece, tail) = rest.split_at(size);
        rest = tail;
        let is_last = rest.is_empty();
        let has_newline = has_newline && is_last;
        sink.line(&Line { timestamp, message: piece, chunk: Some(number), is_last, has_newline })?;
        number += 1;
    }
    Ok(())
}

/// Where to cut a piece so that no character is torn, if the bytes are text at all.
fn cut(window: &[u8]) -> usize {
    match std::str::from_utf8(window) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => window.len(),
    }
}

/// Splits `2006-01-02T15:04:05.000000000Z ` off a line. The fraction and the offset are as the kubelet found them.
pub(super) fn split_timestamp(line: &[u8]) -> (Option<&str>, &[u8]) {
    let head = line.get(..LONGEST_TIMESTAMP.min(line.len())).unwrap_or_default();
    let Some(blank) = memchr(b' ', head) else { return (None, line) };
    let Some(text) = head.get(..blank).and_then(|text| std::str::from_utf8(text).ok()) else { return (None, line) };
    if !is_rfc3339(text.as_bytes()) {
        return (None, line);
    }
    (Some(text), line.get(blank + 1..).unwrap_or_default())
}

/// Whether the text has the shape of an RFC 3339 time with seconds.
pub(super) fn is_rfc3339(text: &[u8]) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let Some((date, rest)) = text.split_at_checked(SHAPE.len()) else { return false };
    let is_date = date.iter().zip(SHAPE).all(|(byte, shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        shape => byte == shape,
    });
    let rest = rest.strip_prefix(b".").map_or(rest, |fraction| fraction.trim_ascii_start_digits());
    is_date && (rest == b"Z" || matches!(rest, [b'+' | b'-', _, _, b':', _, _]))
}

/// Bytes without leading digits.
trait TrimDigits {
    fn trim_ascii_start_digits(&self) -> &[u8];
}

impl TrimDigits for [u8] {
    fn trim_ascii_start_digits(&self) -> &[u8] {
        let digits = self.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.get(digits..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Collected {
        bytes: Vec<u8>,
        longest: usize,
        lines: Vec<(Option<String>, Vec<u8>)>,
    }

    impl Sink for Collected {
        fn line(&mut self, line: &Line<'_>) -> anyhow::Result<()> {
            if line.chunk.unwrap_or_default() == 0 {
                if let Some(timestamp) = line.timestamp {
                    self.bytes.extend_from_slice(timestamp.as_bytes());
                    self.bytes.push(b' ');
                }
                self.lines.push((line.timestamp.map(str::to_owned), Vec::new()));
            }
            self.bytes.extend_from_slice(line.message);
            self.lines.last_mut().unwrap().1.extend_from_slice(line.message);
            if line.is_last && line.has_newline {
                self.bytes.push(b'\n');
            }
            self.longest = self.longest.max(String::from_utf8_lossy(line.message).len());
            Ok(())
        }
    }

    fn collect(frames: &[&[u8]]) -> Collected {
        let mut sink = Collected::default();
        let mut assembler = Assembler::default();
        for frame in frames {
            assembler.push(frame, &mut sink).unwrap();
        }
        assembler.finish(&mut sink).unwrap();
        sink
    }

    #[test]
    fn timestamps_of_all_shapes_are_split_off_and_nothing_else_is() {
        let log = b"2026-01-02T03:04:05.000000001Z a\n2026-01-02T03:04:05+02:00 b c\nno time\n2026-01-02 x\n\n";
        let lines = collect(&[log]).lines;
        let times: Vec<_> = lines.iter().map(|(time, _)| time.as_deref()).collect();
        assert_eq!(
            times,
            [Some("2026-01-02T03:04:05.000000001Z"), Some("2026-01-02T03:04:05+02:00"), None, None, None]
        );
        assert_eq!(lines[1].1, b"b c");
    }

    #[test]
    fn a_line_of_any_length_comes_in_bounded_pieces() {
        let mut log = b"2026-01-02T03:04:05.000000001Z ".to_vec();
        log.extend("é".repeat(200_000).bytes());
        log.extend([0xff; 100_000]);
        let collected = collect(&[&log]);
        assert_eq!(collected.bytes, log);
        assert_eq!(collected.lines.len(), 1);
        assert!(collected.longest <= 60 * 1024);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_frames_come_back_exactly(
            log in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b' '), any::<u8>()], 0..3000),
            repeat in 1usize..60,
            frame in 1usize..50_000,
        ) {
            let log = log.repeat(repeat);
            let frames: Vec<&[u8]> = log.chunks(frame).collect();
            let collected = collect(&frames);
            prop_assert!(collected.bytes == log);
            prop_assert!(collected.longest <= 60 * 1024);
        }
    }
}
