//! What is answered: headers, resources, and what is refused.

use serde_json::Value;

use super::{
    check::{Check, header},
    definitions::Definition,
    path::Template,
    shape::Way,
};

impl Check<'_> {
    pub(super) fn answer_headers(&mut self, is_long_running: bool) {
        let headers = &self.exchange.answer_headers;
        let (operation, location) = (header(headers, "azure-asyncoperation"), header(headers, "location"));
        let begins = self.exchange.method != "GET";
        if begins && !is_long_running && !(operation.is_empty() && location.is_empty()) {
            self.report("answer/headers", "announces an operation where none is long-running");
        }
        let has_begun = !self.exchange.is_scripted && self.exchange.status == 202;
        if has_begun && operation.is_empty() && location.is_empty() {
            self.report("answer/headers", "202, and no address to ask at");
        }
        for (name, address) in [("azure-asyncoperation", operation), ("retry-after", header(headers, "retry-after"))] {
            let is_sound = match name {
                _ if address.is_empty() => true,
                "retry-after" => address.parse::<u32>().is_ok(),
                _ => url::Url::parse(address).is_ok_and(|url| {
                    let listed = self.calls.find("GET", &Template::new(url.path()));
                    listed.is_some_and(|call| call.version.is_none())
                }),
            };
            if !is_sound {
                self.report(&format!("answer/headers/{name}"), format!("`{address}` is not what a client can use"));
            }
        }
        if self.exchange.answer.is_some() && !header(headers, "content-type").starts_with("application/json") {
            self.report("answer/headers/content-type", "is not application/json");
        }
    }

    pub(super) fn error(&mut self, definition: &Definition<'_>) {
        // Resource Manager has one form of errors for all; some files leave its outer object out.
        let is_managed = self.path.text.starts_with("/subscriptions");
        let own = definition.open.filter(|_| !is_managed).and_then(|open| open.error);
        let shape = own.unwrap_or(self.definitions.error);
        match &self.exchange.answer {
            _ if self.is_altered() || self.exchange.method == "HEAD" => {}
            Some(body) => {
                self.shaped(shape, body, "answer", Way::Answered);
                for member in ["code", "message"] {
                    if body["error"][member].as_str().is_none_or(str::is_empty) {
                        self.report(&format!("answer/error/{member}"), "is missing");
                    }
                }
            }
            None if self.exchange.status < 500 => self.report("answer", "has no body"),
            None => {}
        }
    }

    pub(super) fn answer_body(&mut self, definition: &Definition<'_>) {
        if self.is_altered() {
            return;
        }
        let open = definition.open.and_then(|open| open.answers.get(&self.exchange.status));
        match (open, &self.exchange.answer) {
            (Some(None), Some(_)) => return self.report("answer", "has a body where none is defined"),
            (Some(Some(_)), None) => return self.report("answer", "has no body"),
            (Some(Some(_)), Some(body)) if self.is_status() => {
                // Log Analytics' file has the error within an error, which Resource Manager's common types do not.
                self.shaped(self.definitions.status, body, "answer", Way::Answered);
            }
            (Some(Some(shape)), Some(body)) if self.opens(definition, Way::Answered) => {
                self.shaped(*shape, body, "answer", Way::Answered);
            }
            _ => {}
        }
        let Some(body) = self.exchange.answer.clone() else { return };
        let Some((_, is_one)) = self.path.resource_type().filter(|_| self.exchange.method != "POST") else { return };
        if is_one {
            self.resource(definition, &body, "answer");
            return;
        }
        match body["value"].as_array() {
            Some(items) => items
                .iter()
                .enumerate()
                .for_each(|(at, item)| self.resource(definition, item, &format!("answer/value/{at}"))),
            None => self.report("answer/value", "is no list"),
        }
    }

    fn resource(&mut self, definition: &Definition<'_>, resource: &Value, place: &str) {
        let Some(shape) = definition.bicep else { return };
        let kind = self.path.resource_type().map(|(kind, _)| kind);
        if resource["type"].as_str().map(str::to_lowercase) != kind {
            self.report(&format!("{place}/type"), format!("{} is not {kind:?}", resource["type"]));
        }
        let mut named = resource.clone();
        if let Some(members) = named.as_object_mut() {
            // Azure's services do not agree on the case of its letters.
            members.remove("type");
        }
        self.shaped(shape, &named, place, Way::Answered);
        for member in ["id", "name"] {
            if !resource[member].is_string() {
                self.report(&format!("{place}/{member}"), "is missing");
            }
        }
        let id = resource["id"].as_str().unwrap_or_default();
        if place == "answer" && !id.eq_ignore_ascii_case(&self.path.text) {
            self.report("answer/id", format!("`{id}` is not the resource that was asked for"));
        }
    }
}
