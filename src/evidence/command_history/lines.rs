//! Lines of a history file, and commands that are put together from them.

use jiff::Timestamp;

use super::format::{Command, Emit};

/// Lines without their newline, empty ones included; the end of the file after the last newline is no line.
pub(super) fn all(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    let is_empty = content.is_empty();
    content.split(|&byte| byte == b'\n').filter(move |_| !is_empty)
}

/// The same without empty ones.
pub(super) fn filled(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    all(content).filter(|line| !line.is_empty())
}

/// A command of a line.
pub(super) fn plain(line: &[u8]) -> Command {
    Command { bytes: line.to_vec(), ..Command::default() }
}

/// Seconds since 1970, in digits.
pub(super) fn epoch(digits: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    Timestamp::from_second(text.parse().ok().filter(|_| is_number)?).ok()
}

/// Puts commands together and hands each on when the next begins.
pub(super) struct Assembly<'a> {
    under_way: Option<Command>,
    emit: Emit<'a>,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(emit: Emit<'a>) -> Self {
        Self { under_way: None, emit }
    }

    /// The next command begins.
    pub(super) fn begin(&mut self, command: Command) -> anyhow::Result<()> {
        match self.under_way.replace(command) {
            Some(before) => (self.emit)(before),
            None => Ok(()),
        }
    }

    /// The command under way.
    pub(super) fn last(&mut self) -> Option<&mut Command> {
        self.under_way.as_mut()
    }

    /// Adds a line to the command under way; false when there is none.
    pub(super) fn add_line(&mut self, line: &[u8]) -> bool {
        let Some(last) = &mut self.under_way else { return false };
        last.bytes.push(b'\n');
        last.bytes.extend_from_slice(line);
        true
    }

    /// The file has ended.
    pub(super) fn end(self) -> anyhow::Result<()> {
        self.under_way.map_or(Ok(()), self.emit)
    }
}
