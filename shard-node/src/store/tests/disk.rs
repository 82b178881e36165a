//! A folder in memory that remembers every operation on it, and what each crash would leave.

use crate::store::files::{Files, OpenFile};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// One operation.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Create {
        name: String,
        file: usize,
    },
    Write {
        file: usize,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: usize,
        length: usize,
    },
    Sync {
        file: usize,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    SyncNames,
    /// The store said that this turn is durable.
    Reported(u64),
}

/// What a crash leaves of what wasn't synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// All of it: only the process ended.
    Nothing,
    /// Nothing of it, nor the names.
    Everything,
    /// The names, but no content.
    Content,
    /// All but the second half of the last write.
    Tail,
    /// All but the first write to each file.
    First,
}

/// Names, contents and the operations that led to them.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) names: BTreeMap<String, usize>,
    pub(super) files: BTreeMap<usize, Vec<u8>>,
    pub(super) ops: Vec<Op>,
}

impl State {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Create { name, file } => {
                self.names.insert(name.clone(), *file);
                self.files.insert(*file, Vec::new());
            }
            Op::Write { file, offset, bytes } => {
                let content = self.files.get_mut(file).expect("it was made");
                content.resize(content.len().max(offset + bytes.len()), 0);
                content[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Op::Truncate { file, length } => self.files.get_mut(file).expect("it was made").truncate(*length),
            Op::Rename { from, to } => {
                let file = self.names.remove(from).expect("it was made");
                self.names.insert(to.clone(), file);
            }
            Op::Remove { name } => {
                self.names.remove(name);
            }
            Op::Sync { .. } | Op::SyncNames | Op::Reported(_) => {}
        }
    }

    /// What a crash after `ops` leaves.
    pub(super) fn after_crash(ops: &[Op], loss: Loss) -> Self {
        let mut visible = State::default();
        let mut durable = State::default();
        let mut unsynced: Vec<&Op> = Vec::new();
        for op in ops {
            visible.apply(op);
            match op {
                Op::Create { file, .. } => {
                    durable.files.insert(*file, Vec::new());
                }
                Op::Sync { file } => {
                    durable.files.insert(*file, visible.files[file].clone());
                    unsynced.retain(|op| !matches!(op, Op::Write { file: of, .. } if of == file));
                }
                Op::SyncNames => durable.names = visible.names.clone(),
                Op::Write { .. } => unsynced.push(op),
                _ => {}
            }
        }
        match loss {
            Loss::Nothing => return visible,
            Loss::Everything => return durable,
            Loss::Content => durable.names = visible.names,
            Loss::Tail => {
                durable.names = visible.names;
                let last = unsynced.pop();
                unsynced.iter().for_each(|op| durable.apply(op));
                if let Some(Op::Write { file, offset, bytes }) = last {
                    let bytes = bytes[..bytes.len() / 2].to_vec();
                    durable.apply(&Op::Write { file: *file, offset: *offset, bytes });
                }
            }
            Loss::First => {
                durable.names = visible.names;
                unsynced.iter().skip(1).for_each(|op| durable.apply(op));
            }
        }
        durable
    }
}

/// The folder.
#[derive(Clone, Default)]
pub(super) struct Disk {
    state: Arc<Mutex<State>>,
    fails_writes: Arc<AtomicBool>,
    fails_syncs: Arc<AtomicBool>,
}

impl Disk {
    pub(super) fn new(mut state: State) -> Self {
        state.ops.clear();
        Disk { state: Arc::new(Mutex::new(state)), ..Disk::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the lock")
    }

    pub(super) fn take(&self, op: Op) {
        let mut state = self.state();
        state.apply(&op);
        state.ops.push(op);
    }

    /// Fails every write of contents from now on.
    pub(super) fn fail_writes(&self) {
        self.fails_writes.store(true, Ordering::Relaxed);
    }

    /// Fails every sync of contents from now on.
    pub(super) fn fail_syncs(&self) {
        self.fails_syncs.store(true, Ordering::Relaxed);
    }

    fn handle(&self, file: usize) -> Arc<dyn OpenFile> {
        Arc::new(Handle { disk: self.clone(), file })
    }
}

impl Files for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn OpenFile>> {
        let file = self.state().names.get(name).copied();
        file.map(|file| self.handle(file)).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn OpenFile>> {
        let file = self.state().files.keys().last().map_or(0, |last| last + 1);
        self.take(Op::Create { name: name.to_owned(), file });
        Ok(self.handle(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.take(Op::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.take(Op::Remove { name: name.to_owned() });
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        self.take(Op::SyncNames);
        Ok(())
    }
}

struct Handle {
    disk: Disk,
    file: usize,
}

impl OpenFile for Handle {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[&self.file].len() as u64)
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).expect("small");
        let state = self.disk.state();
        let content = state.files[&self.file].get(offset..offset + buffer.len());
        buffer.copy_from_slice(content.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        check(&self.disk.fails_writes)?;
        let offset = usize::try_from(offset).expect("small");
        self.disk.take(Op::Write { file: self.file, offset, bytes: bytes.to_vec() });
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk.take(Op::Truncate { file: self.file, length: usize::try_from(length).expect("small") });
        Ok(())
    }

    fn forget(&self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        check(&self.disk.fails_syncs)?;
        self.disk.take(Op::Sync { file: self.file });
        Ok(())
    }
}

fn check(fails: &AtomicBool) -> io::Result<()> {
    if fails.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}
