//! `deployment.json` while it changes: written before every PUT and after it, so that a crash at any moment leaves a file
//! from which `cleanup` and the next `provision` can go on.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    deployment::{Deployment, Destination, Resource},
    names::Settings,
    plan::{Action, Plan, Step},
};
use crate::failure::Failure;

/// The file, and what is in it.
pub(super) struct Record {
    path: PathBuf,
    deployment: Mutex<Deployment>,
}

impl Record {
    /// Opens the file that is there, or begins a new one.
    ///
    /// # Errors
    /// The file cannot be read, or records resources of another resource group: they would be forgotten.
    pub(super) fn open(path: &Path, cloud: &str, settings: &Settings) -> anyhow::Result<Self> {
        let mut deployment = if path.exists() { Deployment::read(path)? } else { Deployment::default() };
        let group = settings.resource_group_id().to_ascii_lowercase();
        let elsewhere = |resource: &&Resource| {
            let id = resource.id.to_ascii_lowercase();
            id != group && !id.starts_with(&format!("{group}/"))
        };
        if let Some(other) = deployment.resources.iter().find(elsewhere) {
            return Err(Failure::usage(
                format!("{} records another deployment: {}", path.display(), other.id),
                "name another file with --deployment, or remove that deployment first with `kubectl forensys cleanup`",
            )
            .into());
        }
        deployment.cloud = Some(cloud.to_owned());
        Ok(Self { path: path.to_owned(), deployment: Mutex::new(deployment) })
    }

    /// Records every step of the plan that keeps what is there, in the plan's order, so that order is that of creation.
    pub(super) fn begin(&self, plan: &Plan) -> anyhow::Result<()> {
        for step in plan.steps.iter().filter(|step| step.action == Action::Keep) {
            self.change(&step.id, |resource| resource.confirmed = true, || entry(step, false, true))?;
        }
        Ok(())
    }

    /// Before the PUT. What an earlier run recorded as made by us stays so.
    pub(super) fn intend(&self, step: &Step) -> anyhow::Result<()> {
        let created = step.action == Action::Create;
        let again = |resource: &mut Resource| {
            resource.created |= created;
            resource.confirmed = false;
        };
        self.change(&step.id, again, || entry(step, created, false))
    }

    /// After the PUT.
    pub(super) fn confirm(&self, step: &Step) -> anyhow::Result<()> {
        self.change(&step.id, |resource| resource.confirmed = true, || entry(step, false, true))
    }

    /// After a PUT that found that somebody else has made the same thing.
    pub(super) fn found(&self, step: &Step) -> anyhow::Result<()> {
        let found = |resource: &mut Resource| {
            resource.created = false;
            resource.confirmed = true;
        };
        self.change(&step.id, found, || entry(step, false, true))
    }

    /// Where the rows of a table go.
    pub(super) fn destination(&self, table: &str, destination: Destination) -> anyhow::Result<()> {
        let mut deployment = self.lock();
        deployment.tables.insert(table.to_owned(), destination);
        deployment.write(&self.path)
    }

    /// After a deletion: the resource is forgotten, and so is the destination that led through it.
    pub(super) fn gone(&self, id: &str) -> anyhow::Result<()> {
        let mut deployment = self.lock();
        deployment.resources.retain(|resource| !resource.id.eq_ignore_ascii_case(id));
        deployment.tables.retain(|table, _| !leads_through(id, table));
        deployment.write(&self.path)
    }

    /// A copy of what is recorded.
    pub(super) fn snapshot(&self) -> Deployment {
        self.lock().clone()
    }

    /// The record of a file that must be there.
    pub(super) fn of(path: &Path, deployment: Deployment) -> Self {
        Self { path: path.to_owned(), deployment: Mutex::new(deployment) }
    }

    fn change(
        &self,
        id: &str,
        again: impl FnOnce(&mut Resource),
        first: impl FnOnce() -> Resource,
    ) -> anyhow::Result<()> {
        let mut deployment = self.lock();
        match deployment.resources.iter_mut().find(|resource| resource.id.eq_ignore_ascii_case(id)) {
            Some(resource) => again(resource),
            None => deployment.resources.push(first()),
        }
        deployment.write(&self.path)
    }

    fn lock(&self) -> MutexGuard<'_, Deployment> {
        self.deployment.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry(step: &Step, created: bool, confirmed: bool) -> Resource {
    Resource { id: step.id.clone(), api_version: step.version.to_owned(), created, confirmed }
}

/// Whether rows of the table pass through the resource: its rule, its table, or anything that serves all tables.
fn leads_through(id: &str, table: &str) -> bool {
    let id = id.to_ascii_lowercase();
    let table = table.to_ascii_lowercase();
    if id.contains("/roleassignments/") {
        return false;
    }
    let name = id.rsplit('/').next().unwrap_or_default();
    let serves_one = id.contains("/datacollectionrules/") || id.contains("/tables/");
    !serves_one || name == table || name == format!("{table}-dcr")
}
