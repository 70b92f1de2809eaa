//! The script that reads history files inside a container, with shell builtins only.
//!
//! Neither `tar` nor `cat` is needed, nothing is written, no terminal and no input is used. A pod's author controls the environment it runs
//! in: exported functions named like builtins are removed first (`unset` cannot be replaced in a POSIX shell). Fields
//! are framed by a nonce that file content cannot know. Lines are numbered by what was read, NUL bytes are dropped by
//! every shell and so are not evidence of absence; sizes are those received.
//!
//! Measured to run alike in bash, dash and busybox ash.

/// Marks our exec among the arguments, for the audit log and for the demonstration's cluster.
pub const MARKER: &str = "forensys-history";

/// Shells tried in this order when one is not found.
pub const SHELLS: &[&str] = &["sh", "/bin/sh", "/busybox/sh", "/bin/bash", "/bin/ash", "/bin/dash"];

/// History files looked for in every home.
pub const HOME_FILES: &[&str] = &[
    ".bash_history",
    ".ash_history",
    ".sh_history",
    ".zsh_history",
    ".zhistory",
    ".histfile",
    ".history",
    ".local/share/fish/fish_history",
    ".python_history",
    ".mysql_history",
    ".psql_history",
    ".sqlite_history",
    ".rediscli_history",
    ".node_repl_history",
];

/// Homes beside those that /etc/passwd names.
const MORE_HOMES: &[&str] = &["/root", "/", "/home/*", "/tmp", "/app", "/workspace"];

/// The arguments of the exec: `SHELL -c SCRIPT forensys-history NONCE`.
pub fn command(shell: &str, nonce: &str) -> Vec<String> {
    [shell, "-c", &script(), MARKER, nonce].map(str::to_owned).to_vec()
}

/// The script. `$0` is [`MARKER`], `$1` the nonce.
fn script() -> String {
    let files: Vec<String> = HOME_FILES.iter().map(|file| format!("\"$2/{file}\"")).collect();
    let files = files.join(" ");
    let homes = MORE_HOMES.join(" ");
    format!(
        r#"unset -f read printf echo test [ command set unset eval exit cd return 2>/dev/null
unset HISTFILE
LC_ALL=C; n=$1; seen=:
emit() {{
[ -f "$2" ] || return 0
if [ -r "$2" ]; then :; else printf '%s unreadable %s %s\n' "$n" "$1" "$2"; return 0; fi
printf '%s file %s %s\n' "$n" "$1" "$2"
while IFS= read -r l; do printf '%s\n' "$l"; done <"$2"
printf '%s' "$l"
printf '\n%s end\n' "$n"
}}
home() {{
h=${{2%/}}
case $seen in *":$h:"*) return 0;; esac
seen=$seen$h:
set -- "$1" "$h"
for f in {files}; do emit "$1" "$f"; done
}}
printf '%s begin\n' "$n"
if [ -r /etc/passwd ]; then
while IFS=: read -r u p i g c d s; do
[ -n "$d" ] && home "$u" "$d"
done </etc/passwd
fi
for d in "$HOME" {homes}; do [ -d "$d" ] && home - "$d"; done
printf '%s done\n' "$n"
"#
    )
}
