//! A runtime's log file as the kubelet would have sent it: the same bytes, so that a line is the same row whether it was read through the
//! kubelet's log endpoint or from the file.
//!
//! A record of the file is `TIME STREAM TAG CONTENT` (Kubernetes' CRI logging format); the tag `P` says that the line goes on in the next
//! record, `F` that it ends. The kubelet prints the time, with nine digits of the second, only where the record before ended its line.

use memchr::memchr;

/// The longest record that is held; runtimes cut at 16 KiB. What is longer is passed on as it is.
const LONGEST_RECORD: usize = 1024 * 1024;

/// Turns records into the kubelet's bytes, whatever the frames are that they come in.
#[derive(Debug)]
pub struct CriText {
    pending: Vec<u8>,
    at_line_start: bool,
    out: Vec<u8>,
}

impl Default for CriText {
    fn default() -> Self {
        Self { pending: Vec::new(), at_line_start: true, out: Vec::new() }
    }
}

impl CriText {
    /// Takes bytes of the file and returns what the kubelet would have sent for the records that end in them.
    pub fn push(&mut self, mut bytes: &[u8]) -> &[u8] {
        self.out.clear();
        while let Some(at) = memchr(b'\n', bytes) {
            let (record, rest) = bytes.split_at(at);
            bytes = rest.get(1..).unwrap_or_default();
            if self.pending.is_empty() {
                self.record(record);
            } else {
                self.pending.extend_from_slice(record);
                let record = std::mem::take(&mut self.pending);
                self.record(&record);
            }
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > LONGEST_RECORD {
            self.out.append(&mut self.pending);
        }
        &self.out
    }

    /// The file has ended: what is left is a record that was cut off.
    pub fn finish(mut self) -> Vec<u8> {
        self.out.clear();
        if !self.pending.is_empty() {
            let record = std::mem::take(&mut self.pending);
            self.record(&record);
        }
        self.out
    }

    /// One record. The kubelet drops what it cannot parse; here it is kept, as a line without a time.
    fn record(&mut self, record: &[u8]) {
        let Some((time, is_partial, content)) = parsed(record) else {
            self.out.extend_from_slice(record);
            self.out.push(b'\n');
            self.at_line_start = true;
            return;
        };
        if self.at_line_start {
            append_time(&mut self.out, time);
        }
        self.out.extend_from_slice(content);
        if !is_partial {
            self.out.push(b'\n');
        }
        self.at_line_start = !is_partial;
    }
}

/// Time, whether the line goes on, and content of a record.
fn parsed(record: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let (time, rest) = word(record)?;
    let (stream, rest) = word(rest)?;
    // The content may be empty, and then some runtimes leave its blank out.
    let (tags, content) = word(rest).unwrap_or((rest, &[]));
    let is_stream = matches!(stream, b"stdout" | b"stderr");
    let is_time = super::assembler::is_rfc3339(time);
    let tag = tags.split(|&byte| byte == b':').next().unwrap_or_default();
    (is_stream && is_time && matches!(tag, b"P" | b"F")).then_some((time, tag == b"P", content))
}

fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr(b' ', bytes)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// The time with nine digits of the second, and a blank.
fn append_time(out: &mut Vec<u8>, time: &[u8]) {
    const SECONDS: usize = "2006-01-02T15:04:05".len();
    let (seconds, rest) = time.split_at(SECONDS.min(time.len()));
    let rest = rest.strip_prefix(b".").unwrap_or(rest);
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, offset) = rest.split_at(digits);
    out.extend_from_slice(seconds);
    out.push(b'.');
    out.extend(fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9));
    out.extend_from_slice(offset);
    out.push(b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frames: &[&[u8]]) -> String {
        let mut cri = CriText::default();
        let mut out = Vec::new();
        for frame in frames {
            out.extend_from_slice(cri.push(frame));
        }
        out.extend(cri.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn records_become_what_the_kubelet_sends() {
        let file = b"2026-01-02T03:04:05.1Z stdout F a b\n2026-01-02T03:04:06Z stdout P out\n2026-01-02T03:04:07+02:00 stderr F err\n\
                     2026-01-02T03:04:08.123456789Z stdout F \n2026-01-02T03:04:09Z stdout F:x tagged";
        let wanted = "2026-01-02T03:04:05.100000000Z a b\n2026-01-02T03:04:06.000000000Z outerr\n\
                      2026-01-02T03:04:08.123456789Z \n2026-01-02T03:04:09.000000000Z tagged\n";
        assert_eq!(text(&[file]), wanted);
        let bytes: Vec<&[u8]> = file.chunks(1).collect();
        assert_eq!(text(&bytes), wanted, "whatever the frames are");
    }

    #[test]
    fn what_is_no_record_is_kept() {
        assert_eq!(
            text(&[b"failed to watch file\n2026-01-02T03:04:05Z stdin F x\n"]),
            "failed to watch file\n2026-01-02T03:04:05Z stdin F x\n"
        );
    }
}
