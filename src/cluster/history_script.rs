//! The script that reads history files inside a container, with shell builtins only.
//!
//! Neither `tar` nor `cat` is needed, nothing is written, no terminal and no input is used. A pod's author controls the environment it runs
//! in: exported functions named like builtins are removed first (`unset` cannot be replaced in a POSIX shell; bash under its own name is
//! told to take nothing from the environment). The shell limits its own memory and processor time, so that neither a huge file nor a
//! script that outlives its session can harm the container. Fields are framed by a nonce that file content cannot know; see
//! [`history_frames`](super::history_frames). NUL bytes are dropped by every shell; sizes are those received.
//!
//! A link's target cannot be read by builtins: only the devices that swallow a history are recognised.
//!
//! Measured to run alike in bash, bash as `sh`, dash and busybox ash.

/// Marks our exec among the arguments, for the audit log and for the demonstration's cluster.
pub const MARKER: &str = "forensys-history";

/// Shells tried in this order when one is not found.
pub const SHELLS: &[&str] = &["/bin/sh", "sh", "/busybox/sh", "/bin/bash", "/bin/ash", "/bin/dash"];

/// Bytes of one file that are read at most.
pub const LARGEST_FILE: usize = 8 * 1024 * 1024;

/// Bytes of all files of a container after which no further file is begun.
pub const LARGEST_CONTAINER: usize = 32 * 1024 * 1024;

/// History files looked for in every home; patterns of the shell.
pub const HOME_FILES: &[&str] = &[
    ".bash_history",
    ".bash_history[~.-]*",
    ".bash_sessions/*",
    ".ash_history",
    ".sh_history",
    ".sh_history.*",
    ".ksh_history",
    ".dash_history",
    ".mksh_history",
    ".osh_history",
    ".zsh_history",
    ".zsh_history.*",
    ".zhistory",
    ".histfile",
    ".zsh_sessions/*",
    ".history",
    ".history.*",
    ".local/share/fish/*_history",
    ".config/fish/*_history",
    ".local/share/ion/history",
    ".nscli_history",
    ".local/share/elvish/db.bolt",
    ".local/share/xonsh/xonsh-history.sqlite",
    ".local/share/powershell/PSReadLine/*_history.txt",
    ".python_history",
    ".ipython/profile_default/history.sqlite",
    ".node_repl_history",
    ".mysql_history",
    ".mariadb_history",
    ".psql_history",
    ".psql_history-*",
    ".sqlite_history",
    ".rediscli_history",
    ".dbshell",
    ".mongodb/mongosh/*_history",
    ".php_history",
    ".irb_history",
    ".local/share/irb/irb_history",
    ".lua_history",
    ".julia/logs/repl_history.jl",
    ".Rhistory",
    ".gdb_history",
    ".scala_history",
    ".ghc/ghci_history",
    ".lesshst",
    ".local/s[ht]a[rt]e/lesshst",
    ".viminfo",
    ".vim/viminfo",
    ".local/s[ht]a[rt]e/nvim/shada/main.shada",
    ".nano_history",
    ".local/share/nano/search_history",
    ".wget-hsts",
];

/// Start-up files of shells in every home, in which the lines about histories are read.
const HOME_RC_FILES: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".kshrc",
    ".mkshrc",
    ".cshrc",
    ".tcshrc",
    ".config/fish/config.fish",
];

/// Start-up files of shells for everybody.
const RC_FILES: &[&str] = &[
    "/etc/profile",
    "/etc/profile.d/*",
    "/etc/bash.bashrc",
    "/etc/bashrc",
    "/etc/environment",
    "/etc/zsh/*",
    "/etc/zshrc",
    "/etc/fish/config.fish",
];

/// Homes beside those that /etc/passwd names.
const MORE_HOMES: &[&str] =
    &["/root", "/", "/home/*", "/var/lib/*", "/var/www", "/tmp", "/var/tmp", "/dev/shm", "/app", "/workspace"];

/// Variables by which the environment decides about histories.
pub const VARIABLES: &[&str] = &[
    "HISTFILE",
    "HISTSIZE",
    "HISTFILESIZE",
    "HISTCONTROL",
    "HISTIGNORE",
    "SAVEHIST",
    "BASH_ENV",
    "ENV",
    "PROMPT_COMMAND",
    "LESSHISTFILE",
    "MYSQL_HISTFILE",
    "PSQL_HISTORY",
    "SQLITE_HISTORY",
    "REDISCLI_HISTFILE",
    "NODE_REPL_HISTORY",
    "PYTHON_HISTORY",
];

/// The arguments of the exec: `SHELL -c SCRIPT forensys-history NONCE`.
pub fn command(shell: &str, nonce: &str) -> Vec<String> {
    arguments(shell, &[nonce])
}

/// The arguments of an exec in the debug container `name`, which reads the files of the container with the id `container_id`, and then ends
/// the debug container.
pub fn debug_command(shell: &str, nonce: &str, container_id: &str, name: &str) -> Vec<String> {
    arguments(shell, &[nonce, container_id, name])
}

fn arguments(shell: &str, rest: &[&str]) -> Vec<String> {
    // Privileged, bash takes neither functions nor BASH_ENV from the environment. Called as sh it runs no BASH_ENV, and no function can
    // replace `unset`; busybox ash refuses the option.
    let privileged = shell.ends_with("bash").then_some("-p");
    let script = script();
    let head = std::iter::once(shell).chain(privileged).chain(["-c", &script, MARKER]);
    head.chain(rest.iter().copied()).map(str::to_owned).collect()
}

/// The environment variable by which the main process of a debug container is known among the processes that it sees.
pub const DEBUG_NAME: &str = "FORENSYS_DEBUG";

/// `$0` is [`MARKER`], `$1` the nonce, `$2` the id of the container to read from a debug container, `$3` the debug container's name.
///
/// In it: `m` prints a mark, `b` a mark with its text, `e` a history file, `c` the lines of a start-up file that are about histories,
/// `h` a home, `y` the files that start-up files name. `r` is the folder that the container's files are below, `t` the bytes printed,
/// `o` lines that wait to be printed in one go: each print is a message to the API server.
fn script() -> String {
    TEXT.trim_start()
        .replace("@HOME_FILES@", &HOME_FILES.join(" "))
        .replace("@HOME_RC_FILES@", &HOME_RC_FILES.join(" "))
        .replace("@RC_FILES@", &RC_FILES.join(" "))
        .replace("@MORE_HOMES@", &MORE_HOMES.join(" "))
        .replace("@VARIABLES@", &VARIABLES.join(" "))
        .replace("@LARGEST_FILE@", &LARGEST_FILE.to_string())
        .replace("@LARGEST_CONTAINER@", &LARGEST_CONTAINER.to_string())
        .replace("@DEBUG_NAME@", DEBUG_NAME)
}

const TEXT: &str = r#"
unset -f read printf [ kill ulimit shopt 2>/dev/null
set +efuvx
shopt -u failglob nullglob nocasematch 2>/dev/null
n=$1 r= t=0 x= s=: q=: LC_ALL=C
unset IFS GLOBIGNORE
N='
'
ulimit -c 0 2>/dev/null
ulimit -v 524288 2>/dev/null
ulimit -t 60 2>/dev/null
m() { printf '%s %s\n' "$n" "$1"; }
b() { m "$1"; printf '%s\n' "$2"; }
e() {
f=$r$1
[ -e "$f" ] || [ -L "$f" ] || return 0
case $s in *"$N$1$N"*) return 0;; esac
s=$s$N$1$N
b path "$1"
k=
for d in null zero full tty; do [ "$f" -ef "/dev/$d" ] && k=/dev/$d; done 2>/dev/null
if [ -L "$f" ]; then b link "$k"; [ "$r" ] && return 0; elif [ "$k" ]; then b device "$k"; fi
if ! [ -f "$f" ]; then m odd; return 0; fi
if ! [ -r "$f" ]; then m unreadable; return 0; fi
case $1 in *.bolt|*.sqlite|*.shada) m binary; return 0;; esac
if [ $t -gt @LARGEST_CONTAINER@ ]; then m skipped; return 0; fi
m text
w=0 z=end o=
while IFS= read -r l; do
w=$((w+${#l}+1))
if [ $w -gt @LARGEST_FILE@ ]; then z=cut l=; break; fi
o=$o$l$N
if [ ${#o} -gt 2047 ]; then printf '%s' "$o"; o=; fi
done <"$f"
printf '%s%s\n' "$o" "$l"
t=$((t+w))
m $z
}
c() {
f=$r$1
[ -f "$f" ] && [ -r "$f" ] || return 0
[ "$r" ] && [ -L "$f" ] && return 0
i=0 o=
while IFS= read -r l || [ "$l" ]; do
i=$((i+1))
[ $i -gt 9999 ] && break
case $l in *HIST*|*history*|*PROMPT_COMMAND*|*BASH_ENV*) ;; *) continue;; esac
if ! [ $o ]; then b path "$1"; m rc; o=1; fi
printf '%s %s\n' $i "$l"
case $l in *HISTFILE=*) v=${l#*HISTFILE=};; *_HISTORY=*) v=${l#*_HISTORY=};; *) continue;; esac
v=${v#[\"\']}
v=${v%%[\"\' ;]*}
case $v in '~/'*|'$HOME/'*|'${HOME}/'*|'${ZDOTDIR:-$HOME}/'*) v=$2/${v#*/};; esac
case $v in /dev/*) ;; /*) x=$x$N$v;; esac
done <"$f"
[ $o ] && m end
}
h() {
set -- "$1" "${2%/}"
case $q in *"$N$2$N"*) return 0;; esac
q=$q$N$2$N
[ -d "$r$2/" ] || return 0
b user "$1"
if ! [ -x "$r$2/" ]; then b path "$2/"; m closed; return 0; fi
set -f
for g in @HOME_FILES@; do set +f; for f in "$r$2"/$g; do e "${f#"$r"}"; done; done
for g in @HOME_RC_FILES@; do c "$2/$g" "$2"; done
y
}
y() {
set -f
IFS=$N
for v in $x; do e "$v"; done
unset IFS
x=
}
m begin
if [ "$2" ]; then
for p in /proc/[0-9]*; do
while read -r l; do case $l in *"$2"*) r=$p/root; break 2;; esac; done <$p/cgroup
done 2>/dev/null
if ! [ "$r" ]; then m lost; elif ! [ -x "$r/" ]; then m shut; r=; fi
else
for v in @VARIABLES@; do eval "[ \"\${$v+1}\" ] && b env \"$v=\$$v\""; done
case $HISTFILE in /dev/*) ;; /*) e "$HISTFILE";; esac
fi
unset HISTFILE
if [ "$r" ] || ! [ "$2" ]; then
if [ -r "$r/etc/passwd" ]; then
while IFS=: read -r u p i g j d k; do [ "$d" ] && h "$u" "$d"; done <"$r/etc/passwd"
fi
[ "$2" ] || h - "$HOME"
set -f
for g in @MORE_HOMES@; do set +f; for d in "$r"$g; do h - "${d#"$r"}"; done; done
b user -
set -f
for g in @RC_FILES@; do set +f; for d in "$r"$g; do c "${d#"$r"}" "$HOME"; done; done
y
fi
m done
if [ "$3" ]; then
set +f
for p in /proc/[0-9]*; do
l=
IFS= read -r l <$p/environ
case $l in *@DEBUG_NAME@="$3"*) [ $p = /proc/$$ ] || kill ${p#/proc/};; esac
done 2>/dev/null
fi
"#;
