//! Ctrl-C and SIGTERM: stop in order, keep what is there.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ui::Printer;

/// Cancels the token at the first signal. The returned task ends with the work that it watches over (abort it).
pub fn cancel_on_signal(stop: CancellationToken, printer: Printer) -> JoinHandle<()> {
    tokio::spawn(async move {
        if signal().await.is_ok() {
            printer.note("stopping: what was read is kept and sealed; kill the process if this takes too long");
            stop.cancel();
        }
    })
}

/// Does the work, or returns nothing when a signal to stop comes first; the work is dropped then.
pub async fn unless_stopped<T>(work: impl Future<Output = T>) -> std::io::Result<Option<T>> {
    tokio::select! {
        done = work => Ok(Some(done)),
        stopped = signal() => stopped.map(|()| None),
    }
}

/// Waits for a signal to stop.
#[cfg(unix)]
pub async fn signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// Waits for a signal to stop.
#[cfg(not(unix))]
pub async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
