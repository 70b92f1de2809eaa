//! The formats of shells: bash and csh with epochs, zsh extended and metafied, fish; and which format a file has.

use jiff::Timestamp;

use super::{
    lines::{Assembly, all, epoch, filled, plain},
    tools,
};

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

/// Takes commands one by one.
pub(super) type Emit<'a> = &'a mut dyn FnMut(Command) -> anyhow::Result<()>;

/// Names of files, and the shell or tool that they belong to. A name that begins or ends with `*` stands for its end or beginning.
const NAMES: &[(&str, &str)] = &[
    (".bash_history*", "bash"),
    ("*.historynew", "bash"),
    (".ash_history", "ash"),
    (".sh_history*", "sh"),
    (".ksh_history", "ksh"),
    (".dash_history", "dash"),
    (".mksh_history", "mksh"),
    (".osh_history", "osh"),
    (".zsh_history*", "zsh"),
    (".zhistory", "zsh"),
    (".histfile", "zsh"),
    (".history*", "csh"),
    (".nscli_history", "nscli"),
    ("db.bolt", "elvish"),
    ("xonsh-history.sqlite", "xonsh"),
    ("*_history.txt", "powershell"),
    (".python_history", "python"),
    ("history.sqlite", "ipython"),
    (".node_repl_history", "node"),
    (".mysql_history", "mysql"),
    (".mariadb_history", "mariadb"),
    (".psql_history*", "psql"),
    (".sqlite_history", "sqlite"),
    (".rediscli_history", "redis-cli"),
    (".dbshell", "mongo"),
    (".php_history", "php"),
    (".irb_history", "irb"),
    ("irb_history", "irb"),
    (".lua_history", "lua"),
    ("repl_history.jl", "julia"),
    (".Rhistory", "R"),
    (".gdb_history", "gdb"),
    (".scala_history", "scala"),
    ("ghci_history", "ghci"),
    (".lesshst", "less"),
    ("lesshst", "less"),
    (".viminfo", "vim"),
    ("viminfo", "vim"),
    ("main.shada", "nvim"),
    (".nano_history", "nano"),
    ("search_history", "nano"),
    (".wget-hsts", "wget"),
];

/// Folders whose files belong to a shell or tool, whatever their name.
const FOLDERS: &[(&str, &str)] = &[
    ("/fish/", "fish"),
    ("/.bash_sessions/", "bash"),
    ("/.zsh_sessions/", "zsh"),
    ("/mongosh/", "mongosh"),
    ("/share/ion/", "ion"),
];

/// The shell or tool that a history file belongs to, by its path.
pub(super) fn shell_of(path: &str) -> &'static str {
    if let Some((_, shell)) = FOLDERS.iter().find(|(folder, _)| path.contains(folder)) {
        return shell;
    }
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let fits = |known: &str| match (known.strip_suffix('*'), known.strip_prefix('*')) {
        (Some(head), _) => name.starts_with(head),
        (_, Some(tail)) => name.ends_with(tail),
        _ => name == known,
    };
    // `PSReadLine/ConsoleHost_history.txt.bak` belongs to PowerShell, too.
    if path.contains("PSReadLine") {
        return "powershell";
    }
    NAMES.iter().find(|(known, _)| fits(known)).map_or("unknown", |(_, shell)| shell)
}

/// What a file is when it is no text.
pub(super) fn binary(content: &[u8]) -> Option<&'static str> {
    if content.starts_with(b"SQLite format 3") {
        return Some("an SQLite database");
    }
    // Kornshell's own file begins so and ends its commands with NUL.
    if content.starts_with(b"\x81\x01") {
        return Some("a history of ksh in its binary format");
    }
    content.contains(&0).then_some("a file with NUL bytes")
}

/// The commands of a history file, in its order. Every byte that is no mark of the format is in one of them.
pub fn parse(path: &str, content: &[u8]) -> Vec<Command> {
    let mut commands = Vec::new();
    // Only what takes the commands could fail.
    drop(each(path, content, &mut |command| {
        commands.push(command);
        Ok(())
    }));
    commands
}

/// The same, one by one. Errors of `emit` end it.
pub(super) fn each(path: &str, content: &[u8], emit: Emit<'_>) -> anyhow::Result<()> {
    if content.starts_with(tools::LIBEDIT) {
        return tools::libedit(content, emit);
    }
    match shell_of(path) {
        "bash" | "csh" => bash(content, emit),
        "zsh" => zsh(content, emit),
        "fish" if content.starts_with(b"- cmd:") => fish(content, emit),
        // What fish wrote before version 2.
        "fish" => bash(content, emit),
        "powershell" => tools::powershell(content, emit),
        "psql" => filled(content).try_for_each(|line| emit(tools::psql(line))),
        "vim" => tools::viminfo(content, emit),
        "less" => tools::lesshst(content, emit),
        "wget" => filled(content).filter(|line| !line.starts_with(b"#")).try_for_each(|line| emit(tools::hsts(line))),
        "unknown" => by_content(content)(content, emit),
        _ => filled(content).try_for_each(|line| emit(plain(line))),
    }
}

type Parser = fn(&[u8], Emit<'_>) -> anyhow::Result<()>;

/// A file with a name of its own (HISTFILE) is known by its first line.
fn by_content(content: &[u8]) -> Parser {
    let first = filled(content).next().unwrap_or_default();
    if first.starts_with(b"- cmd: ") {
        fish
    } else if extended(first).is_some() {
        zsh
    } else {
        bash
    }
}

/// A line `#EPOCH` stands before each command when HISTTIMEFORMAT was set (csh: `#+EPOCH`); then all lines up to the next are one command.
fn bash(content: &[u8], emit: Emit<'_>) -> anyhow::Result<()> {
    let mut commands = Assembly::new(emit);
    let mut time = None;
    let mut is_open = false;
    for line in all(content) {
        if let Some(moment) = moment(line) {
            time = Some(moment);
            is_open = false;
            continue;
        }
        let is_added = is_open && commands.add_line(line);
        if !is_added && !line.is_empty() {
            commands.begin(Command { bytes: line.to_vec(), time, elapsed_seconds: None })?;
            is_open = time.is_some();
        }
    }
    commands.end()
}

fn moment(line: &[u8]) -> Option<Timestamp> {
    let digits = line.strip_prefix(b"#")?;
    epoch(digits.strip_prefix(b"+").or(digits.strip_prefix(b" ")).unwrap_or(digits))
}

/// `: EPOCH:ELAPSED;COMMAND`, continued after a backslash; bytes of its own syntax are written as 0x83 and the byte xor 0x20.
fn zsh(content: &[u8], emit: Emit<'_>) -> anyhow::Result<()> {
    let mut commands = Assembly::new(emit);
    let mut goes_on = false;
    for line in all(content) {
        let line = unmetafied(line);
        let ends_open = line.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1;
        let text = if ends_open { line.get(..line.len() - 1).unwrap_or_default() } else { &line };
        let is_added = goes_on && commands.add_line(text);
        if !is_added && !line.is_empty() {
            commands.begin(extended(text).unwrap_or_else(|| plain(text)))?;
        }
        goes_on = ends_open;
    }
    commands.end()
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
fn fish(content: &[u8], emit: Emit<'_>) -> anyhow::Result<()> {
    let mut commands = Assembly::new(emit);
    for line in filled(content) {
        if let Some(command) = line.strip_prefix(b"- cmd: ") {
            commands.begin(plain(&unescaped(command)))?;
        } else if let (Some(last), Some(when)) = (commands.last(), line.strip_prefix(b"  when: ")) {
            last.time = epoch(when);
        } else if !line.starts_with(b"  ") {
            commands.begin(plain(line))?;
        }
    }
    commands.end()
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
        let content = b"id\n#1700000000\nfor i in 1; do\n\necho $i\ndone\n#1700000005\nls";
        let expected = [
            ("id".into(), None),
            ("for i in 1; do\n\necho $i\ndone".into(), Some(1_700_000_000)),
            ("ls".into(), Some(1_700_000_005)),
        ];
        for path in ["/root/.bash_history", "/root/.bash_history~", "/root/.bash_sessions/A.history", "/data/hidden"] {
            assert_eq!(texts(path, content), expected, "{path}");
        }
    }

    #[test]
    fn csh_epochs_begin_with_a_plus() {
        assert_eq!(texts("/root/.history", b"#+1700000000\nls\n"), [("ls".into(), Some(1_700_000_000))]);
    }

    #[test]
    fn a_comment_is_not_an_epoch() {
        assert_eq!(texts("/root/.bash_history", b"#not a time\n"), [("#not a time".into(), None)]);
    }

    #[test]
    fn zsh_times_continuations_and_metafied_bytes() {
        for path in ["/root/.zsh_history", "/data/hidden"] {
            let commands = parse(path, b": 1700000000:3;echo \xc3\x83\x89 \\\n\\\nmore\n\nplain\n");
            assert_eq!(commands[0].bytes, "echo é \n\nmore".as_bytes().to_vec().as_slice());
            assert_eq!(commands[0].elapsed_seconds, Some(3));
            assert_eq!(commands[1..], [plain(b"plain")]);
        }
    }

    #[test]
    fn fish_times_and_escapes_in_both_places_and_formats() {
        let content = b"- cmd: echo a\\nb\n  when: 1700000000\n  paths:\n    - x\n";
        for path in ["/root/.local/share/fish/fish_history", "/root/.config/fish/fish_history", "/data/hidden"] {
            assert_eq!(texts(path, content), [("echo a\nb".into(), Some(1_700_000_000))], "{path}");
        }
        assert_eq!(
            texts("/root/.config/fish/fish_history", b"# 1700000000\nls\n"),
            [("ls".into(), Some(1_700_000_000))]
        );
    }

    #[test]
    fn every_history_file_belongs_to_a_shell_or_tool() {
        for pattern in crate::cluster::history_script::HOME_FILES {
            let path = format!("/root/{}", pattern.replace("[~.-]*", "~").replace("s[ht]a[rt]e", "state"));
            assert_ne!(shell_of(&path), "unknown", "{path}");
        }
    }

    #[test]
    fn an_empty_file_has_no_commands() {
        for path in ["/x/.bash_history", "/x/.zsh_history", "/x/.viminfo", "/x/.lesshst", "/x/.python_history"] {
            assert!(parse(path, b"").is_empty() && parse(path, b"\n").is_empty(), "{path}");
        }
    }
}
