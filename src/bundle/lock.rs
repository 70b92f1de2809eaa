//! The lock on `run.json` that a collector holds while it writes a bundle. The system lets go of it when the process ends,
//! however it ends, so it also tells whether anybody is still writing.

use std::{fs::TryLockError, path::Path, time::Duration};

use crate::failure::Failure;

/// How often, and how far apart, the lock is tried while somebody merely looks whether it is held. A look takes microseconds.
const LOOKS: u32 = 200;
const LOOK: Duration = Duration::from_millis(1);

/// Takes the lock of a bundle that is there; released when the file is closed, by the end of the process at the latest.
/// Errors when another process writes the bundle.
pub(super) fn take(dir: &Path) -> anyhow::Result<fs_err::File> {
    let file = fs_err::OpenOptions::new().read(true).append(true).open(dir.join("run.json"))?;
    for _ in 0..LOOKS {
        match file.file().try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if is_looked_at(&file) => std::thread::sleep(LOOK),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => {
                return Err(anyhow::Error::new(error).context(format!("locking {}", dir.display())));
            }
        }
    }
    Err(Failure::new(format!("another process is writing `{}`", dir.display()), "wait until it has ended").into())
}

/// Whether who holds the lock only looks: then it can be shared.
fn is_looked_at(file: &fs_err::File) -> bool {
    let shared = file.file().try_lock_shared().is_ok();
    shared && file.file().unlock().is_ok()
}

/// Whether a process writes the bundle. A file system without locks cannot tell: then it is taken to be written. Errors when
/// `run.json` cannot be opened.
pub(super) fn is_taken(dir: &Path) -> anyhow::Result<bool> {
    let file = fs_err::File::open(dir.join("run.json"))?;
    Ok(file.file().try_lock_shared().is_err())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn it_tells_whether_anybody_writes_and_keeps_a_second_writer_out() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("run.json"), "{}").unwrap();
        assert!(!is_taken(folder.path()).unwrap());
        let writer = take(folder.path()).unwrap();
        assert!(is_taken(folder.path()).unwrap() && is_taken(folder.path()).unwrap());
        assert!(take(folder.path()).unwrap_err().to_string().contains("another process is writing"));
        drop(writer);
        assert!(!is_taken(folder.path()).unwrap());
    }

    #[test]
    fn looking_keeps_no_writer_out() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("run.json"), "{}").unwrap();
        let (done, looking) = (std::sync::atomic::AtomicBool::new(false), folder.path());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    is_taken(looking).unwrap();
                }
            });
            for _ in 0..300 {
                take(looking).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
