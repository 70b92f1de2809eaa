//! The formats of tools: libedit (mysql, sqlite …), psql, PowerShell, vim, less and wget.

use super::{
    format::{Command, Emit},
    lines::{Assembly, epoch, filled, plain},
};

/// First line of a file that libedit wrote.
pub(super) const LIBEDIT: &[u8] = b"_HiStOrY_V2_\n";

/// Lines of which blanks and control characters are written as a backslash and three octal digits (`vis(3)`).
pub(super) fn libedit(content: &[u8], emit: Emit<'_>) -> anyhow::Result<()> {
    let content = content.strip_prefix(LIBEDIT).unwrap_or(content);
    filled(content).try_for_each(|line| emit(plain(&unvis(line))))
}

fn unvis(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
        } else if let Some(code) = after.get(..3).and_then(octal) {
            out.push(code);
            rest = after.get(3..).unwrap_or_default();
        } else if let Some(after) = after.strip_prefix(b"\\") {
            out.push(b'\\');
            rest = after;
        } else {
            out.push(byte);
        }
    }
    out
}

fn octal(digits: &[u8]) -> Option<u8> {
    let is_octal = digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
    let text = std::str::from_utf8(digits).ok().filter(|_| is_octal)?;
    u8::from_str_radix(text, 8).ok()
}

/// psql writes the newlines of a command as the byte 1 (psql's `input.c`, NL_IN_HISTORY).
pub(super) fn psql(line: &[u8]) -> Command {
    plain(&line.iter().map(|&byte| if byte == 1 { b'\n' } else { byte }).collect::<Vec<_>>())
}

/// Lines; a back-tick at the end of one continues the command on the next.
pub(super) fn powershell(content: &[u8], emit: Emit<'_>) -> anyhow::Result<()> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut commands = Assembly::new(emit);
    let mut goes_on = false;
    for line in filled(content) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (text, ends_open) = line.strip_suffix(b"`").map_or((line, false), |text| (text, true));
        let is_added = goes_on && commands.add_line(text);
        if !is_added && !line.is_empty() {
            commands.begin(plain(text))?;
        }
        goes_on = ends_open;
    }
    commands.end()
}

/// `HOST PORT SUBDOMAINS CREATED MAX-AGE` between tabs: a visit to the host at CREATED.
pub(super) fn hsts(line: &[u8]) -> Command {
    let created = line.split(|&byte| byte == b'\t').nth(3);
    Command { time: created.and_then(epoch), ..plain(line) }
}

/// Sections begin with a dot; entries with a quotation mark. Searches come back as `/TEXT`, shell commands as `!TEXT`, marks as they are.
pub(super) fn lesshst(content: &[u8], emit: Emit<'_>) -> anyhow::Result<()> {
    let mut sign = b'/';
    for line in filled(content) {
        match line.strip_prefix(b"\"") {
            Some(text) => emit(plain(&[&[sign], text].concat()))?,
            None if line.starts_with(b".shell") => sign = b'!',
            None if line.starts_with(b".search") => sign = b'/',
            None if line.starts_with(b".") => {}
            None => emit(plain(line))?,
        }
    }
    Ok(())
}

/// Commands (`:`), searches (`?/`), marks (`'0 LINE COLUMN FILE`), jumps (`-'`), registers and edited files (`> FILE`). Lines that begin
/// with `|` repeat the entry before them with its time; a line `*` of an edited file gives the time of its last edit.
pub(super) fn viminfo(content: &[u8], emit: Emit<'_>) -> anyhow::Result<()> {
    let mut entries = Assembly::new(emit);
    for line in filled(content) {
        if let Some(fields) = line.strip_prefix(b"|") {
            let time = barline_time(fields);
            match entries.last() {
                Some(last) if time.is_some() => last.time = last.time.or(time),
                _ if fields.starts_with(b"1,") => {}
                _ => entries.begin(plain(line))?,
            }
        } else if line.starts_with(b"\t") {
            let fields: Vec<_> = line.split(|&byte| byte == b'\t').collect();
            match (entries.last(), fields.as_slice()) {
                (Some(last), [_, b"*", time, ..]) => last.time = epoch(time),
                (Some(_), _) => drop(entries.add_line(line)),
                (None, _) => entries.begin(plain(line))?,
            }
        } else if !(line.starts_with(b"#") || line.starts_with(b"*encoding=")) {
            entries.begin(plain(line))?;
        }
    }
    entries.end()
}

/// The time of `|2,TYPE,TIME,…` (history), `|3,FLAGS,NAME,TYPE,LINES,WIDTH,TIME,…` (register) and `|4,NAME,LINE,COLUMN,TIME,…` (mark),
/// as vim's `viminfo.c` writes them.
fn barline_time(fields: &[u8]) -> Option<jiff::Timestamp> {
    let mut fields = fields.split(|&byte| byte == b',');
    let place = match fields.next()? {
        b"2" => 1,
        b"3" => 5,
        b"4" => 3,
        _ => return None,
    };
    epoch(fields.nth(place)?).filter(|time| time.as_second() > 0)
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn texts(path: &str, content: &[u8]) -> Vec<(String, Option<i64>)> {
        parse(path, content)
            .into_iter()
            .map(|command| (String::from_utf8(command.bytes).unwrap(), command.time.map(|time| time.as_second())))
            .collect()
    }

    fn words(path: &str, content: &[u8]) -> Vec<String> {
        texts(path, content).into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn libedit_escapes_are_undone() {
        let content = b"_HiStOrY_V2_\nselect\\040*\\040from\\040users;\nback\\\\slash\\9\n";
        for path in ["/root/.mysql_history", "/root/.sqlite_history", "/var/lib/mysql/.mariadb_history"] {
            assert_eq!(words(path, content), ["select * from users;", "back\\slash\\9"], "{path}");
        }
        assert_eq!(words("/root/.mysql_history", b"select\\040 1\n"), ["select\\040 1"], "readline escapes nothing");
    }

    #[test]
    fn psql_commands_of_several_lines() {
        assert_eq!(words("/var/lib/postgresql/.psql_history", b"select\x01 1;\n\\q\n"), ["select\n 1;", "\\q"]);
    }

    #[test]
    fn powershell_goes_on_after_a_back_tick() {
        let path = "/root/.local/share/powershell/PSReadLine/ConsoleHost_history.txt";
        assert_eq!(words(path, b"foreach ($i in 1) {`\n$i`\n}\nls\n"), ["foreach ($i in 1) {\n$i\n}", "ls"]);
        let path =
            "C:\\Users\\x\\AppData\\Roaming\\Microsoft\\Windows\\PowerShell\\PSReadLine\\ConsoleHost_history.txt";
        assert_eq!(words(path, b"\xef\xbb\xbfwhoami`\r\n/all\r\n"), ["whoami\n/all"]);
    }

    #[test]
    fn wget_says_when_a_host_was_visited() {
        let content = b"# HSTS 1.0 Known Hosts database for GNU Wget.\nevil.example\t0\t1\t1700000000\t31536000\n";
        let found = texts("/root/.wget-hsts", content);
        assert_eq!(found, [("evil.example\t0\t1\t1700000000\t31536000".into(), Some(1_700_000_000))]);
    }

    #[test]
    fn less_searches_shell_commands_and_marks() {
        let content = b".less-history-file:\n.search\n\"password\n.shell\n\"id\n.mark\nm a 1 9 /etc/passwd\n";
        assert_eq!(words("/root/.lesshst", content), ["/password", "!id", "m a 1 9 /etc/passwd"]);
    }

    #[test]
    fn vim_commands_searches_and_edited_files_have_their_times() {
        let content = b"# This viminfo file was generated by Vim 9.0.\n|1,4\n*encoding=utf-8\n\n# Command Line History:\n\
            :wq\n|2,0,1700000000,,\"wq\"\n:e! x\n\n# Search String History:\n?/key\n|2,1,1700000001,47,\"key\"\n\n# File marks:\n\
            '0  1  0  ~/.ssh/authorized_keys\n|4,48,1,0,1700000002,\"~/.ssh/authorized_keys\"\n\
            # History of marks within files:\n> ~/x\n\t*\t1700000003\t0\n\t\"\t1\t0\n";
        assert_eq!(
            texts("/root/.viminfo", content),
            [
                (":wq".into(), Some(1_700_000_000)),
                (":e! x".into(), None),
                ("?/key".into(), Some(1_700_000_001)),
                ("'0  1  0  ~/.ssh/authorized_keys".into(), Some(1_700_000_002)),
                ("> ~/x\n\t\"\t1\t0".into(), Some(1_700_000_003)),
            ]
        );
    }

    #[test]
    fn tools_that_write_lines_are_read_as_lines() {
        for name in [
            ".ash_history",
            ".python_history",
            ".node_repl_history",
            ".rediscli_history",
            ".php_history",
            ".irb_history",
            ".lua_history",
            ".Rhistory",
            ".gdb_history",
            ".nano_history",
            ".mongodb/mongosh/mongosh_repl_history",
        ] {
            assert_eq!(
                words(&format!("/root/{name}"), b"#1700000000\none\n\ntwo"),
                ["#1700000000", "one", "two"],
                "{name}"
            );
        }
    }
}
