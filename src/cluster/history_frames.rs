//! The framing of what the history script prints: marks, which are lines that begin with the run's nonce, and text after some of them.
//!
//! ```text
//! NONCE begin
//! NONCE env          NAME=VALUE        a variable that decides about histories
//! NONCE user         NAME              whose home comes next
//! NONCE path         PATH              what the next marks are about
//! NONCE link         TARGET            it is a link; the target only where it is known
//! NONCE device       DEVICE            a device lies in its place
//! NONCE text         …content…         ended by the mark `end`, or `cut` at the limit
//! NONCE b64          …base64…          the same from PowerShell
//! NONCE rc           NUMBER LINE …     lines of a start-up file, ended by `end`
//! NONCE odd, unreadable, binary, skipped, closed
//! NONCE lost, shut                     a debug container does not find, or may not see, the files
//! NONCE done
//! ```
//!
//! Text goes from the line after its mark to the next mark; the newline before that belongs to the frame. Content cannot close its
//! frame: it does not know the nonce. Decoding holds one text at a time, of bounded size.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::history_script::LARGEST_FILE;

/// What a file's place holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The file's bytes; and whether they are all.
    Bytes(Vec<u8>, bool),
    /// The shell may not read it.
    Unreadable,
    /// Something that is no file: a folder, a device, a link that leads nowhere.
    Odd,
    /// A database, which is not read as text.
    Binary,
    /// It was not read: the container's limit was reached.
    Skipped,
    /// A link that a debug container does not follow: it would lead elsewhere.
    NotFollowed,
    /// A home that the shell may not look into.
    Closed,
}

/// A history file, or what lies in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryFile {
    /// The user whose home it lies in, from /etc/passwd; `-` when only the folder was found.
    pub user: String,
    /// Path in the container.
    pub path: String,
    /// Where it is a link, the target; empty when that is not known.
    pub link: Option<String>,
    /// The device that lies in its place.
    pub device: Option<String>,
    /// What it holds.
    pub content: Content,
}

/// A part of what the script printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A variable of the environment, `NAME=VALUE`.
    Variable(String),
    /// A history file.
    File(HistoryFile),
    /// Lines of a start-up file that are about histories.
    Lines {
        /// The user whose home it lies in.
        user: String,
        /// Path in the container.
        path: String,
        /// Each line with its number.
        lines: Vec<(i64, Vec<u8>)>,
    },
}

/// Reads frames from pieces of any size. Anything outside of frames is ignored.
#[derive(Debug)]
pub struct Decoder {
    mark: Vec<u8>,
    /// Text since the last mark, the line under way included.
    text: Vec<u8>,
    /// Where the line under way begins in `text`.
    line: usize,
    open: Option<Kind>,
    user: String,
    file: Option<HistoryFile>,
    has_begun: bool,
    is_whole: bool,
    obstacle: Option<&'static str>,
}

/// The marks that text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Variable,
    User,
    Path,
    Link,
    Device,
    Text,
    Base64,
    Rc,
}

/// A text that is longer than any that the script prints: something else is speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the output is not that of the script")]
pub struct NotOurs;

/// Bytes that may come before the first mark (a banner, a warning).
const BEFORE_BEGIN: usize = 64 * 1024;
/// Bytes of a text at most: a whole file in base64.
const LARGEST_TEXT: usize = LARGEST_FILE / 3 * 4 + 64 * 1024;

impl Decoder {
    /// Reads what was framed with a nonce.
    pub fn new(nonce: &str) -> Self {
        Self {
            mark: format!("{nonce} ").into_bytes(),
            text: Vec::new(),
            line: 0,
            open: None,
            user: "-".to_owned(),
            file: None,
            has_begun: false,
            is_whole: false,
            obstacle: None,
        }
    }

    /// Whether the script began at all: false means that something else answered.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether the script reached its end.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Why a debug container saw nothing.
    pub fn obstacle(&self) -> Option<&'static str> {
        self.obstacle
    }

    /// Bytes that are held until their frame is closed.
    pub fn held(&self) -> usize {
        self.text.len()
    }

    /// Takes a piece and returns the frames that it closes.
    ///
    /// # Errors
    /// [`NotOurs`]: nothing more is to be read.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Frame>, NotOurs> {
        let mut frames = Vec::new();
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            self.text.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_line(&mut frames);
            }
            let limit = if self.has_begun { LARGEST_TEXT } else { BEFORE_BEGIN };
            if self.text.len() > limit {
                return Err(NotOurs);
            }
        }
        Ok(frames)
    }

    /// The output has ended. What was read of a file that is still open is kept.
    pub fn finish(&mut self) -> Option<Frame> {
        let mut frames = Vec::new();
        // A line that was cut off may be the beginning of a mark.
        let line = self.text.get(self.line..).unwrap_or_default();
        if line.starts_with(&self.mark) || self.mark.starts_with(line) {
            self.text.truncate(self.line);
        } else {
            self.text.push(b'\n');
        }
        self.close("cut", &mut frames);
        frames.pop()
    }

    fn end_line(&mut self, frames: &mut Vec<Frame>) {
        let line = self.text.get(self.line..).unwrap_or_default();
        let Some(word) = line.strip_prefix(self.mark.as_slice()).and_then(|rest| rest.strip_suffix(b"\n")) else {
            self.line = self.text.len();
            return;
        };
        let word = String::from_utf8_lossy(word).into_owned();
        self.text.truncate(self.line);
        self.line = 0;
        self.close(&word, frames);
        self.begin(&word, frames);
    }

    /// Ends the text before a mark. Its memory goes with it.
    fn close(&mut self, word: &str, frames: &mut Vec<Frame>) {
        let mut text = std::mem::take(&mut self.text);
        if text.last() == Some(&b'\n') {
            text.pop();
        }
        let words = || String::from_utf8_lossy(&text).into_owned();
        match self.open.take() {
            None => {}
            Some(Kind::Variable) => frames.push(Frame::Variable(words())),
            Some(Kind::User) => self.user = words(),
            Some(Kind::Path) => self.file = Some(place(&self.user, words())),
            Some(Kind::Link) => {
                let link = words();
                self.file.iter_mut().for_each(|file| file.link = Some(link.clone()));
            }
            Some(Kind::Device) => {
                let device = words();
                self.file.iter_mut().for_each(|file| file.device = Some(device.clone()));
            }
            Some(Kind::Text) => self.end_file(Content::Bytes(text, word == "end"), frames),
            Some(Kind::Base64) => {
                let bytes = STANDARD.decode(&text);
                let is_whole = bytes.is_ok() && word == "end";
                self.end_file(Content::Bytes(bytes.unwrap_or_default(), is_whole), frames);
            }
            Some(Kind::Rc) => {
                let lines = numbered(&text);
                if let Some(file) = self.file.take() {
                    frames.push(Frame::Lines { user: file.user, path: file.path, lines });
                }
            }
        }
    }

    fn begin(&mut self, word: &str, frames: &mut Vec<Frame>) {
        // A place of which nothing more is said is a link that was not followed.
        if matches!(word, "path" | "user" | "done") && self.file.is_some() {
            self.end_file(Content::NotFollowed, frames);
        }
        match word {
            "begin" => self.has_begun = true,
            "done" => self.is_whole = true,
            "lost" => self.obstacle = Some("no process of the container was found in /proc"),
            "shut" => self.obstacle = Some("the debug container may not see the container's files"),
            "env" => self.open = Some(Kind::Variable),
            "user" => self.open = Some(Kind::User),
            "path" => self.open = Some(Kind::Path),
            "link" => self.open = Some(Kind::Link),
            "device" => self.open = Some(Kind::Device),
            "text" => self.open = Some(Kind::Text),
            "b64" => self.open = Some(Kind::Base64),
            "rc" => self.open = Some(Kind::Rc),
            "odd" => self.end_file(Content::Odd, frames),
            "unreadable" => self.end_file(Content::Unreadable, frames),
            "binary" => self.end_file(Content::Binary, frames),
            "skipped" => self.end_file(Content::Skipped, frames),
            "closed" => self.end_file(Content::Closed, frames),
            _ => {}
        }
    }

    fn end_file(&mut self, content: Content, frames: &mut Vec<Frame>) {
        frames.extend(self.file.take().map(|file| Frame::File(HistoryFile { content, ..file })));
    }
}

fn place(user: &str, path: String) -> HistoryFile {
    HistoryFile { user: user.to_owned(), path, link: None, device: None, content: Content::NotFollowed }
}

/// Lines that begin with their number.
fn numbered(text: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let lines = text.split(|&byte| byte == b'\n');
    let numbered = lines.filter_map(|line| {
        let blank = line.iter().position(|&byte| byte == b' ')?;
        let number = std::str::from_utf8(line.get(..blank)?).ok()?.parse().ok()?;
        Some((number, line.get(blank + 1..)?.to_vec()))
    });
    numbered.collect()
}

/// Prints whole files as the script does, NUL bytes dropped as shells do: for the demonstration's cluster.
pub fn encode(nonce: &str, files: &[(String, String, Vec<u8>)]) -> Vec<u8> {
    let mut out = format!("{nonce} begin\n").into_bytes();
    for (user, path, content) in files {
        out.extend_from_slice(format!("{nonce} user\n{user}\n{nonce} path\n{path}\n{nonce} text\n").as_bytes());
        out.extend(content.iter().filter(|&&byte| byte != 0));
        out.extend_from_slice(format!("\n{nonce} end\n").as_bytes());
    }
    out.extend_from_slice(format!("{nonce} done\n").as_bytes());
    out
}

#[cfg(test)]
mod tests;
