//! What the history reader would print in a recorded container.
//!
//! Nothing is interpreted: the reader's command is recognised by its marker, and its documented framing is filled with the
//! recorded files. Any other command is left unanswered.

use crate::demo::scenario::RecordedContainer;

/// The argument by which the reader's command is known; the nonce of its frames follows it.
const MARKER: &str = "forensys-history";

/// The reader's standard output for `container`, if `argv` is the reader's command.
pub(super) fn answer_history(container: &RecordedContainer, argv: &[String]) -> Option<Vec<u8>> {
    let marker = argv.iter().position(|argument| argument == MARKER)?;
    let nonce = argv.get(marker + 1)?;
    let mut out = Vec::new();
    for file in container.files.iter() {
        out.extend_from_slice(format!("{nonce} BEGIN {}\n", file.path).as_bytes());
        // The reader's shell drops NUL bytes as it reads lines.
        out.extend(file.bytes.iter().filter(|byte| **byte != 0));
        out.extend_from_slice(format!("\n{nonce} END\n").as_bytes());
    }
    Some(out)
}
