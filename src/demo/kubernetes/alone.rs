//! The in-process Kubernetes API alone, for a shell: `demo --serve kubernetes`.

use super::{Kubernetes, KubernetesHandle, RecordedRequest, Settings};
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// What a shell needs to use a served API.
#[derive(Clone, Debug)]
pub struct Served {
    /// Base address.
    pub address: String,
    /// What `--kubeconfig` takes.
    pub kubeconfig: PathBuf,
    /// What a person can do next, in several lines.
    pub instructions: String,
}

/// Serves until `until` ends; `tell` is called once, when it answers. The kubeconfig goes to `folder`, which is made if needed.
/// Returns the requests that were answered, in the order of their answers.
///
/// # Errors
/// The port is taken, the folder cannot be written, or `tell` fails.
pub async fn serve(
    settings: Settings,
    folder: &Path,
    tell: impl FnOnce(&Served) -> anyhow::Result<()>,
    until: impl Future<Output = ()>,
) -> anyhow::Result<Vec<RecordedRequest>> {
    let api = Kubernetes::start(settings).await?;
    tell(&write(&api, folder)?)?;
    until.await;
    let answered = api.requests();
    api.stop().await;
    Ok(answered)
}

fn write(api: &KubernetesHandle, folder: &Path) -> anyhow::Result<Served> {
    fs_err::create_dir_all(folder).context("making the folder for the kubeconfig; name another one")?;
    let kubeconfig = api.kubeconfig(&fs_err::canonicalize(folder)?)?;
    let (address, file) = (api.url(), kubeconfig.display());
    let instructions = format!(
        "A Kubernetes API of its own answers at {address} until Ctrl-C, with a recorded compromise in it. In another shell:\n\n  \
         export KUBECONFIG={file}\n  \
         kubectl get pods -A\n  \
         kubectl forensys collect -A\n\n\
         It can only be read. Two lists of network policies are forbidden and one log is gone, on purpose.\n"
    );
    Ok(Served { address, kubeconfig, instructions })
}
