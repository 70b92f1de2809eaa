//! JSON values in the syntax of Bicep and of Terraform, which differ in little but their strings. Pure.

use serde_json::Value;

/// How a language writes objects, lists and strings.
pub(super) struct Syntax {
    /// Between the name and the value of a member.
    pub(super) assign: &'static str,
    /// After each item of a list.
    pub(super) separator: &'static str,
    /// A string with its quotes.
    pub(super) string: fn(&str) -> String,
}

pub(super) const BICEP: Syntax = Syntax { assign: ": ", separator: "", string: bicep_string };
pub(super) const TERRAFORM: Syntax = Syntax { assign: " = ", separator: ",", string: terraform_string };

impl Syntax {
    /// The value, whose first line stands behind `indent` already.
    pub(super) fn value(&self, value: &Value, indent: &str) -> String {
        let deeper = format!("{indent}  ");
        match value {
            Value::String(text) => (self.string)(text),
            Value::Object(members) if !members.is_empty() => {
                let lines: String = members.iter().map(|(name, value)| self.member(name, value, &deeper)).collect();
                format!("{{\n{lines}{indent}}}")
            }
            Value::Array(items) if !items.is_empty() => {
                let line = |item: &Value| format!("{deeper}{}{}\n", self.value(item, &deeper), self.separator);
                format!("[\n{}{indent}]", items.iter().map(line).collect::<String>())
            }
            plain => plain.to_string(),
        }
    }

    /// A member of an object, with its line's end.
    pub(super) fn member(&self, name: &str, value: &Value, indent: &str) -> String {
        let plain = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
            && !name.starts_with(|first: char| first.is_ascii_digit());
        let name = if plain { name.to_owned() } else { (self.string)(name) };
        format!("{indent}{name}{}{}\n", self.assign, self.value(value, indent))
    }
}

/// <https://learn.microsoft.com/azure/azure-resource-manager/bicep/data-types#strings>
fn bicep_string(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "\\'").replace("${", "\\${");
    format!("'{}'", escaped.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t"))
}

/// <https://developer.hashicorp.com/terraform/language/expressions/strings>
fn terraform_string(text: &str) -> String {
    Value::from(text.replace("${", "$${").replace("%{", "%%{")).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_mean_what_they_say_in_each_language() {
        let text = r#"it's \ "${x}" %{y}"#;
        assert_eq!(BICEP.value(&json!(text), ""), r#"'it\'s \\ "\${x}" %{y}'"#);
        assert_eq!(TERRAFORM.value(&json!(text), ""), r#""it's \\ \"$${x}\" %%{y}""#);
    }

    #[test]
    fn objects_and_lists_are_indented() {
        let value = json!({"a-b": [1, {"c": true}], "d": {}});
        assert_eq!(BICEP.value(&value, ""), "{\n  'a-b': [\n    1\n    {\n      c: true\n    }\n  ]\n  d: {}\n}");
        assert_eq!(TERRAFORM.value(&json!({"e": ["x"]}), ""), "{\n  e = [\n    \"x\",\n  ]\n}");
    }
}
