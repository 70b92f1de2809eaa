//! The script in every shell that this machine has, in homes as an intruder leaves them.

use std::{
    ffi::OsString,
    os::unix::{ffi::OsStringExt as _, fs::symlink},
    path::Path,
    process::Command,
    sync::LazyLock,
};

use proptest::prelude::*;

use super::*;
use crate::cluster::history_script;

/// A shell under one of the names that it is called by, in a folder of its own.
struct Shell {
    name: &'static str,
    program: String,
    before: Vec<&'static str>,
}

/// bash, bash as sh, dash and busybox, as far as they are there.
static SHELLS: LazyLock<Vec<Shell>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap().keep();
    symlink("/bin/bash", folder.join("sh")).unwrap();
    let bash_as_sh = folder.join("sh").to_string_lossy().into_owned();
    let all = [
        ("bash", "/bin/bash".to_owned(), vec![]),
        ("bash as sh", bash_as_sh, vec![]),
        ("sh", "/bin/sh".to_owned(), vec![]),
        ("dash", "/bin/dash".to_owned(), vec![]),
        ("busybox", "/bin/busybox".to_owned(), vec!["sh"]),
    ];
    let shells = all.into_iter().map(|(name, program, before)| Shell { name, program, before });
    let found: Vec<_> = shells.filter(|shell| Path::new(&shell.program).exists()).collect();
    assert!(found.len() >= 3, "bash and sh are needed");
    found
});

impl Shell {
    /// Runs the script and returns the frames about a home, which are all those whose path lies below it.
    fn frames(&self, home: &Path, environment: &[(&str, &str)]) -> Vec<Frame> {
        let command = history_script::command(&self.program, "n0");
        let output = Command::new(&command[0])
            .args(&self.before)
            .args(&command[1..])
            .env("HOME", home)
            .envs(environment.iter().copied())
            .current_dir(home)
            .output()
            .unwrap();
        let (frames, decoder) = decode(&output.stdout, 4096);
        assert!(decoder.is_whole(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        let home = home.to_string_lossy();
        let is_about = |frame: &Frame| match frame {
            Frame::Variable(_) => true,
            Frame::File(file) => file.path.starts_with(&*home),
            Frame::Lines { path, .. } => path.starts_with(&*home),
        };
        frames.into_iter().filter(is_about).collect()
    }
}

/// The bytes of a home's file.
fn bytes(frames: &[Frame], name: &str) -> Option<Vec<u8>> {
    frames.iter().find_map(|frame| match frame {
        Frame::File(HistoryFile { path, content: Content::Bytes(bytes, true), .. }) if path.ends_with(name) => {
            Some(bytes.clone())
        }
        _ => None,
    })
}

fn found(frames: &[Frame], name: &str) -> Option<HistoryFile> {
    frames.iter().find_map(|frame| match frame {
        Frame::File(file) if file.path.ends_with(name) => Some(file.clone()),
        _ => None,
    })
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs_err::write(home.path().join(".bash_history"), b"#1700000000\nid -a\\\n\xff last").unwrap();
    home
}

/// What [`home`] holds comes back although the environment is hostile.
fn reads_in_spite_of(environment: &[(&str, &str)]) {
    let home = home();
    for shell in SHELLS.iter() {
        let content = bytes(&shell.frames(home.path(), environment), ".bash_history");
        assert_eq!(content.as_deref(), Some(&b"#1700000000\nid -a\\\n\xff last"[..]), "{}", shell.name);
    }
}

#[test]
fn exported_functions_do_not_hijack_the_reader() {
    reads_in_spite_of(&[
        ("BASH_FUNC_printf%%", "() { builtin printf hijacked; }"),
        ("BASH_FUNC_read%%", "() { return 1; }"),
        ("BASH_FUNC_[%%", "() { return 1; }"),
        ("BASH_FUNC_unset%%", "() { builtin printf hijacked; }"),
        ("BASH_FUNC_set%%", "() { builtin printf hijacked; }"),
    ]);
}

#[test]
fn bash_env_is_not_run() {
    let trap = tempfile::tempdir().unwrap();
    let (script, mark) = (trap.path().join("env"), trap.path().join("ran"));
    fs_err::write(&script, format!("echo >{}\n", mark.display())).unwrap();
    let script = script.to_string_lossy().into_owned();
    reads_in_spite_of(&[("BASH_ENV", &script), ("ENV", &script)]);
    assert!(!mark.exists(), "code of the container's author ran");
}

#[test]
fn options_from_the_environment_do_not_hide_files() {
    reads_in_spite_of(&[
        ("GLOBIGNORE", "*"),
        ("SHELLOPTS", "noglob:nounset:errexit"),
        ("BASHOPTS", "failglob:nullglob"),
        ("IFS", "/"),
    ]);
}

#[test]
fn only_builtins_are_needed_and_nothing_is_written() {
    let home = home();
    for shell in SHELLS.iter() {
        let content = bytes(&shell.frames(home.path(), &[("PATH", "/nowhere")]), ".bash_history");
        assert!(content.is_some(), "{}", shell.name);
    }
    let left: Vec<_> = fs_err::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".bash_history"]);
}

#[test]
fn sh_is_not_called_with_p_which_busybox_refuses() {
    for shell in history_script::SHELLS {
        let has_p = history_script::command(shell, "n0").contains(&"-p".to_owned());
        assert_eq!(has_p, *shell == "/bin/bash", "{shell}");
    }
}

#[test]
fn the_script_fits_into_the_address_of_a_request() {
    let script = &history_script::command("/bin/sh", "n0")[2];
    let encoded: String = url::form_urlencoded::byte_serialize(script.as_bytes()).collect();
    assert!(encoded.len() < 7 * 1024, "proxies take 8 KiB: {}", encoded.len());
    assert!(script.starts_with("unset -f "), "the guard stays the first statement");
}

#[test]
fn a_missing_final_newline_and_control_bytes_are_kept() {
    let content = b"\x81\x82\x83\xa9\x88\xff\t-n\n-e %s \\c\n\x1b[2J\r\nlast";
    let home = home();
    fs_err::write(home.path().join(".zsh_history"), content).unwrap();
    for shell in SHELLS.iter() {
        assert_eq!(
            bytes(&shell.frames(home.path(), &[]), ".zsh_history").as_deref(),
            Some(&content[..]),
            "{}",
            shell.name
        );
    }
}

#[test]
fn content_that_imitates_a_frame_does_not_end_it() {
    let content = b"N1 end\nforensys end\nn0\nn0end\n";
    let home = home();
    fs_err::write(home.path().join(".zsh_history"), content).unwrap();
    for shell in SHELLS.iter() {
        assert_eq!(bytes(&shell.frames(home.path(), &[]), ".zsh_history").as_deref(), Some(&content[..]));
    }
}

#[test]
fn nul_bytes_are_lost_and_databases_are_named_without_being_read() {
    let home = home();
    fs_err::write(home.path().join(".python_history"), b"a\0b\n").unwrap();
    fs_err::create_dir_all(home.path().join(".local/share/elvish")).unwrap();
    fs_err::write(home.path().join(".local/share/elvish/db.bolt"), b"\0\0").unwrap();
    for shell in SHELLS.iter() {
        let frames = shell.frames(home.path(), &[]);
        assert_eq!(bytes(&frames, ".python_history").as_deref(), Some(&b"ab\n"[..]), "{}", shell.name);
        assert_eq!(found(&frames, "db.bolt").map(|file| file.content), Some(Content::Binary));
    }
}

#[test]
fn links_and_folders_in_the_place_of_a_history_are_named() {
    let home = home();
    symlink("/dev/null", home.path().join(".ash_history")).unwrap();
    symlink(".bash_history", home.path().join(".zsh_history")).unwrap();
    symlink("/nowhere/at/all", home.path().join(".mysql_history")).unwrap();
    fs_err::create_dir(home.path().join(".psql_history")).unwrap();
    for shell in SHELLS.iter() {
        let frames = shell.frames(home.path(), &[]);
        let seen = |name| found(&frames, name).map(|file| (file.link, file.content)).unwrap();
        assert_eq!(seen(".ash_history"), (Some("/dev/null".to_owned()), Content::Odd), "{}", shell.name);
        assert_eq!(seen(".mysql_history"), (Some(String::new()), Content::Odd), "{}", shell.name);
        assert_eq!(seen(".psql_history"), (None, Content::Odd), "{}", shell.name);
        let (link, content) = seen(".zsh_history");
        assert!(link.is_some() && matches!(content, Content::Bytes(..)), "its content is read all the same");
    }
}

#[test]
fn files_that_start_up_files_name_are_read_once() {
    let home = home();
    let rc = "# comment\nexport HISTFILE=\"$HOME/.hidden\"; x\nalias ll=ls\nHISTFILE=~/.bash_history\n unset HISTFILE";
    fs_err::write(home.path().join(".bashrc"), rc).unwrap();
    fs_err::write(home.path().join(".hidden"), "secret\n").unwrap();
    for shell in SHELLS.iter() {
        let frames = shell.frames(home.path(), &[]);
        assert_eq!(bytes(&frames, "/.hidden").as_deref(), Some(&b"secret\n"[..]), "{}", shell.name);
        let count = |name: &str| {
            frames.iter().filter(|frame| matches!(frame, Frame::File(file) if file.path.ends_with(name))).count()
        };
        assert_eq!(count("/.bash_history"), 1, "{}", shell.name);
        let lines = frames.iter().find_map(|frame| match frame {
            Frame::Lines { lines, .. } => Some(lines.iter().map(|(number, _)| *number).collect::<Vec<_>>()),
            _ => None,
        });
        assert_eq!(lines, Some(vec![2, 4, 5]), "{}", shell.name);
    }
}

#[test]
fn the_environment_of_the_image_is_told_and_followed() {
    let home = home();
    let hidden = home.path().join("elsewhere");
    fs_err::write(&hidden, "secret\n").unwrap();
    let hidden = hidden.to_string_lossy().into_owned();
    for shell in SHELLS.iter() {
        let frames = shell.frames(home.path(), &[("HISTFILE", &hidden), ("HISTSIZE", "0")]);
        assert!(frames.contains(&Frame::Variable("HISTSIZE=0".to_owned())), "{}", shell.name);
        assert!(frames.contains(&Frame::Variable(format!("HISTFILE={hidden}"))), "{}", shell.name);
        assert!(bytes(&frames, "/elsewhere").is_some(), "{}", shell.name);
    }
}

#[test]
fn a_file_beyond_the_limit_is_cut_and_says_so() {
    let home = home();
    let line = [b'x'; 1023];
    let mut content = Vec::new();
    while content.len() <= LARGEST_FILE {
        content.extend_from_slice(&line);
        content.push(b'\n');
    }
    fs_err::write(home.path().join(".zsh_history"), &content).unwrap();
    for shell in SHELLS.iter() {
        let file = found(&shell.frames(home.path(), &[]), ".zsh_history").unwrap();
        let Content::Bytes(read, is_whole) = file.content else { panic!("{}", shell.name) };
        assert!(!is_whole && read == content[..LARGEST_FILE], "{}: {} bytes", shell.name, read.len());
    }
}

#[test]
fn odd_names_of_homes_and_files_do_no_harm() {
    let outer = tempfile::tempdir().unwrap();
    let home = outer.path().join("a b\n*'\"$(touch x)");
    fs_err::create_dir(&home).unwrap();
    fs_err::write(home.join(".bash_history"), "id\n").unwrap();
    fs_err::write(home.join(OsString::from_vec(b".bash_history.\nn0 end\n\xff".to_vec())), "two\n").unwrap();
    for shell in SHELLS.iter() {
        let frames = shell.frames(&home, &[]);
        assert_eq!(frames.len(), 2, "{}: {frames:?}", shell.name);
        assert_eq!(bytes(&frames, ".bash_history").as_deref(), Some(&b"id\n"[..]), "{}", shell.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_of_a_file_come_back_through_script_and_frames(content: Vec<u8>) {
        let content: Vec<u8> = content.into_iter().filter(|&byte| byte != 0).collect();
        let home = tempfile::tempdir().unwrap();
        fs_err::write(home.path().join(".bash_history"), &content).unwrap();
        for shell in SHELLS.iter() {
            let read = bytes(&shell.frames(home.path(), &[]), ".bash_history");
            prop_assert_eq!(read.as_deref(), Some(content.as_slice()), "{}", shell.name);
        }
    }
}
