//! OpenAPI files, read into operations and shapes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use regex::Regex;
use serde_json::Value;

use super::{
    path::Template,
    shape::{Id, Member, Shape, Shapes, Text, are_all},
};
use crate::azure_specs::{files, read};

/// An operation of an OpenAPI file.
#[derive(Debug)]
pub(super) struct OpenApi {
    pub(super) version: String,
    pub(super) method: String,
    pub(super) path: Template,
    pub(super) is_long_running: bool,
    /// Parameters of the query and headers, in lower case.
    pub(super) query: BTreeSet<String>,
    pub(super) required_query: BTreeSet<String>,
    pub(super) headers: BTreeSet<String>,
    pub(super) body: Option<Id>,
    /// Bodies by status; none where the answer has no body.
    pub(super) answers: BTreeMap<u16, Option<Id>>,
    /// The body of every other answer.
    pub(super) error: Option<Id>,
}

/// Files that refer to each other, read once.
#[derive(Default)]
pub(super) struct Reader {
    files: BTreeMap<PathBuf, Rc<Value>>,
    known: BTreeMap<(PathBuf, String), Id>,
}

/// A place in a file.
#[derive(Clone)]
struct At {
    file: PathBuf,
    value: Value,
}

impl Reader {
    /// Every operation of the files below the folder whose path is wanted.
    pub(super) fn operations(
        &mut self,
        folder: &Path,
        shapes: &mut Shapes,
        wanted: impl Fn(&str, &Template) -> bool,
    ) -> Vec<OpenApi> {
        let mut found = Vec::new();
        for file in files(folder, ".json").into_iter().filter(|file| !file.to_str().unwrap().contains("/examples/")) {
            let root = self.file(&file);
            let version = root["info"]["version"].as_str().unwrap_or_default().to_owned();
            for (path, methods) in root["paths"].as_object().into_iter().flatten() {
                let template = Template::new(path);
                for (method, operation) in methods.as_object().unwrap() {
                    let method = method.to_uppercase();
                    if wanted(&method, &template) {
                        let at = At { file: file.clone(), value: operation.clone() };
                        found.push(self.operation(&at, &version, method, template.clone(), shapes));
                    }
                }
            }
        }
        found
    }

    /// A definition of a file.
    pub(super) fn definition(&mut self, file: &Path, name: &str, shapes: &mut Shapes) -> Id {
        self.referred(file, &format!("#/definitions/{name}"), shapes)
    }

    fn file(&mut self, path: &Path) -> Rc<Value> {
        self.files.entry(path.to_owned()).or_insert_with(|| Rc::new(read(path))).clone()
    }

    fn operation(&mut self, at: &At, version: &str, method: String, path: Template, shapes: &mut Shapes) -> OpenApi {
        let mut operation = OpenApi {
            version: version.to_owned(),
            method,
            path,
            is_long_running: at.value["x-ms-long-running-operation"] == true,
            query: BTreeSet::new(),
            required_query: BTreeSet::new(),
            headers: BTreeSet::new(),
            body: None,
            answers: BTreeMap::new(),
            error: None,
        };
        for parameter in at.value["parameters"].as_array().into_iter().flatten() {
            let parameter = self.resolved(At { file: at.file.clone(), value: parameter.clone() });
            let name = || parameter.value["name"].as_str().unwrap().to_lowercase();
            match parameter.value["in"].as_str().unwrap() {
                "query" => {
                    if parameter.value["required"] == true {
                        operation.required_query.insert(name());
                    }
                    operation.query.insert(name());
                }
                "header" => drop(operation.headers.insert(name())),
                "body" => operation.body = Some(self.shape(&parameter.inner("schema"), shapes)),
                _ => {}
            }
        }
        for (status, answer) in at.value["responses"].as_object().unwrap() {
            let answer = At { file: at.file.clone(), value: answer.clone() };
            let shape = answer.value["schema"].is_object().then(|| self.shape(&answer.inner("schema"), shapes));
            match status.parse() {
                Ok(status) => drop(operation.answers.insert(status, shape)),
                Err(_) => operation.error = shape,
            }
        }
        operation
    }

    /// What a reference leads to, or the place itself.
    fn resolved(&mut self, at: At) -> At {
        let Some(reference) = at.value["$ref"].as_str() else { return at };
        let (file, pointer) = target(&at.file, reference);
        let value = self.file(&file).pointer(&pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")).clone();
        self.resolved(At { file, value })
    }

    fn referred(&mut self, from: &Path, reference: &str, shapes: &mut Shapes) -> Id {
        let key = target(from, reference);
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        // It may refer to itself, so it gets its number first.
        let id = shapes.add(Shape::Any);
        self.known.insert(key.clone(), id);
        let value = self.file(&key.0).pointer(&key.1).unwrap_or_else(|| panic!("{reference} leads nowhere")).clone();
        let shape = self.shape_of(&At { file: key.0, value }, shapes);
        shapes.set(id, shape);
        id
    }

    fn shape(&mut self, at: &At, shapes: &mut Shapes) -> Id {
        if let Some(reference) = at.value["$ref"].as_str() {
            return self.referred(&at.file, reference, shapes);
        }
        let shape = self.shape_of(at, shapes);
        shapes.add(shape)
    }

    fn shape_of(&mut self, at: &At, shapes: &mut Shapes) -> Shape {
        let length = |name: &str| at.value[name].as_u64().map(|length| usize::try_from(length).unwrap());
        match at.value["type"].as_str() {
            Some("string") => Shape::Text(Text {
                values: Self::values(at),
                least: length("minLength"),
                most: length("maxLength"),
                pattern: at.value["pattern"].as_str().map(|pattern| Regex::new(pattern).unwrap()),
                format: at.value["format"].as_str().map(str::to_owned),
            }),
            Some("boolean") => Shape::Boolean,
            Some(kind @ ("integer" | "number")) => Shape::Number {
                integer: kind == "integer",
                least: at.value["minimum"].as_f64(),
                most: at.value["maximum"].as_f64(),
            },
            Some("array") => Shape::List(self.shape(&at.inner("items"), shapes)),
            _ if at.value["$ref"].is_string() => Shape::Either(vec![self.shape(at, shapes)]),
            _ => self.object(at, shapes),
        }
    }

    /// The values of a text that there are today; none when they are not listed.
    fn values(at: &At) -> Vec<String> {
        let values: Vec<_> = at.value["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if are_all(&values) { values.into_iter().map(str::to_owned).collect() } else { Vec::new() }
    }

    fn object(&mut self, at: &At, shapes: &mut Shapes) -> Shape {
        let mut members = BTreeMap::new();
        self.members(at, &mut members, shapes);
        let others = match &at.value["additionalProperties"] {
            Value::Object(_) => Some(self.shape(&at.inner("additionalProperties"), shapes)),
            // An object of which nothing is said may hold anything.
            _ if members.is_empty() => Some(shapes.add(Shape::Any)),
            _ => None,
        };
        Shape::Object { members, others }
    }

    /// The members of an object and of those that it is made from.
    fn members(&mut self, at: &At, members: &mut BTreeMap<String, Member>, shapes: &mut Shapes) {
        for part in at.value["allOf"].as_array().into_iter().flatten() {
            let part = self.resolved(At { file: at.file.clone(), value: part.clone() });
            self.members(&part, members, shapes);
        }
        for (name, property) in at.value["properties"].as_object().into_iter().flatten() {
            let property = At { file: at.file.clone(), value: property.clone() };
            let shape = self.shape(&property, shapes);
            let target = self.resolved(property.clone());
            let says = |name: &str| property.value[name] == true || target.value[name] == true;
            let member =
                Member { shape, is_required: false, is_read_only: says("readOnly"), is_nullable: says("x-nullable") };
            members.insert(name.clone(), member);
        }
        for name in at.value["required"].as_array().into_iter().flatten() {
            if let Some(member) = members.get_mut(name.as_str().unwrap()) {
                member.is_required = true;
            }
        }
    }
}

impl At {
    fn inner(&self, name: &str) -> Self {
        Self { file: self.file.clone(), value: self.value[name].clone() }
    }
}

/// The file and the pointer of a reference.
fn target(from: &Path, reference: &str) -> (PathBuf, String) {
    let (file, pointer) = reference.split_once('#').unwrap();
    let path = if file.is_empty() { from.to_owned() } else { from.parent().unwrap().join(file) };
    (fs_err::canonicalize(path).unwrap(), pointer.to_owned())
}
