//! The formats of history files: bash with epochs, zsh extended and metafied, fish, and plain lines for all others.

use jiff::Timestamp;

/// A command of a history file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The command's bytes; may hold newlines.
    pub bytes: Vec<u8>,
    /// When it was run, where the file says so.
    pub time: Option<Timestamp>,
    /// Seconds that it took, where the file says so.
    pub elapsed_seconds: Option<i64>,
}

/// The shell or tool that a history file belongs to, by its name.
pub(super) fn shell_of(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        ".bash_history" => "bash",
        ".ash_history" => "ash",
        ".sh_history" => "sh",
        ".zsh_history" | ".zhistory" | ".histfile" => "zsh",
        "fish_history" => "fish",
        ".history" => "csh",
        ".python_history" => "python",
        ".mysql_history" => "mysql",
        ".psql_history" => "psql",
        ".sqlite_history" => "sqlite",
        ".rediscli_history" => "redis-cli",
        ".node_repl_history" => "node",
        _ => "unknown",
    }
}

/// The commands of a history file, in its order. Every byte that is no mark of the format is in one of them.
pub fn parse(path: &str, content: &[u8]) -> Vec<Command> {
    match shell_of(path) {
        "bash" => bash(content),
        "zsh" => zsh(content),
        "fish" => fish(content),
        _ => lines(content).map(plain).collect(),
    }
}

/// Lines without their newline; empty ones are left out.
fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

fn plain(line: &[u8]) -> Command {
    Command { bytes: line.to_vec(), ..Command::default() }
}

fn epoch(digits: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    Timestamp::from_second(text.parse().ok().filter(|_| is_number)?).ok()
}

/// A line `#EPOCH` stands before each command when HISTTIMEFORMAT was set; then all lines up to the next are one command.
fn bash(content: &[u8]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut time = None;
    let mut is_open = false;
    for line in lines(content) {
        if let Some(moment) = line.strip_prefix(b"#").and_then(epoch) {
            time = Some(moment);
            is_open = false;
            continue;
        }
        match commands.last_mut() {
            Some(last) if is_open => {
                last.bytes.push(b'\n');
                last.bytes.extend_from_slice(line);
            }
            _ => commands.push(Command { bytes: line.to_vec(), time, elapsed_seconds: None }),
        }
        is_open = time.is_some();
    }
    commands
}

/// `: EPOCH:ELAPSED;COMMAND`, continued after a backslash; bytes of its own syntax are written as 0x83 and the byte xor 0x20.
fn zsh(content: &[u8]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut goes_on = false;
    for line in lines(content) {
        let line = unmetafied(line);
        let ends_open = line.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1;
        let text = if ends_open { line.get(..line.len() - 1).unwrap_or_default() } else { &line };
        match commands.last_mut() {
            Some(last) if goes_on => {
                last.bytes.push(b'\n');
                last.bytes.extend_from_slice(text);
            }
            _ => commands.push(extended(text).unwrap_or_else(|| plain(text))),
        }
        goes_on = ends_open;
    }
    commands
}

fn extended(line: &[u8]) -> Option<Command> {
    let rest = line.strip_prefix(b": ")?;
    let at = rest.iter().position(|&byte| byte == b';')?;
    let (head, command) = (rest.get(..at)?, rest.get(at + 1..)?);
    let colon = head.iter().position(|&byte| byte == b':')?;
    let time = epoch(head.get(..colon)?.trim_ascii())?;
    let elapsed = std::str::from_utf8(head.get(colon + 1..)?).ok()?.parse().ok()?;
    Some(Command { bytes: command.to_vec(), time: Some(time), elapsed_seconds: Some(elapsed) })
}

fn unmetafied(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            0x83 => out.push(bytes.next().map_or(0x83, |next| next ^ 0x20)),
            byte => out.push(byte),
        }
    }
    out
}

/// `- cmd: COMMAND` and `  when: EPOCH`, with `\n` and `\\` escaped; other members describe the command before.
fn fish(content: &[u8]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for line in lines(content) {
        if let Some(command) = line.strip_prefix(b"- cmd: ") {
            commands.push(plain(&unescaped(command)));
        } else if let (Some(last), Some(when)) = (commands.last_mut(), line.strip_prefix(b"  when: ")) {
            last.time = epoch(when);
        } else if !line.starts_with(b"  ") {
            commands.push(plain(line));
        }
    }
    commands
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => out.push(b'\n'),
                Some(b'\\') | None => out.push(b'\\'),
                Some(other) => out.extend([b'\\', other]),
            },
            byte => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, content: &[u8]) -> Vec<(String, Option<i64>)> {
        parse(path, content)
            .into_iter()
            .map(|command| (String::from_utf8(command.bytes).unwrap(), command.time.map(|time| time.as_second())))
            .collect()
    }

    #[test]
    fn bash_epochs_belong_to_the_lines_that_follow() {
        let found = texts("/root/.bash_history", b"id\n#1700000000\nfor i in 1; do\necho $i\ndone\n#1700000005\nls");
        assert_eq!(
            found,
            [
                ("id".into(), None),
                ("for i in 1; do\necho $i\ndone".into(), Some(1_700_000_000)),
                ("ls".into(), Some(1_700_000_005))
            ]
        );
    }

    #[test]
    fn a_comment_is_not_an_epoch() {
        assert_eq!(texts("/root/.bash_history", b"#not a time\n"), [("#not a time".into(), None)]);
    }

    #[test]
    fn zsh_times_continuations_and_metafied_bytes() {
        let commands = parse("/root/.zsh_history", b": 1700000000:3;echo \xc3\x83\x89 \\\nmore\nplain\n");
        assert_eq!(commands[0].bytes, "echo é \nmore".as_bytes().to_vec().as_slice());
        assert_eq!(commands[0].elapsed_seconds, Some(3));
        assert_eq!(commands[1], plain(b"plain"));
    }

    #[test]
    fn fish_times_and_escapes() {
        let found = texts(
            "/root/.local/share/fish/fish_history",
            b"- cmd: echo a\\nb\n  when: 1700000000\n  paths:\n    - x\n",
        );
        assert_eq!(found, [("echo a\nb".into(), Some(1_700_000_000))]);
    }
}
