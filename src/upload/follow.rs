//! Uploading a bundle while it is being written: what its journal names is sent, until it is sealed; then the rest, and the
//! sums are those of the sealed bundle.

use std::{path::Path, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Client, Options, Progress, Session, Summary, origin::Origin};
use crate::{
    bundle::Growing,
    failure::{ExitStatus, Failure},
    provision::deployment::Deployment,
};

/// How often the journal is read. The collection makes its parts durable about once a second.
const PAUSE: Duration = Duration::from_secs(2);

/// Uploads the bundle in `dir`, which need not exist yet, until it is sealed and all of it has been dealt with. A collector
/// that was killed lets go of the bundle's lock; `ended` tells that nobody will write to it, even if it was never begun.
///
/// # Errors
/// Those of [`super::upload`]; and when the writing has ended without a seal. Running it again goes on.
pub async fn follow(
    dir: &Path,
    deployment: &Deployment,
    client: &Client,
    options: Options,
    ended: &CancellationToken,
    progress: &dyn Progress,
) -> anyhow::Result<Summary> {
    let sleeper = std::sync::Arc::clone(&options.sleeper);
    let wait = async || {
        tokio::select! {
            () = sleeper.sleep(PAUSE) => {}
            () = ended.cancelled() => {}
        }
    };
    let mut is_told = false;
    let growing = loop {
        let has_ended = ended.is_cancelled();
        match Growing::open(dir)? {
            Some(growing) => break growing,
            None if has_ended => return Err(not_sealed(dir).into()),
            None => {
                if !std::mem::replace(&mut is_told, true) {
                    progress.note(&format!("waiting for a collection to begin in `{}`", dir.display()));
                }
                wait().await;
            }
        }
    };
    let session = Session::open(&Origin::growing(&growing)?, deployment, client, options, progress)?;
    loop {
        // Asked before the journal is read, so that what was written last is not missed.
        let has_ended = ended.is_cancelled() || !growing.is_being_written()?;
        if let Some(bundle) = growing.sealed()? {
            let origin = Origin::sealed(&bundle)?;
            session.pass(&origin).await?;
            return session.summary(&origin).await;
        }
        let origin = Origin::growing(&growing)?;
        if let Err(error) = session.pass(&origin).await {
            // A part that a later try took the place of may be gone before it was read; the journal says so.
            if Origin::growing(&growing)?.has_all_of(&origin) {
                return Err(error);
            }
            continue;
        }
        if has_ended {
            return Err(not_sealed(dir).into());
        }
        wait().await;
    }
}

fn not_sealed(dir: &Path) -> Failure {
    Failure::new(
        format!(
            "the bundle `{}` is unfinished: its collection has ended without sealing it; what it finished was uploaded",
            dir.display()
        ),
        format!(
            "go on with `kubectl forensys collect --resume {0}`, then `kubectl forensys upload {0}`, which sends the rest",
            dir.display()
        ),
    )
    .with_status(ExitStatus::Interrupted)
}
