//! Lists: page after page to rows and raw objects. A list that may not be read for the whole cluster is read namespace by namespace.

use std::collections::HashSet;

use tokio::task::JoinHandle;

use super::{
    Collector, outcome,
    scope::{UNKNOWN, WHOLE_CLUSTER},
};
use crate::{
    bundle::{Coverage, Outcome, State, Unit},
    cluster::{Page, Problem, ProblemKind, list::Selectors},
    evidence::{Listing, Source, Unreadable},
};

/// How often a list whose pages expired begins again.
const BEGINNINGS: u32 = 3;

/// Sees every object of a list as it comes.
pub(super) type Visit<'a> = &'a mut (dyn FnMut(&str) + Send);

/// A scope that was read, and the version of the store that the list shows: a watch begins there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// The namespace; none for the whole cluster.
    pub namespace: Option<String>,
    /// The version; empty when it is not known.
    pub version: String,
}

/// How listing a scope went.
enum Listed {
    /// It was read, at this version of the store.
    Read(String),
    /// It was not, or not to its end; the journal says why.
    Missed,
    /// The whole cluster may not be listed at once; its namespaces may.
    MaybeByNamespace,
}

impl Collector {
    /// Lists a kind in every scope that was asked for; each scope is a unit. Returns the scopes that were read.
    pub(super) async fn list_kind(&self, listing: &dyn Listing, visit: Visit<'_>) -> anyhow::Result<Vec<Scope>> {
        let namespaced = listing.resource().namespaced;
        if let Some(namespaces) = self.settings.namespaces.as_ref().filter(|_| namespaced) {
            return self.list_namespaces(listing, namespaces, visit).await;
        }
        if !self.was_split(listing) {
            match self.list_scope(listing, None, visit).await? {
                Listed::Read(version) => return Ok(vec![Scope { namespace: None, version }]),
                Listed::Missed => return Ok(Vec::new()),
                Listed::MaybeByNamespace => {}
            }
        }
        let candidates = self.candidates().await;
        let scopes = self.list_namespaces(listing, &candidates.namespaces, visit).await?;
        if let Some(reason) = candidates.incomplete {
            let unit = self.unit(listing, Some(UNKNOWN));
            unit.finish(Outcome::new(State::Denied, reason)).await?;
        }
        Ok(scopes)
    }

    async fn list_namespaces(
        &self,
        listing: &dyn Listing,
        namespaces: &[String],
        visit: Visit<'_>,
    ) -> anyhow::Result<Vec<Scope>> {
        let mut scopes = Vec::new();
        for namespace in namespaces {
            if let Listed::Read(version) = self.list_scope(listing, Some(namespace), visit).await? {
                scopes.push(Scope { namespace: Some(namespace.clone()), version });
            }
        }
        Ok(scopes)
    }

    /// Whether an earlier attempt had to read the kind namespace by namespace: then this one does, too, or rows would be there twice.
    fn was_split(&self, listing: &dyn Listing) -> bool {
        let whole = Unit::name(listing.source().name(), &[listing.resource().plural, WHOLE_CLUSTER]);
        let prefix = whole.strip_suffix(WHOLE_CLUSTER).unwrap_or(&whole);
        self.writer.any_below(prefix, |scope, state| scope != WHOLE_CLUSTER && state.is_final())
    }

    /// Lists one scope.
    async fn list_scope(
        &self,
        listing: &dyn Listing,
        namespace: Option<&str>,
        visit: Visit<'_>,
    ) -> anyhow::Result<Listed> {
        let resource = listing.resource();
        let path = [resource.plural, namespace.unwrap_or(WHOLE_CLUSTER)];
        if self.writer.is_done(listing.source().name(), &path) {
            let mut shown = Shown::default();
            self.writer.raw_objects(listing.source().name(), resource.plural, &path, &mut |object| {
                shown.show_older(object, visit);
            })?;
            let coverage = self.writer.coverage(listing.source().name(), &path);
            return Ok(Listed::Read(coverage.and_then(|coverage| coverage.resource_version).unwrap_or_default()));
        }
        let mut unit = self.unit(listing, namespace);
        if self.stop.is_cancelled() {
            unit.finish(Outcome::new(State::Interrupted, "stopped before it was read")).await?;
            return Ok(Listed::Missed);
        }
        if namespace.is_some() {
            // An attempt that was allowed to list the whole cluster may have got some of it.
            unit.leave_out_parts_of(listing.source().name(), &[resource.plural, WHOLE_CLUSTER])?;
        }
        if listing.source() == Source::Events {
            unit.keep_only(self.writer.run().window);
        }
        match self.pages(listing, namespace, &mut unit, visit).await? {
            Ok(outcome) => {
                let version = outcome.coverage.resource_version.clone();
                self.finish_list(listing, unit, outcome).await?;
                Ok(version.map_or(Listed::Missed, Listed::Read))
            }
            Err(problem) if problem.kind == ProblemKind::Denied && namespace.is_none() && resource.namespaced => {
                Ok(Listed::MaybeByNamespace)
            }
            Err(problem) => {
                self.finish_list(listing, unit, outcome::of_problem(&problem)?).await?;
                Ok(Listed::Missed)
            }
        }
    }

    fn unit(&self, listing: &dyn Listing, namespace: Option<&str>) -> Unit {
        let plural = listing.resource().plural;
        let object = match namespace {
            Some(UNKNOWN) => format!("{plural} of other namespaces"),
            Some(namespace) => format!("{plural} of namespace {namespace}"),
            None => format!("{plural} of the cluster"),
        };
        self.writer.unit(listing.source().name(), object, &[plural, namespace.unwrap_or(WHOLE_CLUSTER)])
    }

    async fn finish_list(&self, listing: &dyn Listing, unit: Unit, outcome: Outcome) -> anyhow::Result<()> {
        self.progress.unit(listing.source(), unit.all_rows(), outcome.state);
        unit.finish(outcome).await
    }

    /// Reads all pages. What the list came to, or the problem that it ended with; an error when the bundle cannot be written.
    async fn pages(
        &self,
        listing: &dyn Listing,
        namespace: Option<&str>,
        unit: &mut Unit,
        visit: Visit<'_>,
    ) -> anyhow::Result<Result<Outcome, Problem>> {
        let resource = listing.resource();
        let mut asking = self.ask_page(listing, namespace, None);
        let mut reading = Reading::default();
        let mut beginnings = 1;
        // What an earlier try saw and this one does not is there to be read all the same.
        let mut shown = unit.is_tried_again().then(Shown::default);
        loop {
            let page = tokio::select! {
                page = &mut asking => page.unwrap_or_else(|defect| Err(Problem::new(ProblemKind::Refused, defect.to_string()))),
                () = self.stop.cancelled() => {
                    asking.abort();
                    return Ok(Ok(Outcome::new(State::Interrupted, "stopped while it was read")));
                }
            };
            match page {
                Ok(page) => {
                    reading.version.get_or_insert(page.metadata.resource_version);
                    reading.next = Some(page.metadata.next).filter(|next| !next.is_empty());
                    if let Some(next) = &reading.next {
                        // The next page comes in while the rows of this one are made.
                        asking = self.ask_page(listing, namespace, Some(next));
                    }
                    for item in &page.items {
                        unit.raw(resource.plural, item.get().as_bytes())?;
                        reading.take(listing, item.get(), unit)?;
                        if let Some(shown) = &mut shown {
                            shown.note(item.get());
                        }
                        visit(item.get());
                    }
                    if reading.next.is_none() {
                        if let Some(shown) = &mut shown {
                            unit.kept_objects(resource.plural, &mut |object| shown.show_older(object, visit))?;
                        }
                        return Ok(Ok(reading.outcome()));
                    }
                }
                Err(problem) if problem.kind == ProblemKind::Gone && beginnings < BEGINNINGS => {
                    beginnings += 1;
                    unit.restart()?;
                    reading = Reading::default();
                    asking = self.ask_page(listing, namespace, None);
                }
                Err(problem) if reading.next.is_some() => {
                    let reason = format!("the list broke off: {problem}");
                    outcome::of_problem(&problem)?;
                    return Ok(Ok(Outcome::new(State::Truncated, reason)));
                }
                Err(problem) => return Ok(Err(problem)),
            }
        }
    }

    /// Asks for a page in a task of its own.
    fn ask_page(
        &self,
        listing: &dyn Listing,
        namespace: Option<&str>,
        next: Option<&str>,
    ) -> JoinHandle<Result<Page, Problem>> {
        let (cluster, resource) = (self.cluster.clone(), listing.resource());
        let (namespace, next) = (namespace.map(str::to_owned), next.map(str::to_owned));
        let selectors = match resource.plural {
            "pods" => self.settings.pod_selectors(),
            _ => Selectors::default(),
        };
        tokio::spawn(async move { cluster.page(&resource, namespace.as_deref(), &selectors, next.as_deref()).await })
    }
}

/// The objects that were shown, by UID: of one that was seen more than once only the latest state counts.
#[derive(Default)]
struct Shown(HashSet<String>);

impl Shown {
    /// Notes an object. False when it was noted before, or has no UID.
    fn note(&mut self, object: &str) -> bool {
        uid_of(object).is_some_and(|uid| self.0.insert(uid))
    }

    /// Shows an object of an earlier try, unless it was shown.
    fn show_older(&mut self, object: &[u8], visit: Visit<'_>) {
        if let Ok(object) = std::str::from_utf8(object)
            && self.note(object)
        {
            visit(object);
        }
    }
}

fn uid_of(object: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        uid: String,
    }
    serde_json::from_str::<Object>(object).ok().map(|object| object.metadata.uid)
}

/// How far a list was read.
#[derive(Default)]
struct Reading {
    next: Option<String>,
    version: Option<String>,
    unreadable: u64,
    first_unreadable: Option<String>,
}

impl Reading {
    /// Rows of one object. One that has not the promised shape is counted: it is kept raw, and the list ends as a gap.
    fn take(&mut self, listing: &dyn Listing, object: &str, unit: &mut Unit) -> anyhow::Result<()> {
        match listing.emit(object, unit) {
            Err(error) if error.is::<Unreadable>() => {
                self.unreadable += 1;
                self.first_unreadable.get_or_insert(error.to_string());
                Ok(())
            }
            other => other,
        }
    }

    fn outcome(self) -> Outcome {
        let coverage = Coverage { resource_version: self.version, ..Coverage::default() };
        let outcome = match self.first_unreadable {
            Some(why) => Outcome::new(
                State::Truncated,
                format!("{} objects have no rows and are in raw/ only; the first: {why}", self.unreadable),
            ),
            None => Outcome::complete(),
        };
        outcome.with_coverage(coverage)
    }
}
