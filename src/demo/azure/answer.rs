//! An answer before it becomes HTTP, with the error bodies of Azure Resource Manager and of the ingestion API
//! (<https://github.com/Azure/azure-resource-manager-rpc>, `common-api-details`: error response).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

/// Status, headers and JSON body.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

impl Answer {
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    pub(super) fn json(status: StatusCode, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    pub(super) fn ok(body: Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// A page of a list that has no further pages.
    pub(super) fn list(items: impl IntoIterator<Item = Value>) -> Self {
        Self::ok(json!({"value": items.into_iter().collect::<Vec<_>>()}))
    }

    pub(super) fn error(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self::json(status, json!({"error": {"code": code, "message": message.into()}}))
            .header("x-ms-error-code", code.to_owned())
    }

    pub(super) fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::error(StatusCode::BAD_REQUEST, code, message)
    }

    /// An error whose reasons stand in `details`, as the data collection rules' API puts them.
    pub(super) fn with_details(mut self, details: Vec<Value>) -> Self {
        if let Some(error) = self.body.as_mut().and_then(|body| body.get_mut("error")).and_then(Value::as_object_mut) {
            error.insert("details".to_owned(), Value::Array(details));
        }
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn resource_not_found(id: &str) -> Self {
        let message = format!(
            "The Resource '{id}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        );
        Self::error(StatusCode::NOT_FOUND, "ResourceNotFound", message)
    }

    /// The HTTP form. `byte_order_mark` puts one before the body, as some of Azure's services have done.
    pub(super) fn into_response(self, byte_order_mark: bool) -> Response<Full<Bytes>> {
        let mut body = if byte_order_mark { "\u{feff}".to_owned().into_bytes() } else { Vec::new() };
        let has_body = self.body.is_some();
        match &self.body {
            Some(value) => body.extend_from_slice(value.to_string().as_bytes()),
            None => body.clear(),
        }
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if has_body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        }
        if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
            headers.insert("x-ms-request-id", id);
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}
