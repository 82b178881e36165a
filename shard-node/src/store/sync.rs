//! The thread that makes turns durable: whatever has been applied, with one sync.

use super::Notify;
use queue::store::{StoreError, TurnId};
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// Hands applied turns to the sync thread, and knows what is durable.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled after every change of the state.
    changed: Condvar,
}

/// Invariant: `durable <= applied`.
struct State {
    applied: TurnId,
    durable: TurnId,
    failure: Option<StoreError>,
    closing: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the lock")
    }
}

impl Syncer {
    /// Starts the thread; all up to `turn` is durable already.
    pub(super) fn start(tree: sled::Db, log: File, turn: TurnId, notify: Notify) -> std::io::Result<Self> {
        let state = State { applied: turn, durable: turn, failure: None, closing: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let thread = std::thread::Builder::new().name("store-sync".to_owned()).spawn({
            let shared = shared.clone();
            move || run(&shared, &tree, &log, &notify)
        })?;
        Ok(Syncer { shared, thread: Some(thread) })
    }

    /// The newest durable turn.
    pub(super) fn durable(&self) -> TurnId {
        self.shared.lock().durable
    }

    /// Asks for `turn` to be made durable.
    pub(super) fn applied(&self, turn: TurnId) {
        self.shared.lock().applied = turn;
        self.shared.changed.notify_all();
    }

    /// Waits until `turn` is durable.
    pub(super) fn wait(&self, turn: TurnId) -> Result<TurnId, StoreError> {
        let waiting = |state: &mut State| state.durable < turn && state.failure.is_none();
        let state = self
            .shared
            .changed
            .wait_while(self.shared.lock(), waiting)
            .expect("no code panics while it holds the lock");
        state.failure.clone().map_or(Ok(state.durable), Err)
    }

    /// The first failure, for ever.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.shared.lock().failure.clone().map_or(Ok(()), Err)
    }

    /// Passes a result on, and keeps its error for every later call.
    pub(super) fn poison<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.shared.lock().failure.get_or_insert_with(|| error.clone());
        }
        result
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's sync thread panicked");
        }
    }
}

fn run(shared: &Shared, tree: &sled::Db, log: &File, notify: &Notify) {
    loop {
        let idle = |state: &mut State| state.applied == state.durable && !state.closing;
        let target = {
            let state = shared.changed.wait_while(shared.lock(), idle).expect("no code panics while it holds the lock");
            if state.applied == state.durable || state.failure.is_some() {
                return;
            }
            state.applied
        };
        let synced = tree.flush().map_err(|error| error.to_string());
        let synced = synced.and_then(|_| log.sync_data().map_err(|error| error.to_string()));
        let mut state = shared.lock();
        match synced {
            Ok(()) => state.durable = target,
            Err(reason) => state.failure = Some(StoreError::Medium(format!("syncing failed: {reason}"))),
        }
        drop(state);
        shared.changed.notify_all();
        notify();
    }
}
