//! The embedded default: an in-process Kubernetes API that serves one recorded compromise, and an in-process Azure that
//! enforces the service's documented rules. Both bind to loopback only; they are the demo and the test fixtures.

pub mod azure;
pub mod kubernetes;
pub mod scenario;
pub mod serve;
pub mod summary;
pub mod tls;
