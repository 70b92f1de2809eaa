//! What a table is: its name, its columns and the row type that fills them.
//!
//! A table is declared once, with [`table!`](crate::table!), beside the code that fills it. The row struct, the column
//! list, the body of the workspace table, the stream declaration of the data collection rule, the JSON schema and the
//! section in README.md are all projections of that one declaration. No I/O happens here, and nothing in here
//! knows Kubernetes or Azure clients.

mod cell;
mod envelope;
mod projection;
mod render;

pub use cell::{Cell, CellValue};
pub use envelope::{COLUMNS as ENVELOPE_COLUMNS, Envelope};
pub use projection::json_schema;
pub use render::{MAX_FIELD_BYTES, RecordHasher, Rendered, append_json_string, render, split_text};
pub(crate) use render::{hex, hex_of, hex_text};

/// The type of a column, in the words of Azure Monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    String,
    /// A signed integer of 64 bits.
    Long,
    /// True or false.
    Boolean,
    /// A moment in UTC, RFC 3339.
    DateTime,
}

/// What a column is to the identity of its row (`RecordId`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Names the thing the row is about; always part of the identity.
    Key,
    /// What was seen of the thing; part of the identity.
    Evidence,
    /// Computed by this tool or true of one run only; never part of the identity.
    Derived,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name as it stands in the JSON line, in the stream and in the workspace.
    pub name: &'static str,
    /// Type of the column.
    pub kind: Kind,
    /// Part it plays in the row's identity.
    pub role: Role,
    /// What the column holds, one or more sentences.
    pub doc: &'static str,
}

/// A table: a name ending in `_CL`, and its own columns without the envelope.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Name of the custom table, for example `kubelogs_CL`.
    pub name: &'static str,
    /// What the table holds.
    pub doc: &'static str,
    /// The table's own columns; [`Table::columns`] adds the envelope.
    pub own: &'static [Column],
}

impl Table {
    /// Every column of the table in the order of the row: the envelope first, then the table's own.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        ENVELOPE_COLUMNS.iter().chain(self.own)
    }
}

/// A line of one table. Implemented by [`table!`](crate::table!), never by hand.
pub trait Row: Send + Sync {
    /// The table that the row belongs to.
    const TABLE: &'static Table;

    /// Calls `visit` with each of the table's own columns and the row's value for it, in the order of declaration.
    fn cells(&self, visit: &mut dyn FnMut(&'static Column, &dyn CellValue));

    /// A row in which every column has a value, for tests of the registry.
    fn sample() -> Self
    where
        Self: Sized;
}

/// Declares a table and its row struct. `[key]` and `[derived]` before a column set its [`Role`]; the default is evidence.
#[macro_export]
macro_rules! table {
    (@role) => { $crate::table::Role::Evidence };
    (@role key) => { $crate::table::Role::Key };
    (@role derived) => { $crate::table::Role::Derived };
    ($(#[doc = $doc:literal])+ $name:literal: $Row:ident {
        $($(#[doc = $help:literal])+ $([$role:ident])? $column:ident: $ty:ty,)+
    }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $Row { $($(#[doc = $help])+ pub $column: $ty,)+ }

        impl $crate::table::Row for $Row {
            const TABLE: &'static $crate::table::Table = &$crate::table::Table {
                name: $name,
                doc: concat!($($doc),+),
                own: &[$($crate::table::Column {
                    name: stringify!($column),
                    kind: <$ty as $crate::table::Cell>::KIND,
                    role: $crate::table!(@role $($role)?),
                    doc: concat!($($help),+),
                },)+],
            };

            fn cells(&self, visit: &mut dyn FnMut(&'static $crate::table::Column, &dyn $crate::table::CellValue)) {
                let mut columns = <Self as $crate::table::Row>::TABLE.own.iter();
                $(if let Some(column) = columns.next() { visit(column, &self.$column); })+
            }

            fn sample() -> Self {
                Self { $($column: <$ty as $crate::table::Cell>::sample(),)+ }
            }
        }
    };
}
