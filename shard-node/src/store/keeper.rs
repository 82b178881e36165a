//! The thread that writes the index to its file and makes snapshots, as the log grows.

use super::files::Files;
use super::index::Index;
use super::{Limits, snapshot};
use queue::store::StoreError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::JoinHandle;

/// Told how much was appended, works beside the sync thread.
pub(super) struct Keeper {
    /// `None` once the thread is to stop.
    sender: Option<SyncSender<u64>>,
    /// Bytes of records that the thread wasn't told of yet.
    untold: u64,
    flush_bytes: u64,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Keeper {
    /// Starts the thread. It raises `covered` to the segment in which the newest snapshot begins:
    /// those below aren't needed for a rebuild. `since` bytes follow the snapshot that there is.
    pub(super) fn start(
        files: Arc<dyn Files>,
        index: Arc<Index>,
        limits: Limits,
        covered: Arc<AtomicU64>,
        since: u64,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let is_stopped = Arc::new(AtomicBool::new(false));
        let work = Work { files, index, limits, covered, since, is_stopped: is_stopped.clone() };
        let thread = std::thread::Builder::new().name("store-keeper".to_owned()).spawn(move || work.run(&receiver))?;
        let flush_bytes = limits.flush_bytes;
        Ok(Keeper { sender: Some(sender), untold: 0, flush_bytes, is_stopped, thread: Some(thread) })
    }

    /// Says that `bytes` more are in the index.
    ///
    /// # Errors
    /// The failure that stopped the thread.
    pub(super) fn note(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.untold += bytes;
        if self.untold < self.flush_bytes {
            return Ok(());
        }
        let Some(sender) = &self.sender else { return Ok(()) };
        match sender.try_send(self.untold) {
            Ok(()) => self.untold = 0,
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => return self.join(),
        }
        Ok(())
    }

    fn join(&mut self) -> Result<(), StoreError> {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.sender = None;
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(StoreError::Medium("the store's keeper thread panicked".to_owned())))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            tracing::error!(%error, "the store's keeper failed");
        }
    }
}

struct Work {
    files: Arc<dyn Files>,
    index: Arc<Index>,
    limits: Limits,
    covered: Arc<AtomicU64>,
    /// Bytes of records since the newest snapshot began.
    since: u64,
    is_stopped: Arc<AtomicBool>,
}

impl Work {
    fn run(mut self, receiver: &Receiver<u64>) -> Result<(), StoreError> {
        let mut snapshot_bytes = 0;
        for bytes in receiver {
            self.since += bytes;
            if self.since < self.limits.snapshot_bytes.max(self.limits.snapshot_lengths * snapshot_bytes) {
                self.index.flush()?;
                continue;
            }
            let is_stopped = || self.is_stopped.load(Ordering::Relaxed);
            if let Some(written) = snapshot::write(&*self.files, &self.index, is_stopped)? {
                self.covered.store(written.start.segment, Ordering::Release);
                self.since = 0;
                snapshot_bytes = written.bytes;
            }
        }
        Ok(())
    }
}
