//! The same for containers that have PowerShell instead: Windows, and Linux images with `pwsh` alone.
//!
//! Files are read as bytes and printed in base64, NUL bytes included, in the frames of [`history_frames`](super::history_frames). No
//! profile is run, and no history is written: PSReadLine is not loaded in a session without a terminal. The script holds no quotation
//! mark, so that Windows' rules for command lines cannot change it. `cmd.exe` keeps no history: where only that is, there is none to read.
//!
//! Not measured on a Windows node.

use super::history_script::{HOME_FILES, LARGEST_FILE, MARKER};

/// Shells of Windows containers, in the order in which they are tried.
pub const WINDOWS_SHELLS: &[&str] = &["powershell.exe", "pwsh.exe"];

/// Where PowerShell lies in Linux images.
pub const LINUX_SHELL: &str = "/usr/bin/pwsh";

/// Homes on Windows, those of services included.
const WINDOWS_HOMES: &[&str] = &[
    r"C:\Users\*",
    r"C:\Windows\System32\config\systemprofile",
    r"C:\Windows\SysWOW64\config\systemprofile",
    r"C:\Windows\ServiceProfiles\*",
];

/// History files below a home on Windows: PSReadLine writes one for each host program.
const WINDOWS_FILES: &[&str] = &[
    r"AppData\Roaming\Microsoft\Windows\PowerShell\PSReadLine\*_history.txt*",
    ".bash_history",
    ".python_history",
    ".node_repl_history",
    "_viminfo",
];

const LINUX_HOMES: &[&str] = &["/root", "/home/*", "/", "/tmp", "/app", "/workspace"];

/// Whether a shell is PowerShell.
pub fn is_powershell(shell: &str) -> bool {
    let name = shell.rsplit('/').next().unwrap_or(shell);
    matches!(name.trim_end_matches(".exe"), "powershell" | "pwsh")
}

/// The arguments of the exec.
pub fn command(shell: &str, nonce: &str) -> Vec<String> {
    [shell, "-NoProfile", "-NonInteractive", "-Command", &script(nonce)].map(str::to_owned).to_vec()
}

fn script(nonce: &str) -> String {
    TEXT.lines()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("@MARKER@", MARKER)
        .replace("@NONCE@", nonce)
        .replace("@LARGEST_FILE@", &LARGEST_FILE.to_string())
        .replace("@WINDOWS_HOMES@", &quoted(WINDOWS_HOMES))
        .replace("@WINDOWS_FILES@", &quoted(WINDOWS_FILES))
        .replace("@LINUX_HOMES@", &quoted(LINUX_HOMES))
        .replace("@LINUX_FILES@", &quoted(HOME_FILES))
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(",")
}

/// `W` prints text, `M` a mark, `B` a mark with its text.
const TEXT: &str = r"$m='@MARKER@'; $n='@NONCE@'; $l=[string][char]10; $ErrorActionPreference='SilentlyContinue';
$o=[Console]::OpenStandardOutput();
function W($s) { $b=[Text.Encoding]::UTF8.GetBytes($s); $o.Write($b,0,$b.Length) };
function M($s) { W ($n+' '+$s+$l) };
function B($s,$t) { M $s; W ($t+$l) };
M 'begin';
if ($env:OS -eq 'Windows_NT') { $h=@WINDOWS_HOMES@; $f=@WINDOWS_FILES@ }
else { $h=@LINUX_HOMES@; $f=@LINUX_FILES@ };
foreach ($d in @(Get-Item -Force -Path $h)) {
if (-not $d.PSIsContainer) { continue };
B 'user' $d.Name;
$r=[Management.Automation.WildcardPattern]::Escape($d.FullName);
foreach ($p in $f) { foreach ($i in @(Get-Item -Force -Path (Join-Path $r $p))) {
if ($null -eq $i) { continue };
B 'path' $i.FullName;
if ($i.LinkType) { B 'link' ([string]$i.Target) };
if ($i.PSIsContainer) { M 'odd'; continue };
$s=$null;
try { $s=[IO.File]::Open($i.FullName,'Open','Read','ReadWrite,Delete') } catch { M 'unreadable'; continue };
$z=[int][Math]::Min($s.Length,@LARGEST_FILE@); $b=New-Object byte[] $z; $k=0;
while ($k -lt $z) { $c=$s.Read($b,$k,$z-$k); if ($c -le 0) { break }; $k+=$c };
B 'b64' ([Convert]::ToBase64String($b,0,$k));
if ($s.Length -gt $z) { M 'cut' } else { M 'end' };
$s.Close() } } };
M 'done'; $o.Flush()";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_script_can_be_changed_by_the_rules_of_a_command_line() {
        let command = command("powershell.exe", "01NONCE");
        assert_eq!(command[..4], ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command"]);
        let script = &command[4];
        assert!(!script.contains(['"', '\n']), "{script}");
        assert!(script.len() < 32_000, "CreateProcess takes no longer command line: {}", script.len());
        assert!(script.contains("$n='01NONCE'") && script.contains(MARKER));
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            let count = |sign| script.chars().filter(|&found| found == sign).count();
            assert_eq!(count(open), count(close), "{open}{close}");
        }
        assert_eq!(script.matches('\'').count() % 2, 0);
    }

    #[test]
    fn powershell_is_known_by_its_names() {
        for shell in WINDOWS_SHELLS.iter().chain([&LINUX_SHELL]) {
            assert!(is_powershell(shell), "{shell}");
        }
        assert!(!is_powershell("/bin/sh") && !is_powershell("bash"));
    }

    #[test]
    fn every_profile_is_looked_into() {
        let script = script("n");
        for part in [r"C:\Users\*", r"SysWOW64\config\systemprofile", "_history.txt*", "ToBase64String", "/home/*"] {
            assert!(script.contains(part), "{part}");
        }
    }
}
