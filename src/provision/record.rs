//! `deployment.json` while it changes: written before every PUT and after it, so that a crash at any moment leaves a file
//! from which `cleanup` and the next `provision` can go on.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    deployment::{Deployment, Destination, Resource},
    kind::Kind,
    names::{Settings, is_within},
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
    /// The file cannot be read, or records resources of another deployment: they would be forgotten.
    pub(super) fn open(path: &Path, cloud: &str, settings: &Settings) -> anyhow::Result<Self> {
        let mut deployment = Deployment::read_or_begin(path)?;
        let roots = settings.roots();
        let elsewhere = |resource: &&Resource| !roots.iter().any(|root| is_within(&resource.id, root));
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
        for step in plan.steps.iter().filter(|step| step.action == Action::Unchanged) {
            self.change(&step.id, |resource| resource.confirmed = true, || entry(step, false, true))?;
        }
        Ok(())
    }

    /// Before the PUT. What an earlier run recorded as made by us stays so.
    pub(super) fn intend(&self, step: &Step) -> anyhow::Result<()> {
        let created = matches!(step.action, Action::Create | Action::Recover(_));
        let again = |resource: &mut Resource| {
            resource.created |= created;
            resource.adopted |= !resource.created;
            resource.recovered |= matches!(step.action, Action::Recover(_));
            resource.confirmed = false;
        };
        self.change(&step.id, again, || Resource { adopted: !created, ..entry(step, created, false) })
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

    /// The id by which the rows of the workspace are queried.
    pub(super) fn workspace(&self, customer_id: &str) -> anyhow::Result<()> {
        let mut deployment = self.lock();
        if deployment.workspace_customer_id.as_deref() == Some(customer_id) {
            return Ok(());
        }
        deployment.workspace_customer_id = Some(customer_id.to_owned());
        deployment.write(&self.path)
    }

    /// Where the rows of a table go.
    pub(super) fn destination(&self, table: &str, destination: Destination) -> anyhow::Result<()> {
        let mut deployment = self.lock();
        deployment.tables.insert(table.to_owned(), destination);
        deployment.write(&self.path)
    }

    /// After a deletion: the resource is forgotten, and so are the destinations that led through it.
    pub(super) fn gone(&self, id: &str) -> anyhow::Result<()> {
        let mut deployment = self.lock();
        let led = Way::of(&deployment, id);
        deployment.resources.retain(|resource| !resource.id.eq_ignore_ascii_case(id));
        deployment.tables.retain(|table, _| match &led {
            Way::Nothing => true,
            Way::One(other) => table != other,
            Way::All => false,
        });
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
    Resource {
        id: step.id.clone(),
        api_version: step.version.to_owned(),
        created,
        confirmed,
        adopted: false,
        recovered: matches!(step.action, Action::Recover(_)),
        table: step.table.map(|table| table.name.to_owned()),
    }
}

/// The tables whose rows pass through a resource.
enum Way {
    Nothing,
    One(String),
    All,
}

impl Way {
    fn of(deployment: &Deployment, id: &str) -> Self {
        let table = || {
            let recorded = deployment.resources.iter().find(|resource| resource.id.eq_ignore_ascii_case(id));
            // A file of an older version does not say which table; the names do.
            let name = id.rsplit('/').next().unwrap_or_default().trim_end_matches("-dcr").to_owned();
            Self::One(recorded.and_then(|resource| resource.table.clone()).unwrap_or(name))
        };
        match Kind::of(id) {
            Some(Kind::Rule | Kind::Table) => table(),
            Some(Kind::ResourceGroup | Kind::Workspace | Kind::Endpoint) => Self::All,
            _ => Self::Nothing,
        }
    }
}
