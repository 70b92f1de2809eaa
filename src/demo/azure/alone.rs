//! The in-process Azure alone, for a shell: `demo --serve azure`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{Azure, Settings};

/// What a shell needs to use a served Azure.
#[derive(Clone, Debug)]
pub struct Served {
    /// Base address.
    pub address: String,
    /// What `--cloud` takes.
    pub cloud_file: PathBuf,
    /// Shell assignments of the credentials, to be sourced.
    pub env_file: PathBuf,
    /// What a person can do next, in several lines.
    pub instructions: String,
}

/// Serves until `until` ends; `tell` is called once, when it answers. The files go to `folder`, which is made if needed.
/// Returns the rows that arrived, per table.
///
/// # Errors
/// The port is taken or the folder cannot be written.
pub async fn serve(
    settings: Settings,
    folder: &Path,
    tell: impl FnOnce(&Served) -> anyhow::Result<()>,
    until: impl Future<Output = ()>,
) -> anyhow::Result<std::collections::BTreeMap<String, usize>> {
    let azure = Azure::start(settings).await?;
    tell(&served(&azure, folder)?)?;
    until.await;
    let arrived = azure.arrived();
    azure.stop().await;
    Ok(arrived)
}

/// Writes the files of a running Azure into a folder, which is made if needed.
///
/// # Errors
/// The folder cannot be written.
pub fn served(azure: &Azure, folder: &Path) -> anyhow::Result<Served> {
    let cloud_file = azure.cloud_file(folder)?;
    let folder = fs_err::canonicalize(folder)?;
    let env_file = folder.join("azure.env");
    fs_err::write(&env_file, variables(azure, &folder)?)?;
    let address = azure.address().to_owned();
    let (cloud, env) = (cloud_file.display(), env_file.display());
    let instructions = format!(
        "An Azure of its own answers at {address} until Ctrl-C. In another shell:\n\n  \
         . {env}\n  \
         kubectl forensys provision --cloud {cloud} -g ir-rg --create-resource-group -l westeurope\n  \
         kubectl forensys upload BUNDLE\n  \
         kubectl forensys cleanup\n\n\
         What arrived: GET {address}/arrived and {address}/arrived/TABLE/record_ids\n"
    );
    Ok(Served { address, cloud_file, env_file, instructions })
}

/// The names are those that Microsoft's libraries read.
fn variables(azure: &Azure, folder: &Path) -> anyhow::Result<String> {
    let credentials = azure.credentials();
    let certificate = folder.join("client.pem");
    fs_err::write(&certificate, &credentials.client_certificate()?.pem)?;
    let token = folder.join("federated-token");
    fs_err::write(&token, &credentials.federated_token)?;
    let mut text = String::new();
    let authority = azure.authority_pem().map(|_| folder.join("ca.pem").display().to_string());
    let variables = [
        ("AZURE_AUTHORITY_HOST", Some(azure.address().to_owned())),
        ("AZURE_TENANT_ID", Some(credentials.tenant_id.clone())),
        ("AZURE_CLIENT_ID", Some(credentials.client_id.clone())),
        ("AZURE_CLIENT_SECRET", Some(credentials.client_secret.clone())),
        ("AZURE_SUBSCRIPTION_ID", Some(credentials.subscription_id.clone())),
        ("FORENSYS_PRINCIPAL_OBJECT_ID", Some(credentials.principal_object_id.clone())),
        ("FORENSYS_CLIENT_CERTIFICATE", Some(certificate.display().to_string())),
        ("FORENSYS_FEDERATED_TOKEN_FILE", Some(token.display().to_string())),
        ("FORENSYS_CA_FILE", authority),
    ];
    for (name, value) in variables {
        if let Some(value) = value {
            writeln!(text, "export {name}='{value}'")?;
        }
    }
    Ok(text)
}
