//! How to speak to Azure: which cloud, with which credential, and Azure Resource Manager's rules. Knows neither tables nor
//! Kubernetes; what to create is [`crate::provision`]'s, what to send is [`crate::upload`]'s.

mod answer;
mod arm;
mod claims;
mod cloud;
mod credential;
mod credential_auto;
mod credential_cache;
mod credential_certificate;
mod credential_renewal;
mod credential_token_file;
mod error;
mod operation;
mod session;
mod sign_in;
mod transport;
mod wait;

pub use arm::{Arm, PROVIDERS_VERSION, SUBSCRIPTIONS_VERSION};
pub use claims::Claims;
pub use cloud::Cloud;
pub use credential::{AzureAuth, CredentialSettings};
pub use credential_renewal::renewing;
pub use error::{AzureError, ErrorBody, ServiceError};
pub use session::AzureSession;
pub use wait::{Pace, Sleeper, TokioSleeper};
