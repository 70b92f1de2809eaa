//! The framing of what the history script prints: files between lines that begin with the run's nonce.
//!
//! ```text
//! NONCE begin
//! NONCE file USER PATH
//! …content…
//! NONCE end
//! NONCE unreadable USER PATH
//! NONCE done
//! ```
//!
//! The newline before `end` belongs to the frame. Content cannot close its frame: it does not know the nonce.

/// A history file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryFile {
    /// The user whose home it lies in, from /etc/passwd; `-` when only the folder was found.
    pub user: String,
    /// Path in the container.
    pub path: String,
    /// Its bytes; none when the shell may not read it.
    pub content: Option<Vec<u8>>,
}

/// What the script printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The files, in the order they were read.
    pub files: Vec<HistoryFile>,
    /// Whether the script reached its end.
    pub is_whole: bool,
    /// Whether it began at all: false means that something else answered.
    pub has_begun: bool,
}

/// Reads the frames. Anything outside of frames is ignored.
pub fn decode(nonce: &str, output: &[u8]) -> History {
    let mut history = History::default();
    let mut open: Option<HistoryFile> = None;
    for line in output.split_inclusive(|&byte| byte == b'\n') {
        let words = line.strip_prefix(nonce.as_bytes()).and_then(|rest| rest.strip_prefix(b" "));
        let Some(words) = words else {
            if let Some(content) = open.as_mut().and_then(|file| file.content.as_mut()) {
                content.extend_from_slice(line);
            }
            continue;
        };
        let words = String::from_utf8_lossy(words.strip_suffix(b"\n").unwrap_or(words)).into_owned();
        match words.split_once(' ').unwrap_or((&words, "")) {
            ("begin", _) => history.has_begun = true,
            ("done", _) => history.is_whole = true,
            ("file", rest) => open = Some(file(rest, Some(Vec::new()))),
            ("unreadable", rest) => history.files.push(file(rest, None)),
            ("end", _) => history.files.extend(open.take().map(close)),
            _ => {}
        }
    }
    // Cut off in the middle of a file: what was read of it is kept, the history is not whole.
    history.files.extend(open);
    history
}

fn file(rest: &str, content: Option<Vec<u8>>) -> HistoryFile {
    let (user, path) = rest.split_once(' ').unwrap_or(("-", rest));
    HistoryFile { user: user.to_owned(), path: path.to_owned(), content }
}

/// Removes the newline that belongs to the frame.
fn close(mut file: HistoryFile) -> HistoryFile {
    if let Some(content) = file.content.as_mut()
        && content.last() == Some(&b'\n')
    {
        content.pop();
    }
    file
}

/// Prints frames as the script does, NUL bytes dropped as shells do: for the demonstration's cluster.
pub fn encode(nonce: &str, files: &[HistoryFile]) -> Vec<u8> {
    let mut out = format!("{nonce} begin\n").into_bytes();
    for file in files {
        match &file.content {
            None => out.extend_from_slice(format!("{nonce} unreadable {} {}\n", file.user, file.path).as_bytes()),
            Some(content) => {
                out.extend_from_slice(format!("{nonce} file {} {}\n", file.user, file.path).as_bytes());
                out.extend(content.iter().filter(|&&byte| byte != 0));
                out.extend_from_slice(format!("\n{nonce} end\n").as_bytes());
            }
        }
    }
    out.extend_from_slice(format!("{nonce} done\n").as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(content: &[u8]) -> Vec<HistoryFile> {
        vec![
            HistoryFile { user: "root".into(), path: "/root/.bash_history".into(), content: Some(content.to_vec()) },
            HistoryFile { user: "-".into(), path: "/home/a b/.zsh_history".into(), content: None },
        ]
    }

    #[test]
    fn content_comes_back_byte_for_byte() {
        for content in [&b""[..], b"\n", b"id", b"id\n", b"id\n\n", b"\xff\x83\xa9\n123 end\n"] {
            let history = decode("n0", &encode("n0", &sample(content)));
            assert_eq!(history.files, sample(content));
            assert!(history.is_whole && history.has_begun);
        }
    }

    #[test]
    fn what_a_cut_off_script_printed_is_kept() {
        let whole = encode("n0", &sample(b"one\ntwo\nthree\n"));
        let at = whole.windows(5).position(|window| window == b"three").unwrap();
        let history = decode("n0", &whole[..at]);
        assert_eq!(history.files[0].content.as_deref(), Some(&b"one\ntwo\n"[..]));
        assert!(!history.is_whole);
    }

    #[cfg(unix)]
    #[test]
    fn the_script_runs_in_this_machines_shell_in_spite_of_hijacked_builtins() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".bash_history"), b"#1700000000\nid -a\\\n\xff last").unwrap();
        let command = super::super::history_script::command("sh", "n0");
        let output = std::process::Command::new(&command[0])
            .args(&command[1..])
            .env("HOME", home.path())
            .env("BASH_FUNC_printf%%", "() { builtin printf hijacked; }")
            .output()
            .unwrap();
        let history = decode("n0", &output.stdout);
        assert!(history.is_whole, "{}", String::from_utf8_lossy(&output.stderr));
        let path = home.path().join(".bash_history").to_string_lossy().into_owned();
        let file = history.files.iter().find(|file| file.path == path).unwrap();
        assert_eq!(file.content.as_deref(), Some(&b"#1700000000\nid -a\\\n\xff last"[..]));
    }
}
