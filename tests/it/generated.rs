//! Files that follow from the declarations are what the declarations say, and the commands of README.md exist.

use std::path::PathBuf;

use clap::Parser as _;
use forensys::{cli::Cli, cluster::Level, reference};

const AGAIN: &str = "write the generated files anew: FORENSYS_REGENERATE=1 cargo test --test it generated";

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn regenerate() -> bool {
    std::env::var_os("FORENSYS_REGENERATE").is_some()
}

fn is_fresh(path: &str, wanted: &str) {
    let path = root().join(path);
    if regenerate() {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, wanted).unwrap();
    }
    let found = fs_err::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{} is stale; {AGAIN}", path.display());
}

/// README.md with the text between two markers replaced.
fn with_section(readme: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end: {name} -->\n"));
    let (head, rest) = readme.split_once(&begin).unwrap_or_else(|| panic!("README.md has no {begin}"));
    let (_, tail) = rest.split_once(&end).unwrap_or_else(|| panic!("README.md has no {end}"));
    format!("{head}{begin}{text}{end}{tail}")
}

#[test]
fn generated_files_are_fresh() {
    is_fresh("plugin/schema.json", &reference::schema());
    is_fresh("plugin/azure/custom-role.json", &reference::custom_role());
    is_fresh("plugin/azure/operations.md", &reference::azure_operations());
    for level in Level::ALL {
        is_fresh(&format!("plugin/rbac/{}.yaml", level.name()), &reference::level_role(level));
    }
    is_fresh("plugin/rbac/namespace.yaml", &reference::namespace_role());
    let sections = [
        ("tables", reference::tables()),
        ("cluster rights", reference::cluster_rights()),
        ("azure rights", reference::azure_rights()),
    ];
    let readme = fs_err::read_to_string(root().join("README.md")).unwrap();
    let wanted = sections.iter().fold(readme, |text, (name, section)| with_section(&text, name, section));
    is_fresh("README.md", &wanted);
}

/// The verbs of a role, as `VERB RESOURCE`.
fn granted(role: &str) -> Vec<String> {
    let role: serde_json::Value = serde_saphyr::from_str(role).unwrap();
    let mut granted = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        assert_eq!(rule["resources"].as_array().unwrap().len(), 1);
        let resource = rule["resources"][0].as_str().unwrap();
        granted.extend(
            rule["verbs"].as_array().unwrap().iter().map(|verb| format!("{} {resource}", verb.as_str().unwrap())),
        );
    }
    granted
}

#[test]
fn roles_hold_what_their_level_needs_and_nothing_else() {
    let core = granted(&reference::level_role(Level::Core));
    assert!(core.contains(&"watch events".to_owned()) && core.contains(&"get pods/log".to_owned()));
    for right in &core {
        let verb = right.split(' ').next().unwrap();
        assert!(["get", "list", "watch"].contains(&verb), "{right} is no read");
        assert!(!right.contains("secrets") && !right.contains('*') && !right.contains("proxy"), "{right}");
    }
    assert_eq!(granted(&reference::level_role(Level::Exec)), ["get pods/exec", "create pods/exec"]);
    assert_eq!(granted(&reference::level_role(Level::NodeLogs)), ["get nodes/proxy"]);
    assert_eq!(
        granted(&reference::level_role(Level::DebugContainer)),
        ["get pods", "patch pods/ephemeralcontainers", "get pods/exec", "create pods/exec"]
    );
    let namespace = granted(&reference::namespace_role());
    assert!(namespace.contains(&"create pods/exec".to_owned()));
    assert!(!namespace.iter().any(|right| right.contains("nodes") || right.contains("clusterrole")), "{namespace:?}");
}

#[test]
fn every_command_of_the_readme_can_be_given() {
    let readme = fs_err::read_to_string(root().join("README.md")).unwrap();
    let mut commands = 0;
    for line in readme.lines() {
        let line = line.trim().replace("cargo run --release -- ", "kubectl forensys ");
        let Some(arguments) = line.strip_prefix("kubectl forensys ") else { continue };
        let arguments = arguments.split(" #").next().unwrap().split_whitespace().filter(|word| *word != "\\");
        commands += 1;
        if let Err(error) = Cli::try_parse_from(std::iter::once("kubectl-forensys").chain(arguments)) {
            assert!(!error.use_stderr(), "`{line}`: {error}");
        }
    }
    assert!(commands > 10, "README.md shows {commands} commands");
}
