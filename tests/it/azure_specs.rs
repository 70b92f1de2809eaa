//! What `provision --emit` writes, against Microsoft's definitions: ARM templates against the JSON schemas of their resource
//! types, Bicep against the types that the Bicep compiler itself is built with.
//!
//! The definitions are not part of this repository. The variable FORENSYS_AZURE_SPECS names a folder that holds (parts of)
//! Azure/azure-resource-manager-schemas and Azure/bicep-types-az; without it, `../shared/azure-specs` beside the checkout is
//! taken if it is there. Where there is neither, these tests say that they were skipped.
#![allow(clippy::print_stderr, reason = "whoever reads the results has to see that these were skipped")]

mod bicep;
pub(crate) mod template;

use std::path::{Path, PathBuf};

use forensys::{
    azure::Cloud,
    evidence::registry,
    provision::{
        Existing, Ingestion, Plan, Principal, PrivateLink, Settings, TablePlan, TableSettings, deployment::Deployment,
        plan,
    },
};
use serde_json::Value;

/// The folder with the definitions.
pub(crate) fn specs() -> Option<PathBuf> {
    let beside =
        || Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/azure-specs")).filter(|path| path.is_dir());
    let folder = std::env::var_os("FORENSYS_AZURE_SPECS").map(PathBuf::from).or_else(beside);
    if folder.is_none() {
        eprintln!("skipped: FORENSYS_AZURE_SPECS names no folder with Microsoft's definitions");
    }
    folder
}

/// Every file of that name or ending below the folder.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

pub(crate) fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
}

/// Plans that together hold every kind of resource and every option that shows in a body.
fn plans() -> Vec<Plan> {
    let subscription = "11111111-1111-1111-1111-111111111111";
    let plain = Settings {
        subscription: subscription.to_owned(),
        resource_group: "ir-rg".to_owned(),
        create_resource_group: true,
        workspace: "forensys".to_owned(),
        endpoint: "forensys-dce".to_owned(),
        location: Some("westeurope".to_owned()),
        publisher: Some(Principal { id: subscription.to_owned(), kind: Some("ServicePrincipal".to_owned()) }),
        ..Settings::default()
    };
    let query = "source | where message contains 'x'".to_owned();
    let direct = Settings {
        ingestion: Ingestion::Direct,
        tables: TableSettings { plan: Some(TablePlan::Basic), retention: None, total_retention: Some(365) },
        transforms: [("kubelogs_CL".to_owned(), query)].into(),
        ..plain.clone()
    };
    let subnet = format!(
        "/subscriptions/{subscription}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
    );
    let private = Settings {
        private_link: Some(PrivateLink {
            scope: "forensys-ampls".to_owned(),
            subnet: Some(subnet),
            zones: Cloud::open("public").unwrap().private_dns_zones,
        }),
        tables: TableSettings { plan: None, retention: Some(90), total_retention: Some(-1) },
        ..plain.clone()
    };
    let tables = registry::tables();
    let of = |settings: &Settings| plan(settings, &tables, &Existing::default(), &Deployment::default()).unwrap();
    [&plain, &direct, &private].map(of).into()
}
