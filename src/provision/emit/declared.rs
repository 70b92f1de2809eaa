//! A step of the plan as a declaration: what every one of the languages needs to know of a resource. Pure.

use serde_json::{Map, Value};

use crate::provision::{Kind, Step};

/// One resource to be declared.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declared {
    pub(super) kind: Kind,
    /// Full id.
    pub(super) id: String,
    /// A name for it within the file: letters, digits and underscores.
    pub(super) symbol: String,
    /// What is sent, without the id: location, tags, kind, properties.
    pub(super) body: Map<String, Value>,
    /// Ids of what has to be there before.
    pub(super) after: Vec<String>,
}

impl Declared {
    /// None for what belongs to somebody else.
    pub(super) fn of(step: &Step) -> Option<Self> {
        if !step.ours || step.kind == Kind::PublicAccess {
            return None;
        }
        let body = step.body.as_object().cloned().unwrap_or_default();
        let symbol = symbol(step.kind, &step.id);
        Some(Self { kind: step.kind, id: step.id.clone(), symbol, body, after: step.after.clone() })
    }

    /// Type and API version, as Bicep and azapi write them.
    pub(super) fn versioned_type(&self) -> String {
        format!("{}@{}", self.kind.resource_type(), self.kind.version())
    }

    /// The last part of the id.
    pub(super) fn own_name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or_default()
    }

    /// The names of the resource and those that it is part of, separated by `/`.
    pub(super) fn full_name(&self) -> String {
        let (_, path) = self.id.rsplit_once("/providers/").unwrap_or_default();
        path.split('/').skip(2).step_by(2).collect::<Vec<_>>().join("/")
    }

    /// The id of what it is part of, lies in, or is attached to.
    pub(super) fn parent(&self) -> &str {
        let providers = self.id.rfind("/providers/");
        let is_top = self.kind.resource_type().matches('/').count() == 1;
        let end = if is_top { providers } else { self.id.rmatch_indices('/').nth(1).map(|(at, _)| at) };
        match self.kind {
            Kind::ResourceGroup => self.id.split("/resourceGroups/").next().unwrap_or_default(),
            _ => end.and_then(|end| self.id.get(..end)).unwrap_or_default(),
        }
    }

    /// Its resource group, `/subscriptions/…/resourceGroups/…`.
    fn group(&self) -> String {
        self.id.split('/').take(5).collect::<Vec<_>>().join("/")
    }
}

/// The declaration of that id.
pub(super) fn find<'a>(all: &'a [Declared], id: &str) -> Option<&'a Declared> {
    all.iter().find(|declared| declared.id.eq_ignore_ascii_case(id))
}

/// Kind and name; for what has no telling name of its own, the name of what it belongs to.
pub(super) fn symbol(kind: Kind, id: &str) -> String {
    let name = match kind {
        Kind::Role => id.split("/providers/Microsoft.Authorization/").next().unwrap_or(id),
        Kind::DnsLink => id.split("/virtualNetworkLinks/").next().unwrap_or(id),
        Kind::DnsZoneGroup => id.split("/privateDnsZoneGroups/").next().unwrap_or(id),
        _ => id,
    };
    let text = format!("{}_{}", kind.name(), name.rsplit('/').next().unwrap_or_default());
    text.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect()
}

/// Declarations by resource group, in the order of deployment: the group with the tables first, for rules need them. The
/// groups themselves are made outside these files.
pub(super) fn by_group(declared: Vec<Declared>) -> Vec<(String, Vec<Declared>)> {
    let mut groups: Vec<(String, Vec<Declared>)> = Vec::new();
    for declared in declared.into_iter().filter(|declared| declared.kind != Kind::ResourceGroup) {
        let group = declared.group();
        match groups.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(&group)) {
            Some((_, all)) => all.push(declared),
            None => groups.push((group, vec![declared])),
        }
    }
    groups.sort_by_key(|(_, all)| !all.iter().any(|declared| declared.kind == Kind::Table));
    groups
}
