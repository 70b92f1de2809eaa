//! What follows from a table's declaration: Azure's two bodies, the JSON schema and the reference in README.md.

use serde_json::{Value, json};

use super::{Kind, Role, Table};

impl Kind {
    /// The type's name in the workspace tables API (Microsoft.OperationalInsights `tables`, property `columns[].type`).
    pub fn workspace_name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Long => "long",
            Self::Boolean => "boolean",
            Self::DateTime => "dateTime",
        }
    }

    /// The type's name in a data collection rule (Microsoft.Insights, `streamDeclarations.*.columns[].type`).
    pub fn stream_name(self) -> &'static str {
        match self {
            Self::DateTime => "datetime",
            other => other.workspace_name(),
        }
    }
}

impl Table {
    /// The name of the table's stream in a data collection rule.
    pub fn stream(&self) -> String {
        format!("Custom-{}", self.name)
    }

    /// `properties.schema` of the workspace table's PUT body.
    pub fn workspace_schema(&self) -> Value {
        let columns: Vec<_> =
            self.columns().map(|column| json!({"name": column.name, "type": column.kind.workspace_name()})).collect();
        json!({"name": self.name, "columns": columns})
    }

    /// The table's entry in `streamDeclarations` of its data collection rule.
    pub fn stream_declaration(&self) -> Value {
        let columns: Vec<_> =
            self.columns().map(|column| json!({"name": column.name, "type": column.kind.stream_name()})).collect();
        json!({"columns": columns})
    }

    /// The table's section of the reference in README.md; ends in a newline.
    pub fn markdown(&self) -> String {
        let mut text = format!("#### `{}`\n\n{}\n\n| column | type | |\n|---|---|---|\n", self.name, tidy(self.doc));
        for column in self.own {
            let role = match column.role {
                Role::Key => "**key** ",
                Role::Evidence | Role::Derived => "",
            };
            let doc = tidy(column.doc).replace('|', "\\|");
            text.push_str(&format!("| `{}` | {} | {role}{doc} |\n", column.name, column.kind.workspace_name()));
        }
        text
    }
}

/// Joins the lines of a doc comment into one.
pub(crate) fn tidy(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// JSON schema (2020-12) of one line of the table.
pub fn json_schema(table: &Table) -> Value {
    let properties: serde_json::Map<String, Value> = table
        .columns()
        .map(|column| {
            let (kind, format) = match column.kind {
                Kind::String => ("string", None),
                Kind::Long => ("integer", None),
                Kind::Boolean => ("boolean", None),
                Kind::DateTime => ("string", Some("date-time")),
            };
            let mut schema = json!({"type": kind, "description": tidy(column.doc)});
            if let (Some(format), Some(object)) = (format, schema.as_object_mut()) {
                object.insert("format".to_owned(), json!(format));
            }
            (column.name.to_owned(), schema)
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": table.name,
        "description": tidy(table.doc),
        "type": "object",
        "properties": properties,
        "required": ["TimeGenerated", "RunId", "RecordId"],
        "additionalProperties": false,
    })
}
