//! The thread that makes records durable, whatever was appended with one sync, and then takes
//! them to the index.

use super::Notify;
use super::files::OpenFile;
use super::index::{Changes, Index};
use super::keeper::Keeper;
use super::log::Position;
use super::medium;
use queue::store::{StoreError, TurnId};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most bytes of records that may wait for their sync; appending waits beyond. Bounds the memory.
const WAITING_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes of records that are taken to the index at once, whatever else is to be done: the more, the fewer
/// pages sled writes again. Until then their rows are in memory: little of long records, most of short ones.
const APPLIED_BYTES: u64 = 16 * 1024 * 1024;

/// An appended record.
pub(super) struct Waiting {
    /// Files to sync, in order.
    pub(super) files: Vec<Arc<dyn OpenFile>>,
    pub(super) changes: Changes,
    /// Behind the record.
    pub(super) position: Position,
    /// The record's length, in bytes.
    pub(super) bytes: u64,
}

/// What is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Durable {
    pub(super) turn: TurnId,
    pub(super) number: u64,
}

/// Finished segments that the system keeps in memory: a reader that follows within a second finds what it
/// reads there. The next ones come into the same memory, and finding other memory costs more than writing.
const CACHED_SEGMENTS: usize = 1;

/// Hands records to the sync thread, and knows what is durable.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled after every change of the state.
    changed: Condvar,
}

struct State {
    waiting: Vec<Waiting>,
    /// Bytes of records that aren't durable yet.
    waiting_bytes: u64,
    durable: Durable,
    failure: Option<StoreError>,
    closing: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the lock")
    }

    fn wait_while(&self, is_waiting: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        self.changed.wait_while(self.lock(), is_waiting).expect("no code panics while it holds the lock")
    }

    /// As [`Shared::wait_while`], for at most `pause`.
    fn wait_briefly(&self, pause: Duration, is_waiting: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.lock(), pause, is_waiting);
        waited.expect("no code panics while it holds the lock").0
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

impl Syncer {
    /// Starts the thread; all up to `durable` is durable already. Without a record for `apply_pause`,
    /// what is durable is taken to the index.
    pub(super) fn start(
        index: Arc<Index>,
        keeper: Keeper,
        durable: Durable,
        apply_pause: Duration,
        notify: Notify,
    ) -> std::io::Result<Self> {
        let state = State { waiting: Vec::new(), waiting_bytes: 0, durable, failure: None, closing: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let thread = std::thread::Builder::new().name("store-sync".to_owned()).spawn({
            let shared = shared.clone();
            move || run(&shared, &index, keeper, apply_pause, &notify)
        })?;
        Ok(Syncer { shared, thread: Some(thread) })
    }

    /// What is durable.
    pub(super) fn durable(&self) -> Durable {
        self.shared.lock().durable
    }

    /// Asks for a record to be made durable; waits if too many do.
    pub(super) fn submit(&self, record: Waiting) {
        let is_full = |state: &mut State| state.waiting_bytes > WAITING_BYTES_MAX && state.failure.is_none();
        let mut state = self.shared.wait_while(is_full);
        state.waiting_bytes += record.bytes;
        state.waiting.push(record);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits until `turn` is durable.
    pub(super) fn wait(&self, turn: TurnId) -> Result<TurnId, StoreError> {
        let state = self.shared.wait_while(|state| state.durable.turn < turn && state.failure.is_none());
        state.failure.clone().map_or(Ok(state.durable.turn), Err)
    }

    /// The first failure, for ever.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.shared.lock().failure.clone().map_or(Ok(()), Err)
    }

    /// Passes a result on; an error is the first one, which is kept for every later call.
    pub(super) fn poison<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.map_err(|error| {
            let first = self.shared.lock().failure.get_or_insert(error).clone();
            self.shared.changed.notify_all();
            first
        })
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.update(|state| state.closing = true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's sync thread panicked");
        }
    }
}

fn run(shared: &Shared, index: &Index, mut keeper: Keeper, apply_pause: Duration, notify: &Notify) {
    let mut finished = VecDeque::new();
    let mut unapplied = Unapplied::default();
    loop {
        let is_all_applied = unapplied.changes.is_empty();
        let records = {
            let is_idle = |state: &mut State| state.waiting.is_empty() && !state.closing && state.failure.is_none();
            let mut state =
                if is_all_applied { shared.wait_while(is_idle) } else { shared.wait_briefly(apply_pause, is_idle) };
            if state.failure.is_some() || (state.waiting.is_empty() && is_all_applied) {
                return;
            }
            std::mem::take(&mut state.waiting)
        };
        let is_idle = records.is_empty();
        let result = make_durable(shared, records, &mut finished, &mut unapplied, notify).and_then(|()| {
            let is_due = is_idle || unapplied.bytes >= APPLIED_BYTES;
            if is_due { keeper.note(apply(index, &mut unapplied)?) } else { Ok(()) }
        });
        if let Err(error) = result {
            tracing::error!(%error, "the store stops");
            shared.update(|state| {
                state.failure.get_or_insert(error);
            });
            notify();
            return;
        }
    }
}

/// Durable records that the index doesn't have yet.
#[derive(Default)]
struct Unapplied {
    changes: Vec<(u64, Changes)>,
    /// Behind the newest.
    position: Option<Position>,
    bytes: u64,
}

/// Syncs records, and says so.
fn make_durable(
    shared: &Shared,
    records: Vec<Waiting>,
    finished: &mut VecDeque<Arc<dyn OpenFile>>,
    unapplied: &mut Unapplied,
    notify: &Notify,
) -> Result<(), StoreError> {
    let mut files: Vec<&Arc<dyn OpenFile>> = records.iter().flat_map(|record| &record.files).collect();
    files.dedup_by(|one, other| Arc::ptr_eq(one, other));
    for file in &files {
        file.sync().map_err(|error| medium("syncing the log failed", &error))?;
    }
    finished.extend(files.iter().take(files.len().saturating_sub(1)).map(|file| Arc::clone(file)));
    while finished.len() > CACHED_SEGMENTS
        && let Some(file) = finished.pop_front()
    {
        let forgotten = file.length().and_then(|length| file.forget(0..length));
        forgotten.map_err(|error| medium("a segment can't be left to the disk", &error))?;
    }
    let Some(position) = records.last().map(|record| record.position) else { return Ok(()) };
    let bytes = records.iter().map(|record| record.bytes).sum::<u64>();
    shared.update(|state| {
        state.durable = Durable { turn: position.turn, number: position.number };
        state.waiting_bytes -= bytes;
    });
    notify();
    unapplied.position = Some(position);
    unapplied.bytes += bytes;
    unapplied.changes.extend(records.into_iter().map(|record| (record.position.number, record.changes)));
    Ok(())
}

/// Takes durable records to the index together: much of what it costs is the same for many. Returns their
/// length in bytes.
fn apply(index: &Index, unapplied: &mut Unapplied) -> Result<u64, StoreError> {
    let Unapplied { changes, position, bytes } = std::mem::take(unapplied);
    index.apply(&changes, position.as_ref())?;
    Ok(bytes)
}
