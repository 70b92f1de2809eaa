//! The plugin's package: krew's rules for the manifest, and the archive as a user gets it.
//!
//! The rules are those of krew's plugin manifest documentation and of the validator that its index runs.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));
const ADDRESS: &str = "https://example.com/releases";

/// Systems and processors that the index's validator knows.
const KNOWN_PLATFORMS: &[&str] = &[
    "windows/386",
    "windows/amd64",
    "windows/arm64",
    "linux/386",
    "linux/amd64",
    "linux/arm",
    "linux/arm64",
    "linux/ppc64le",
    "darwin/386",
    "darwin/amd64",
    "darwin/arm64",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn package(dist: &Path, arguments: &[&str]) -> Output {
    Command::new("bash")
        .arg(root().join("plugin/package"))
        .args(arguments)
        .env("FORENSYS_DIST", dist)
        .output()
        .expect("bash runs")
}

fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn parsed(path: &Path) -> Value {
    serde_saphyr::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

fn platforms(manifest: &Value) -> Vec<(String, &Value)> {
    let platforms = manifest["spec"]["platforms"].as_array().unwrap().iter();
    platforms
        .map(|platform| {
            let selector = platform["selector"]["matchLabels"].as_object().unwrap();
            assert_eq!(selector.keys().map(String::as_str).collect::<Vec<_>>(), ["arch", "os"]);
            let word = |key: &str| selector[key].as_str().unwrap();
            (format!("{}/{}", word("os"), word("arch")), platform)
        })
        .collect()
}

/// The rules that hold before and after rendering.
fn check_rules(manifest: &Value) {
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(manifest["kind"], "Plugin");
    let name = manifest["metadata"]["name"].as_str().unwrap();
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !name.starts_with("kube"), "{name}");
    let spec = &manifest["spec"];
    let short = spec["shortDescription"].as_str().unwrap();
    assert!(short.len() <= 50 && !short.ends_with('.') && !short.contains('\n'), "{short}");
    let description = spec["description"].as_str().unwrap();
    assert!(description.lines().all(|line| line.len() <= 80), "{description}");
    assert!(!description.contains("kubectl forensys"), "the description holds no examples of use");
    let mut seen = Vec::new();
    for (platform, entry) in platforms(manifest) {
        assert!(KNOWN_PLATFORMS.contains(&platform.as_str()), "{platform}");
        assert!(!seen.contains(&platform), "{platform} stands twice");
        assert!(entry.get("files").is_none(), "krew's advice is to leave `files` out");
        let bin = entry["bin"].as_str().unwrap();
        assert_eq!(bin, if platform.starts_with("windows/") { "kubectl-forensys.exe" } else { "kubectl-forensys" });
        let uri = entry["uri"].as_str().unwrap();
        assert!(uri.ends_with(".tar.gz") || uri.ends_with(".zip"), "{uri}");
        seen.push(platform);
    }
}

fn sha256(path: &Path) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(fs_err::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_template_keeps_krews_rules_and_serves_the_usual_platforms() {
    let manifest = parsed(&root().join("krew-manifest.yaml"));
    check_rules(&manifest);
    let served: Vec<_> = platforms(&manifest).into_iter().map(|(platform, _)| platform).collect();
    assert_eq!(served, ["linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64"]);
}

#[cfg(unix)]
#[test]
fn the_rendered_manifest_has_real_digests_of_the_archives_there_are() {
    let dist = tempfile::tempdir().unwrap();
    for (platform, content) in [("linux_amd64", "one"), ("darwin_arm64", "two")] {
        fs_err::write(dist.path().join(format!("kubectl-forensys_v1.2.3_{platform}.tar.gz")), content).unwrap();
    }
    let rendered = succeeded(package(dist.path(), &["manifest", "v1.2.3", ADDRESS, "https://example.com"]));
    let manifest = parsed(Path::new(&rendered));
    check_rules(&manifest);
    assert_eq!(manifest["spec"]["version"], "v1.2.3");
    assert_eq!(manifest["spec"]["homepage"], "https://example.com");
    let platforms = platforms(&manifest);
    let served: Vec<_> = platforms.iter().map(|(platform, _)| platform.as_str()).collect();
    assert_eq!(served, ["linux/amd64", "darwin/arm64"]);
    for (platform, entry) in &platforms {
        let file = format!("kubectl-forensys_v1.2.3_{}.tar.gz", platform.replace('/', "_"));
        assert_eq!(entry["uri"], format!("{ADDRESS}/{file}"));
        assert_eq!(entry["sha256"], sha256(&dist.path().join(file)));
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_packaged_is_refused_with_the_reason() {
    let dist = tempfile::tempdir().unwrap();
    for (arguments, reason) in [
        (&["archive", "v99.0.0", "--binary", "/bin/sh"][..], "Cargo.toml says version"),
        (&["archive", "1.2.3"], "a version looks like v1.2.3"),
        (&["manifest", "v1.2.3", "http://example.com"], "krew downloads over https"),
        (&["manifest", "v1.2.3", ADDRESS], "no archive of v1.2.3"),
        (&["archive", VERSION, "--target", "x86_64-unknown-freebsd"], "krew has no name for the system"),
    ] {
        let output = package(dist.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(reason), "{arguments:?}: {said}");
    }
    assert_eq!(fs_err::read_dir(dist.path()).unwrap().count(), 0);
}

/// Packs a program and unpacks it as krew does; returns the folder.
#[cfg(unix)]
fn unpacked(dist: &Path, binary: &str) -> PathBuf {
    let archive = succeeded(package(dist, &["archive", VERSION, "--binary", binary]));
    let installed = dist.join("installed");
    fs_err::create_dir(&installed).unwrap();
    let tar = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&installed).output().unwrap();
    succeeded(tar);
    installed
}

#[cfg(unix)]
#[test]
fn the_archive_holds_the_program_and_its_licence() {
    let dist = tempfile::tempdir().unwrap();
    let program = dist.path().join("program");
    fs_err::write(&program, "#!/bin/sh\necho packed\n").unwrap();
    let installed = unpacked(dist.path(), program.to_str().unwrap());
    let licence = fs_err::read_to_string(installed.join("LICENSE")).unwrap();
    assert!(licence.contains("Apache License"));
    assert_eq!(succeeded(Command::new(installed.join("kubectl-forensys")).output().unwrap()), "packed");
}

#[cfg(unix)]
#[test]
#[ignore = "needs kubectl on the PATH; run by tests/cluster/run"]
fn kubectl_finds_the_unpacked_plugin_and_hands_over_its_exit_code() {
    let dist = tempfile::tempdir().unwrap();
    let installed = unpacked(dist.path(), env!("CARGO_BIN_EXE_kubectl-forensys"));
    let path = format!("{}:{}", installed.display(), std::env::var("PATH").unwrap());
    let kubectl = |arguments: &[&str]| Command::new("kubectl").args(arguments).env("PATH", &path).output().unwrap();
    assert!(succeeded(kubectl(&["plugin", "list"])).contains("kubectl-forensys"));
    let help = succeeded(kubectl(&["forensys", "--help"]));
    assert!(help.contains("kubectl forensys"), "{help}");
    assert_eq!(kubectl(&["forensys", "--no-such-flag"]).status.code(), Some(2));
}
