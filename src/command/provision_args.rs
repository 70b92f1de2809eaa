//! The flags that say what to provision, and the way from them to a plan that is carried out.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    azure::{Arm, AzureSession},
    evidence::registry,
    failure::Failure,
    provision::{
        self, Action, Given, Ingestion, Prepared, Principal, PrivateLink, Settings, Step, TablePlan, TableSettings,
        deployment::Deployment,
    },
    table::Table,
    ui::Printer,
};

/// Flags that say what to provision.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Azure Monitor")]
pub struct ProvisionArgs {
    /// Subscription id; not needed when there is only one
    #[arg(long, value_name = "ID", env = "AZURE_SUBSCRIPTION_ID")]
    pub subscription: Option<String>,
    /// Resource group
    #[arg(short = 'g', long, value_name = "NAME", env = "AZURE_RESOURCE_GROUP")]
    pub resource_group: Option<String>,
    /// Create the resource group when there is none
    #[arg(long)]
    pub create_resource_group: bool,
    /// Log Analytics workspace
    #[arg(long, alias = "workspace_name", value_name = "NAME", default_value = "forensys")]
    pub workspace_name: String,
    /// Data collection endpoint
    #[arg(long, alias = "dce_name", value_name = "NAME", default_value = "forensys-dce")]
    pub dce_name: String,
    /// Region [default: that of the workspace or resource group]
    #[arg(long, value_name = "REGION")]
    pub location: Option<String>,
    /// File that records what was made, and where upload finds the way
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    pub deployment: PathBuf,
    /// Only these tables (commas, or repeated)
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    pub tables: Vec<String>,
    /// Object id of who shall upload [default: whoever is signed in]
    #[arg(long, value_name = "ID", conflicts_with = "skip_role_assignment")]
    pub principal_id: Option<String>,
    /// Kind of that principal: User, Group or ServicePrincipal
    #[arg(long, value_name = "KIND", requires = "principal_id")]
    pub principal_type: Option<String>,
    /// Assign no role: somebody else gives whoever uploads Monitoring Metrics Publisher on the rules
    #[arg(long)]
    pub skip_role_assignment: bool,
    /// Use this workspace, wherever it is, instead of one of our own
    #[arg(long, value_name = "ID", conflicts_with = "workspace_name")]
    pub workspace_id: Option<String>,
    /// Use this data collection endpoint, wherever it is
    #[arg(long, value_name = "ID", conflicts_with = "dce_name")]
    pub dce_id: Option<String>,
    /// Use this data collection rule for a table, wherever it is (repeatable)
    #[arg(long, value_name = "TABLE=ID", value_parser = pair)]
    pub dcr: Vec<(String, String)>,
    /// Allow changing tables and rules that are there and were not made here
    #[arg(long)]
    pub adopt: bool,
    /// Where rows go in: one data collection endpoint, or an endpoint of each rule's own
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    pub endpoint: Ingestion,
    /// Plan of the tables [default: as they are, else analytics]
    #[arg(long, value_name = "PLAN", value_enum)]
    pub table_plan: Option<TablePlan>,
    /// Days for which rows can be queried at once; -1 for the workspace's setting
    #[arg(long, value_name = "DAYS", allow_hyphen_values = true)]
    pub retention: Option<i32>,
    /// Days for which rows are kept at all; -1 for no longer than that
    #[arg(long, value_name = "DAYS", allow_hyphen_values = true)]
    pub total_retention: Option<i32>,
    /// Pass the rows of a table through the KQL query in the file (repeatable)
    #[arg(long, value_name = "TABLE=FILE", value_parser = pair)]
    pub transform: Vec<(String, String)>,
    /// Take rows and queries from private networks only, over an Azure Monitor private link scope
    #[arg(long)]
    pub private_link: bool,
    /// Name of the private link scope
    #[arg(long, value_name = "NAME", default_value = "forensys-ampls", requires = "private_link")]
    pub private_link_scope: String,
    /// Give this subnet a private endpoint and DNS zones
    #[arg(long, value_name = "ID", requires = "private_link")]
    pub subnet_id: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(table, value)| !table.is_empty() && !value.is_empty());
    parts.map(|(table, value)| (table.to_owned(), value.to_owned())).ok_or_else(|| "write TABLE=VALUE".to_owned())
}

/// The table of that name, in any case.
fn table(name: &str) -> Result<&'static Table, Failure> {
    let all = registry::tables();
    all.iter().copied().find(|table| table.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|table| table.name).collect();
        Failure::usage(format!("there is no table {name}"), format!("tables: {}", names.join(", ")))
    })
}

impl ProvisionArgs {
    /// The tables that were named, or all.
    ///
    /// # Errors
    /// A table that there is not.
    pub fn tables(&self) -> Result<Vec<&'static Table>, Failure> {
        if self.tables.is_empty() {
            return Ok(registry::tables());
        }
        self.tables.iter().map(|name| table(name)).collect()
    }

    /// The settings, asking Azure for what was not given.
    ///
    /// # Errors
    /// Something needed is neither given nor known to Azure.
    pub async fn settings(&self, arm: &Arm) -> Result<Settings, Failure> {
        let transforms = self.transforms()?;
        let beside = |at: usize| self.workspace_id.as_deref().and_then(|id| id.split('/').nth(at)).map(str::to_owned);
        let resource_group = self.resource_group.clone().or_else(|| beside(4)).ok_or_else(|| {
            Failure::usage("the resource group is not given", "name it with -g, for example -g ir-rg")
        })?;
        let subscription = match self.subscription.clone().or_else(|| beside(2)) {
            Some(subscription) => subscription,
            None => provision::only_subscription(arm).await?,
        };
        let publisher = match &self.principal_id {
            _ if self.skip_role_assignment => None,
            Some(id) => Some(Principal { id: id.clone(), kind: self.principal_type.clone() }),
            None => Some(provision::caller(arm).await?),
        };
        Ok(Settings {
            subscription,
            resource_group,
            create_resource_group: self.create_resource_group,
            workspace: self.workspace_name.clone(),
            endpoint: self.dce_name.clone(),
            location: self.location.clone(),
            publisher,
            given: self.given()?,
            adopt: self.adopt,
            ingestion: self.endpoint,
            tables: TableSettings {
                plan: self.table_plan,
                retention: self.retention,
                total_retention: self.total_retention,
            },
            transforms,
            private_link: self.private_link.then(|| PrivateLink {
                scope: self.private_link_scope.clone(),
                subnet: self.subnet_id.clone(),
                zones: arm.cloud().private_dns_zones.clone(),
            }),
        })
    }

    fn given(&self) -> Result<Given, Failure> {
        let rule = |(name, id): &(String, String)| Ok((table(name)?.name.to_owned(), id.clone()));
        Ok(Given {
            workspace: self.workspace_id.clone(),
            endpoint: self.dce_id.clone(),
            rules: self.dcr.iter().map(rule).collect::<Result<_, Failure>>()?,
        })
    }

    fn transforms(&self) -> Result<BTreeMap<String, String>, Failure> {
        let read = |(name, file): &(String, String)| {
            let text = fs_err::read_to_string(Path::new(file)).map_err(|error| {
                Failure::new(error.to_string(), "name a file with the query after --transform TABLE=")
            })?;
            Ok((table(name)?.name.to_owned(), provision::one_line(&text)))
        };
        self.transform.iter().map(read).collect()
    }

    /// Looks at what is there and makes the plan. Changes nothing.
    ///
    /// # Errors
    /// As [`provision::prepare`].
    pub async fn prepare(&self, arm: &Arm) -> anyhow::Result<Prepared> {
        let tables = self.tables()?;
        provision::prepare(arm, self.settings(arm).await?, &tables, &self.deployment).await
    }

    /// Carries the plan out, telling the printer of every step, and returns what was recorded.
    ///
    /// # Errors
    /// As [`provision::carry_out`].
    pub async fn carry_out(
        &self,
        session: &AzureSession,
        arm: &Arm,
        prepared: &Prepared,
        printer: Printer,
    ) -> anyhow::Result<Deployment> {
        let (finished, all) = (AtomicUsize::new(0), prepared.plan.steps.len());
        let done = |step: &Step| {
            let number = finished.fetch_add(1, Ordering::Relaxed) + 1;
            printer.note(format!("{number}/{all} {}", past(step)));
        };
        provision::carry_out(arm, prepared, &session.cloud.name, &self.deployment, &done).await
    }
}

fn past(step: &Step) -> String {
    let action = match step.action {
        Action::Create => "created",
        Action::Recover(_) => "recovered",
        Action::Update(_) => "updated",
        Action::Unchanged => "found",
        Action::Blocked(_) => "left",
    };
    format!("{action} {} {}", step.kind.name(), step.name())
}
