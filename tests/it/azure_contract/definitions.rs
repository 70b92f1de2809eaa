//! Microsoft's definitions, looked up by method, path and version.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jsonschema::{Draft, Registry, Validator};
use serde_json::Value;

use super::{
    bicep,
    openapi::{OpenApi, Reader},
    path::Template,
    shape::{Id, Shapes},
};
use crate::azure_specs::{read, template};

/// An operation of the table that is made from Pandora's data.
struct Pandora {
    version: String,
    method: String,
    path: Template,
    statuses: BTreeSet<u16>,
    is_long_running: bool,
    query: BTreeSet<String>,
}

/// Everything that is defined.
pub(super) struct Definitions {
    pub(super) shapes: Shapes,
    pandora: Vec<Pandora>,
    open: Vec<OpenApi>,
    bicep: BTreeMap<String, Id>,
    schemas: BTreeMap<String, Validator>,
    /// The bodies of errors and of operations that every resource provider has.
    pub(super) error: Id,
    pub(super) status: Id,
}

/// What is defined of one operation. Statuses, whether it takes long and its query are those of Pandora, or else of OpenAPI.
pub(super) struct Definition<'a> {
    pub(super) statuses: BTreeSet<u16>,
    pub(super) is_long_running: bool,
    pub(super) query: BTreeSet<String>,
    /// The newest that there is, where not that of the version.
    pub(super) open: Option<&'a OpenApi>,
    /// That of the version, of the resource or of each in a list.
    pub(super) bicep: Option<Id>,
    pub(super) schema: Option<&'a Validator>,
    /// Some definition is of that very version.
    pub(super) is_of_version: bool,
}

const SPECIFICATION: &str = "azure-rest-api-specs/specification";
const COMMON_TYPES: &str = "common-types/resource-management/v5/types.json";

impl Definitions {
    /// Reads them, OpenAPI only as far as it is about these paths.
    pub(super) fn read(specs: &Path, paths: &BTreeSet<(String, String)>) -> Self {
        let paths: Vec<_> = paths.iter().map(|(method, path)| (method, Template::new(path))).collect();
        let mut shapes = Shapes::default();
        let bicep = bicep::types(specs, &mut shapes);
        let mut reader = Reader::default();
        let folder = fs_err::canonicalize(specs.join(SPECIFICATION)).unwrap();
        let open = reader.operations(&folder, &mut shapes, |method, template| {
            !template.is_anything() && paths.iter().any(|(other, path)| *other == method && template.covers(path))
        });
        let common = folder.join(COMMON_TYPES);
        let error = reader.definition(&common, "ErrorResponse", &mut shapes);
        let status = reader.definition(&common, "OperationStatusResult", &mut shapes);
        Self { shapes, pandora: pandora(specs), open, bicep, schemas: schemas(specs), error, status }
    }

    /// What is defined of a request; none when nothing is.
    pub(super) fn find(&self, method: &str, path: &Template, version: Option<&str>) -> Option<Definition<'_>> {
        let pandora: Vec<_> = self.pandora.iter().filter(|it| it.method == method && it.path.covers(path)).collect();
        let pandora = nearest(pandora, version, |it| (&it.path, &it.version));
        let open: Vec<_> = self.open.iter().filter(|it| it.method == method && it.path.covers(path)).collect();
        let open = nearest(open, version, |it| (&it.path, &it.version));
        let (statuses, is_long_running, query) = match (pandora.as_slice(), open.first()) {
            ([], None) => return None,
            ([], Some(open)) => (open.answers.keys().copied().collect(), open.is_long_running, open.query.clone()),
            (all, _) => (
                all.iter().flat_map(|it| it.statuses.clone()).collect(),
                all.iter().any(|it| it.is_long_running),
                all.iter().flat_map(|it| it.query.clone()).collect(),
            ),
        };
        let of_type = path.resource_type().map(|(kind, _)| kind);
        let key = of_type.map(|kind| format!("{kind}@{}", version.unwrap_or_default()));
        let bicep = key.as_ref().and_then(|key| self.bicep.get(key)).copied();
        let is = |other: &str| version.is_none_or(|version| version == other);
        let is_of_version =
            bicep.is_some() || pandora.iter().any(|it| is(&it.version)) || open.iter().any(|it| is(&it.version));
        Some(Definition {
            statuses,
            is_long_running,
            query,
            open: open.first().copied(),
            bicep,
            schema: key.as_ref().and_then(|key| self.schemas.get(key)),
            is_of_version,
        })
    }
}

/// Those of the version, else those of the newest; of these, those whose paths say most.
fn nearest<'a, T>(
    all: Vec<&'a T>,
    version: Option<&str>,
    of: impl Fn(&'a T) -> (&'a Template, &'a String),
) -> Vec<&'a T> {
    let most = all.iter().map(|it| of(it).0.names()).max();
    let all: Vec<_> = all.into_iter().filter(|it| Some(of(it).0.names()) == most).collect();
    let newest = all.iter().map(|it| of(it).1).max().cloned();
    let wanted = version.filter(|version| all.iter().any(|it| of(it).1 == version)).map(str::to_owned).or(newest);
    all.into_iter().filter(|it| Some(of(it).1) == wanted.as_ref()).collect()
}

fn pandora(specs: &Path) -> Vec<Pandora> {
    let folder = specs.join("pandora");
    let text = fs_err::read_to_string(folder.join("operations.tsv")).unwrap();
    let mut all = Vec::new();
    for line in text.lines().skip(1) {
        let cells: Vec<_> = line.split('\t').collect();
        let [service, version, resource, operation, method, path, statuses, is_long_running] = cells.as_slice() else {
            panic!("operations.tsv has a line of other cells: {line}");
        };
        let path = Template::new(path);
        if path.is_anything() {
            continue;
        }
        let file =
            format!("api-definitions/resource-manager/{service}/{version}/{resource}/Operation-{operation}.json");
        let details = read(&folder.join(file));
        let options = details["options"].as_array().into_iter().flatten();
        let query = options.filter_map(|option| option["queryString"].as_str()).map(str::to_lowercase).collect();
        let statuses = statuses.split(',').map(|status| status.parse().unwrap()).collect();
        let (version, method) = ((*version).to_owned(), (*method).to_owned());
        all.push(Pandora { version, method, path, statuses, is_long_running: *is_long_running == "True", query });
    }
    all
}

/// The JSON schemas of what is put, by `type@version` in lower case. Of the version of AKS' resources none is ever put.
fn schemas(specs: &Path) -> BTreeMap<String, Validator> {
    let common: Value = read(&specs.join("azure-resource-manager-schemas/schemas/common/definitions.json"));
    let registry = Registry::new().add(template::COMMON, common).unwrap().prepare().unwrap();
    let all = template::schemas(specs).into_iter().filter(|(key, _)| !key.starts_with("microsoft.containerservice/"));
    all.map(|(key, schema)| {
        let options = jsonschema::options().with_draft(Draft::Draft4).with_registry(&registry);
        let validator = options.build(&schema).unwrap_or_else(|error| panic!("{key}: {error}"));
        (key, validator)
    })
    .collect()
}
