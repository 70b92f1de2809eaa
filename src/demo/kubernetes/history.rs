//! What the history reader would print in a recorded container.
//!
//! Nothing is interpreted: the reader's command is recognised by its marker, and its framing is filled with those recorded
//! files that the reader looks for. Any other command is left unanswered.

use crate::cluster::history_frames;
use crate::cluster::history_script::{HOME_FILES, MARKER};
use crate::demo::scenario::RecordedContainer;

/// The reader's standard output for `container`, if `argv` is the reader's command.
pub(super) fn answer_history(container: &RecordedContainer, argv: &[String]) -> Option<Vec<u8>> {
    let marker = argv.iter().position(|argument| argument == MARKER)?;
    let nonce = argv.get(marker + 1)?;
    let homes = homes(container);
    let found = container.files.iter().filter_map(|file| {
        let home = HOME_FILES.iter().find_map(|name| file.path.strip_suffix(name)?.strip_suffix('/'))?;
        let user = homes.iter().find(|(_, known)| known == home).map_or("-", |(user, _)| user);
        Some((user.to_owned(), file.path.clone(), file.bytes.clone()))
    });
    Some(history_frames::encode(nonce, &found.collect::<Vec<_>>()))
}

/// The users of the recorded /etc/passwd with their homes.
fn homes(container: &RecordedContainer) -> Vec<(String, String)> {
    let passwd = container.files.iter().find(|file| file.path == "/etc/passwd");
    let text = passwd.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default();
    let user_and_home = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(4)?.trim_end_matches('/').to_owned()))
    };
    text.lines().filter_map(user_and_home).collect()
}
