//! What was asked and what was answered, word for word, for whoever wants to hold it against Microsoft's definitions.
//!
//! Limits: a request whose connection a fault ended before it was read is not in it, and neither is one whose body ended early.

use bytes::Bytes;
use http::{HeaderMap, Method, Response, Uri};
use serde_json::Value;

use super::{
    call::Call,
    faults::{Alter, Fault},
};

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request's method.
    pub method: Method,
    /// Its path and query, as they were sent.
    pub target: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as it was sent.
    pub body: Bytes,
    /// Status of the answer.
    pub status: u16,
    /// Headers of the answer.
    pub answer_headers: HeaderMap,
    /// Body of the answer; none when it is empty. A byte order mark is left out.
    pub answer: Option<Value>,
    /// The answer is not that of a service but was written into a fault.
    pub is_scripted: bool,
    /// How faults have spoiled the answer.
    pub altered: Vec<Alter>,
}

impl Exchange {
    /// What the call came to. `answer` is the body of the response.
    pub(super) fn new<B>(call: Call, response: &Response<B>, answer: Option<Value>, acting: &[Fault]) -> Self {
        Self {
            method: call.method,
            target: call.target,
            headers: call.headers,
            body: call.body,
            status: response.status().as_u16(),
            answer_headers: response.headers().clone(),
            answer,
            is_scripted: acting.iter().any(|fault| fault.answer.is_some()),
            altered: acting.iter().filter_map(|fault| fault.alter).collect(),
        }
    }
}
