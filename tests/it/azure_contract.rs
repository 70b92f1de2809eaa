//! The contract with Azure.
mod coverage;
mod path;
mod runs;

use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn x() {
    let exchanges = runs::all().await;
    let calls = coverage::Calls::read();
    assert_eq!(calls.unlisted(&exchanges), BTreeSet::new());
    assert_eq!(calls.unsaid(&exchanges), BTreeSet::new());
}
