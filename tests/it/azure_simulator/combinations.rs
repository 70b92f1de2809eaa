//! Provisioning twice changes nothing the second time, whatever was asked for.

use forensys::provision::{Given, Ingestion, PrivateLink, Settings, TablePlan, TableSettings, deployment::Deployment};

use super::{client::settings, deployments::Scene};

/// Combinations, of 32, in which the retention or plan of other people's tables would change without leave.
const BLOCKED: usize = 6;
/// With private link, their workspace would be closed, too.
const BLOCKED_CLOSED: usize = 12;

/// What of somebody else's is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theirs {
    Nothing,
    Workspace,
    WorkspaceAndEndpoint,
    Everything,
}

/// A combination of options.
#[derive(Clone, Debug)]
struct Combination {
    ingestion: Ingestion,
    /// Whether there is a private link, and whether it has a subnet.
    link: Option<bool>,
    tables: TableSettings,
    theirs: Theirs,
    adopt: bool,
    transform: bool,
    publisher: bool,
}

fn table_settings() -> [TableSettings; 4] {
    let days = |plan, retention, total_retention| TableSettings { plan, retention, total_retention };
    [
        TableSettings::default(),
        days(Some(TablePlan::Analytics), Some(90), Some(1095)),
        days(Some(TablePlan::Basic), None, Some(365)),
        days(None, Some(-1), Some(-1)),
    ]
}

/// Every combination of a way in with the other options; transformations and roles take turns.
fn combinations(ingestion: Ingestion, link: Option<bool>) -> Vec<Combination> {
    let mut all = Vec::new();
    for tables in table_settings() {
        for theirs in [Theirs::Nothing, Theirs::Workspace, Theirs::WorkspaceAndEndpoint, Theirs::Everything] {
            for adopt in [false, true] {
                let number = all.len();
                let (transform, publisher) = (number % 3 == 1, number % 5 != 4);
                let tables = tables.clone();
                all.push(Combination { ingestion, link, tables, theirs, adopt, transform, publisher });
            }
        }
    }
    all
}

impl Combination {
    fn settings(&self, scene: &Scene, usual: Settings, theirs: &Settings) -> Settings {
        let subnet = format!("{}/providers/Microsoft.Network/virtualNetworks/v/subnets/s", usual.resource_group_id());
        let link = |with_subnet: bool| PrivateLink {
            scope: "ampls".to_owned(),
            subnet: with_subnet.then_some(subnet),
            zones: scene.arm.cloud().private_dns_zones.clone(),
        };
        let uses = |least: &[Theirs]| least.contains(&self.theirs);
        let rules = scene.tables.iter().map(|table| (table.name.to_owned(), theirs.rule_id(table.name)));
        let given = Given {
            workspace: (self.theirs != Theirs::Nothing).then(|| theirs.workspace_id()),
            endpoint: uses(&[Theirs::WorkspaceAndEndpoint, Theirs::Everything]).then(|| theirs.endpoint_id()),
            rules: rules.filter(|_| uses(&[Theirs::Everything])).collect(),
        };
        let transforms = scene.tables.iter().take(usize::from(self.transform));
        Settings {
            ingestion: self.ingestion,
            private_link: self.link.map(link),
            tables: self.tables.clone(),
            given,
            adopt: self.adopt,
            transforms: transforms.map(|table| (table.name.to_owned(), "source".to_owned())).collect(),
            publisher: usual.publisher.clone().filter(|_| self.publisher),
            ..usual
        }
    }
}

/// Plays all combinations of a way in, each in resource groups of its own; returns how many would change what others made.
async fn play(ingestion: Ingestion, link: Option<bool>) -> usize {
    let scene = Scene::new(settings()).await;
    let mut blocked = 0;
    for (number, combination) in combinations(ingestion, link).into_iter().enumerate() {
        let usual = Settings { resource_group: format!("rg-{number}"), ..scene.wanted() };
        let theirs = Settings { resource_group: format!("soc-{number}"), ..scene.wanted() };
        if combination.theirs != Theirs::Nothing {
            scene.provision(&theirs).await.unwrap();
            fs_err::remove_file(scene.file()).unwrap();
        }
        let wanted = combination.settings(&scene, usual, &theirs);
        if let Err(error) = scene.provision(&wanted).await {
            let why = format!("{error:#}");
            assert!(why.contains("was not made here") && !combination.adopt, "{combination:?}: {why}");
            assert!(!scene.file().exists(), "{combination:?}: nothing was changed");
            blocked += 1;
            continue;
        }
        let recorded = Deployment::read(&scene.file()).unwrap();
        assert_eq!(scene.changes(&wanted).await, [""; 0], "{combination:?}");
        scene.provision(&wanted).await.unwrap();
        assert_eq!(Deployment::read(&scene.file()).unwrap(), recorded, "{combination:?}");
        // What was adopted stays so: the next change needs no flag.
        let unasked = Settings { adopt: false, ..wanted };
        assert_eq!(scene.changes(&unasked).await, [""; 0], "{combination:?}");
        fs_err::remove_file(scene.file()).unwrap();
    }
    blocked
}

#[tokio::test]
async fn through_an_endpoint_the_second_time_changes_nothing() {
    assert_eq!(play(Ingestion::Dce, None).await, BLOCKED);
}

#[tokio::test]
async fn through_a_private_link_the_second_time_changes_nothing() {
    assert_eq!(play(Ingestion::Dce, Some(false)).await, BLOCKED_CLOSED);
}

#[tokio::test]
async fn with_a_private_endpoint_the_second_time_changes_nothing() {
    assert_eq!(play(Ingestion::Dce, Some(true)).await, BLOCKED_CLOSED);
}

#[tokio::test]
async fn through_rules_of_kind_direct_the_second_time_changes_nothing() {
    assert_eq!(play(Ingestion::Direct, None).await, BLOCKED);
}
