//! What a JSON value has to look like, and the check of a value against it. Both of Microsoft's forms of definition are read
//! into this one: OpenAPI and the types of the Bicep compiler.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

/// The number of a shape; shapes refer to each other, and to themselves, by it.
pub(super) type Id = usize;

/// What a value has to be.
#[derive(Debug)]
pub(super) enum Shape {
    Any,
    Boolean,
    Number {
        integer: bool,
        least: Option<f64>,
        most: Option<f64>,
    },
    Text(Text),
    List(Id),
    /// Members, and the shape of those that are not named; without one there are no others.
    Object {
        members: BTreeMap<String, Member>,
        others: Option<Id>,
    },
    /// At least one of them.
    Either(Vec<Id>),
}

/// What a text has to be.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// The only texts that there are; empty when there are others.
    pub(super) values: Vec<String>,
    pub(super) least: Option<usize>,
    pub(super) most: Option<usize>,
    pub(super) pattern: Option<Regex>,
    pub(super) format: Option<String>,
}

/// Lists of values that lack legal ones: of the kinds of rules, which are not told of Direct, and of the streams of their
/// flows, which can have any name that begins with `Custom-`. Each is known by a value that it has.
const INCOMPLETE: [&str; 2] = ["Linux", "Microsoft-Syslog"];

/// Whether the values are all that there are.
pub(super) fn are_all(values: &[&str]) -> bool {
    !INCOMPLETE.iter().any(|value| values.contains(value))
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) shape: Id,
    pub(super) is_required: bool,
    /// Only answers hold it.
    pub(super) is_read_only: bool,
    pub(super) is_nullable: bool,
}

/// Who sends the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The client, a whole resource.
    Sent,
    /// The client, a part of a resource.
    SentInPart,
    /// The service.
    Answered,
}

/// What is wrong with a value, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    /// JSON pointer.
    pub(super) pointer: String,
    pub(super) reason: String,
}

/// Shapes that refer to each other.
#[derive(Debug, Default)]
pub(super) struct Shapes(Vec<Shape>);

impl Shapes {
    pub(super) fn add(&mut self, shape: Shape) -> Id {
        self.0.push(shape);
        self.0.len() - 1
    }

    /// Puts a shape where another was put before, to be referred to by it.
    pub(super) fn set(&mut self, id: Id, shape: Shape) {
        self.0[id] = shape;
    }

    /// The number of the next shape.
    pub(super) fn next(&self) -> Id {
        self.0.len()
    }

    /// What is wrong with the value.
    pub(super) fn check(&self, id: Id, value: &Value, way: Way) -> Vec<Problem> {
        let mut check = Check { shapes: self, way, problems: Vec::new() };
        check.value(id, value, "");
        check.problems
    }
}

struct Check<'a> {
    shapes: &'a Shapes,
    way: Way,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, pointer: &str, reason: impl Into<String>) {
        self.problems.push(Problem { pointer: pointer.to_owned(), reason: reason.into() });
    }

    fn value(&mut self, id: Id, value: &Value, pointer: &str) {
        match (&self.shapes.0[id], value) {
            (Shape::Any, _) | (Shape::Boolean, Value::Bool(_)) => {}
            (Shape::Number { integer, least, most }, Value::Number(number)) => {
                let (is, number) = (number.is_i64() || number.is_u64(), number.as_f64().unwrap());
                if *integer && !is {
                    self.report(pointer, format!("{number} is no integer"));
                }
                if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
                    self.report(pointer, format!("{number} is not between {least:?} and {most:?}"));
                }
            }
            (Shape::Text(text), Value::String(value)) => {
                if let Some(problem) = text.problem(value) {
                    self.report(pointer, problem);
                }
            }
            (Shape::List(item), Value::Array(items)) => {
                for (at, value) in items.iter().enumerate() {
                    self.value(*item, value, &format!("{pointer}/{at}"));
                }
            }
            (Shape::Object { members, others }, Value::Object(object)) => {
                self.object(members, *others, object, pointer);
            }
            (Shape::Either(shapes), value) => self.either(shapes, value, pointer),
            (shape, value) => {
                let wanted = match shape {
                    Shape::Boolean => "boolean",
                    Shape::Number { .. } => "number",
                    Shape::Text(_) => "text",
                    Shape::List(_) => "list",
                    _ => "object",
                };
                self.report(pointer, format!("is no {wanted}: {value}"));
            }
        }
    }

    fn either(&mut self, shapes: &[Id], value: &Value, pointer: &str) {
        let fits = |id: &Id| {
            let mut check = Check { shapes: self.shapes, way: self.way, problems: Vec::new() };
            check.value(*id, value, pointer);
            check.problems.is_empty()
        };
        if !shapes.iter().any(fits) {
            self.report(pointer, format!("is none of the values that are allowed: {value}"));
        }
    }

    fn object(
        &mut self,
        members: &BTreeMap<String, Member>,
        others: Option<Id>,
        object: &Map<String, Value>,
        pointer: &str,
    ) {
        for (name, value) in object {
            let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            match members.get(name) {
                Some(member) if member.is_read_only && self.way != Way::Answered => {
                    self.report(&pointer, "cannot be written");
                }
                Some(member) if member.is_nullable && value.is_null() => {}
                Some(member) => self.value(member.shape, value, &pointer),
                None => match others {
                    Some(shape) => self.value(shape, value, &pointer),
                    None => self.report(&pointer, "is not defined"),
                },
            }
        }
        let is_due = |member: &Member| match self.way {
            Way::Sent => member.is_required && !member.is_read_only,
            Way::SentInPart => false,
            Way::Answered => member.is_required,
        };
        let missing: Vec<_> = members
            .iter()
            .filter(|(name, member)| is_due(member) && !object.contains_key(*name))
            .map(|(name, _)| format!("{pointer}/{name}"))
            .collect();
        missing.iter().for_each(|pointer| self.report(pointer, "is missing"));
    }
}

impl Text {
    fn problem(&self, value: &str) -> Option<String> {
        let length = value.chars().count();
        if !self.values.is_empty() && !self.values.iter().any(|allowed| allowed == value) {
            return Some(format!("`{value}` is none of {}", self.values.join(", ")));
        }
        if self.least.is_some_and(|least| length < least) || self.most.is_some_and(|most| length > most) {
            return Some(format!("`{value}` is {length} characters long, not {:?} to {:?}", self.least, self.most));
        }
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(value)) {
            return Some(format!("`{value}` does not match {pattern}"));
        }
        let is_sound = match self.format.as_deref() {
            Some("uuid") => uuid::Uuid::parse_str(value).is_ok(),
            Some("date-time") => value.parse::<jiff::Timestamp>().is_ok(),
            Some("arm-id") => value.starts_with('/'),
            _ => true,
        };
        (!is_sound).then(|| format!("`{value}` is no {}", self.format.as_deref().unwrap_or_default()))
    }
}
