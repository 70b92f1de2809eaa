//! The Rust types that a column may hold. Anything else does not compile.

use jiff::Timestamp;

use super::{Kind, append_json_string};

/// A Rust type that can stand in a column.
pub trait Cell: CellValue {
    /// The column type that it becomes.
    const KIND: Kind;
    /// Any present value, for tests of the registry.
    fn sample() -> Self;
}

/// The value of one cell, as the renderer sees it.
pub trait CellValue: Send + Sync {
    /// Appends the value as JSON and returns true, or leaves `out` alone and returns false when there is no value.
    fn append_json(&self, out: &mut Vec<u8>) -> bool;
    /// The text of the cell when it is one: only text can grow beyond what a field may hold.
    fn text(&self) -> Option<&str> {
        None
    }
}

impl Cell for String {
    const KIND: Kind = Kind::String;
    fn sample() -> Self {
        "text".to_owned()
    }
}
impl CellValue for String {
    fn append_json(&self, out: &mut Vec<u8>) -> bool {
        append_json_string(out, self);
        true
    }
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl Cell for i64 {
    const KIND: Kind = Kind::Long;
    fn sample() -> Self {
        7
    }
}
impl CellValue for i64 {
    fn append_json(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(self.to_string().as_bytes());
        true
    }
}

impl Cell for bool {
    const KIND: Kind = Kind::Boolean;
    fn sample() -> Self {
        true
    }
}
impl CellValue for bool {
    fn append_json(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
        true
    }
}

impl Cell for Timestamp {
    const KIND: Kind = Kind::DateTime;
    fn sample() -> Self {
        Self::UNIX_EPOCH
    }
}
impl CellValue for Timestamp {
    fn append_json(&self, out: &mut Vec<u8>) -> bool {
        append_json_string(out, &self.to_string());
        true
    }
}

impl<T: Cell> Cell for Option<T> {
    const KIND: Kind = T::KIND;
    fn sample() -> Self {
        Some(T::sample())
    }
}
impl<T: Cell> CellValue for Option<T> {
    fn append_json(&self, out: &mut Vec<u8>) -> bool {
        self.as_ref().is_some_and(|value| value.append_json(out))
    }
    fn text(&self) -> Option<&str> {
        self.as_ref().and_then(CellValue::text)
    }
}
