//! What keeps histories from being written, or leads them elsewhere: variables, lines of start-up files, and what lies in a history's
//! place. Says what it means, not whether it was meant badly. Pure.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::cluster::{
    history_frames::{Content, HistoryFile},
    history_script::VARIABLES,
};

/// History is suppressed, cut off or removed.
const TAMPERED: &str = "tampered";
/// Something decides what is written and where, or runs when a shell starts.
const SETTING: &str = "setting";

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The row's `history_state`.
    pub state: &'static str,
    /// What it means.
    pub reason: String,
}

fn finding(state: &'static str, reason: impl Into<String>) -> Finding {
    Finding { state, reason: reason.into() }
}

/// What a variable of the environment means; none when it has nothing to do with histories.
pub fn of_variable(name: &str, value: &str) -> Option<Finding> {
    VARIABLES.contains(&name).then(|| assigned(name, value))
}

fn assigned(name: &str, value: &str) -> Finding {
    let names_file = name.ends_with("HISTFILE") || name.ends_with("_HISTORY");
    match (name, value) {
        _ if names_file && value.is_empty() => finding(TAMPERED, format!("{name} is empty: no history is written")),
        (_, "/dev/null" | "-") if names_file => finding(TAMPERED, format!("{name} leads to {value}: nothing is kept")),
        _ if names_file => finding(SETTING, format!("{name} moves the history to {value}")),
        ("HISTSIZE" | "HISTFILESIZE" | "SAVEHIST", "0") => finding(TAMPERED, format!("{name} is 0: nothing is kept")),
        ("HISTSIZE" | "HISTFILESIZE" | "SAVEHIST", _) => finding(SETTING, format!("{name} limits what is kept")),
        ("HISTIGNORE", value) if value.split(':').any(|pattern| pattern == "*") => {
            finding(TAMPERED, "HISTIGNORE leaves out every command")
        }
        ("HISTCONTROL" | "HISTIGNORE", _) => finding(SETTING, format!("{name} leaves commands out")),
        ("PROMPT_COMMAND", value) => match of_line(value.as_bytes()) {
            Some(finding) if finding.state == TAMPERED => finding,
            _ => finding(SETTING, "PROMPT_COMMAND runs before each prompt"),
        },
        _ => finding(SETTING, format!("{name} names code that runs when a shell starts")),
    }
}

/// `NAME=VALUE` at the beginning of a word, also after `export`, `set -gx` (fish) and `setenv` (csh).
static ASSIGNMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = VARIABLES.join("|");
    Regex::new(&format!(r#"(?:^|[\s;&"'])({name})(?:=|\s+)["']?([^"'\s;&]*)"#)).ok()
});

/// Commands that stop or remove a history.
const ERASERS: [(&str, &str); 7] = [
    ("set +o history", "the shell is told to keep no history"),
    ("unset HISTFILE", "HISTFILE is removed: no history is written"),
    ("unset -v HISTFILE", "HISTFILE is removed: no history is written"),
    ("history -c", "the history is cleared"),
    ("history -d", "lines are removed from the history"),
    ("fish --private", "fish is told to keep no history"),
    ("fish_private_mode", "fish is told to keep no history"),
];

/// What a line of a start-up file means; none for comments and lines that decide nothing about histories.
pub fn of_line(line: &[u8]) -> Option<Finding> {
    let line = line.trim_ascii_start();
    if line.starts_with(b"#") {
        return None;
    }
    // White space of any length is one blank in the list.
    let text = String::from_utf8_lossy(line).split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((_, meaning)) = ERASERS.iter().find(|(words, _)| text.contains(words)) {
        return Some(finding(TAMPERED, *meaning));
    }
    if let Some(words) = removal(&text) {
        return Some(finding(TAMPERED, format!("{words} a history file")));
    }
    let captured = ASSIGNMENT.as_ref()?.captures(line)?;
    let group = |number| captured.get(number).map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned());
    Some(assigned(&group(1)?, &group(2)?))
}

/// Whether a command does away with a file that is named like a history.
fn removal(text: &str) -> Option<&'static str> {
    if !text.contains("_history") {
        return None;
    }
    let has = |word: &str| text.split([' ', ';', '&', '|']).any(|part| part.rsplit('/').next() == Some(word));
    match () {
        () if has("rm") || has("shred") || has("unlink") => Some("a command removes"),
        () if text.contains("/dev/null") => Some("/dev/null takes the place of"),
        () if has("truncate") || has("chattr") => Some("a command empties or locks"),
        () => None,
    }
}

/// What the place of a history file means, when an ordinary file is not all there is to say.
pub fn of_place(file: &HistoryFile) -> Option<Finding> {
    let is_odd = file.content == Content::Odd;
    match (file.link.as_deref(), file.device.as_deref()) {
        (Some(device @ "/dev/null"), _) => {
            Some(finding(TAMPERED, format!("the file is a link to {device}: nothing is kept")))
        }
        (Some(""), _) if is_odd => Some(finding(TAMPERED, "the file is a link that leads to no file: nothing is kept")),
        (Some(""), _) if file.content == Content::NotFollowed => {
            Some(finding("linked", "the file is a link, which is not followed from outside of the container"))
        }
        (Some(""), _) => Some(finding("linked", "the file is a link; its target cannot be named by a shell alone")),
        (Some(target), _) => Some(finding("linked", format!("the file is a link to {target}"))),
        (None, Some(device)) => Some(finding(TAMPERED, format!("{device} lies in the file's place: nothing is kept"))),
        (None, None) if is_odd => {
            Some(finding(TAMPERED, "a folder or device lies in the file's place: nothing is kept"))
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_state(line: &str) -> Option<&'static str> {
        of_line(line.as_bytes()).map(|finding| finding.state)
    }

    #[test]
    fn what_suppresses_a_history_is_tampering() {
        for line in [
            "export HISTFILE=/dev/null",
            "HISTFILE=",
            "HISTFILE=''",
            "  unset HISTFILE",
            "set  +o\thistory",
            "export HISTSIZE=0 HISTFILESIZE=0",
            "HISTSIZE=\"0\"",
            "set -gx HISTFILE /dev/null",
            "setenv HISTSIZE 0",
            "SAVEHIST=0",
            "history -c; clear",
            "HISTIGNORE='*'",
            "ln -sf /dev/null ~/.bash_history",
            "/bin/rm -f ~/.bash_history",
            "PROMPT_COMMAND='history -c'",
        ] {
            assert_eq!(line_state(line), Some(TAMPERED), "{line}");
        }
    }

    #[test]
    fn what_an_ordinary_machine_sets_is_a_setting_or_nothing() {
        for line in ["HISTCONTROL=ignoreboth", "HISTSIZE=1000", "HISTFILE=~/.zsh_history", "export PROMPT_COMMAND=x"] {
            assert_eq!(line_state(line), Some(SETTING), "{line}");
        }
        for line in ["# HISTSIZE=0", "shopt -s histappend", "alias h=history", "MYHISTSIZE=0", "echo $HISTFILE"] {
            assert_eq!(line_state(line), None, "{line}");
        }
    }

    #[test]
    fn variables_that_decide_nothing_are_left_alone() {
        let state = |name, value| of_variable(name, value).map(|finding| finding.state);
        assert_eq!(state("HISTFILE", "/dev/null"), Some(TAMPERED));
        assert_eq!(state("LESSHISTFILE", "-"), Some(TAMPERED));
        assert_eq!(state("BASH_ENV", "/tmp/x"), Some(SETTING));
        assert_eq!(state("HISTFILESIZE", "0"), Some(TAMPERED));
        assert_eq!(state("PATH", "/bin"), None);
    }
}
