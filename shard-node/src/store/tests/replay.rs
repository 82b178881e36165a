//! Crashes on real files: a run on a folder whose every write, sync and rename is journaled, and
//! each prefix of the journal done again on other real files, where the store has to open.

use super::check::write_files;
use super::disk::{Disk, Loss, Op, State};
use super::script::{LIMITS, Script, made_a_round};
use crate::store::DiskStore;
use crate::store::files::{Files, Folder, OpenFile};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A folder of the file system, and the journal of what is done in it.
struct Journaled {
    folder: Folder,
    journal: Disk,
    /// Held while something is done and journaled: the journal has the order of the files.
    order: Arc<Mutex<()>>,
}

impl Journaled {
    fn handle(&self, name: &str, file: Arc<dyn OpenFile>) -> Arc<dyn OpenFile> {
        let number = self.journal.state().names[name];
        Arc::new(JournaledFile { file, number, journal: self.journal.clone(), order: self.order.clone() })
    }

    fn done(&self, act: impl FnOnce() -> io::Result<()>, op: Op) -> io::Result<()> {
        let _order = self.order.lock().expect("nobody panics");
        act()?;
        self.journal.take(op);
        Ok(())
    }
}

impl Files for Journaled {
    fn names(&self) -> io::Result<Vec<String>> {
        self.folder.names()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn OpenFile>> {
        Ok(self.handle(name, self.folder.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn OpenFile>> {
        let order = self.order.lock().expect("nobody panics");
        let file = self.folder.create(name)?;
        self.journal.create(name)?;
        drop(order);
        Ok(self.handle(name, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.done(|| self.folder.rename(from, to), Op::Rename { from: from.to_owned(), to: to.to_owned() })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.done(|| self.folder.remove(name), Op::Remove { name: name.to_owned() })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.done(|| self.folder.sync_names(), Op::SyncNames)
    }
}

struct JournaledFile {
    file: Arc<dyn OpenFile>,
    number: usize,
    journal: Disk,
    order: Arc<Mutex<()>>,
}

impl JournaledFile {
    fn done(&self, act: impl FnOnce() -> io::Result<()>, op: Op) -> io::Result<()> {
        let _order = self.order.lock().expect("nobody panics");
        act()?;
        self.journal.take(op);
        Ok(())
    }
}

impl OpenFile for JournaledFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read(buffer, offset)
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let at = usize::try_from(offset).expect("small");
        let op = Op::Write { file: self.number, offset: at, bytes: bytes.to_vec() };
        self.done(|| self.file.write(bytes, offset), op)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let op = Op::Truncate { file: self.number, length: usize::try_from(length).expect("small") };
        self.done(|| self.file.truncate(length), op)
    }

    fn forget(&self, range: Range<u64>) -> io::Result<()> {
        self.file.forget(range)
    }

    fn sync(&self) -> io::Result<()> {
        self.done(|| self.file.sync(), Op::Sync { file: self.number })
    }
}

fn open(files: Arc<dyn Files>, index: &Path) -> DiskStore {
    DiskStore::open_with(files, index, LIMITS, Some("this boot".to_owned()), Box::new(|| ())).expect("opens")
}

/// A run on real files, and its journal.
fn journaled_run() -> (Script, Vec<Op>) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let journal = Disk::default();
    let files =
        Journaled { folder: Folder::open(&log).expect("made"), journal: journal.clone(), order: Arc::default() };
    let mut script = Script::new();
    let mut store = open(Arc::new(files), &folder.path().join("index"));
    script.run(&journal, &mut store, made_a_round);
    drop(store);
    let state = journal.state().clone();
    assert_eq!(contents(&log), of_state(&state), "the journal leads to what is on disk");
    (script, state.ops)
}

fn contents(log: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(log).expect("listed").map(|entry| entry.expect("an entry").path());
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    entries.map(|path| (name(&path), fs::read(&path).expect("read"))).collect()
}

fn of_state(state: &State) -> BTreeMap<String, Vec<u8>> {
    state.names.iter().map(|(name, file)| (name.clone(), state.files[file].clone())).collect()
}

/// Opens what is in `folder`, which must be what some turn from `reported` on left.
fn recover(script: &Script, folder: &Path, reported: u64, what: &str) {
    let store = open(Arc::new(Folder::at(&folder.join("log"))), &folder.join("index"));
    assert!(store.turn() >= reported, "{what}: turn {} is there, {reported} was durable", store.turn());
    let moment = &script.moments[usize::try_from(store.turn()).expect("small")];
    assert_eq!(moment.read(&store).as_ref(), Ok(&moment.content), "{what}: turn {}", store.turn());
    moment.check_pruned(&store, what);
}

/// Crashes with `loss` after each operation that changes what such a crash leaves.
fn crash_everywhere(loss: Loss, changes: impl Fn(&Op) -> bool) {
    let (script, ops) = journaled_run();
    let folder = tempfile::tempdir().expect("a folder");
    let mut reported = 0;
    let mut crashes = 0;
    for (at, op) in ops.iter().enumerate() {
        match op {
            Op::Reported(turn) => reported = *turn,
            op if changes(op) => {
                write_files(&State::after_crash(&ops[..=at], loss), &folder.path().join("log"));
                let _ = fs::remove_dir_all(folder.path().join("index"));
                recover(&script, folder.path(), reported, &format!("{loss:?} after operation {at} of {}", ops.len()));
                crashes += 1;
            }
            _ => {}
        }
    }
    assert!(crashes > 50, "{crashes}");
}

#[test]
fn every_prefix_of_a_run_on_real_files_opens_with_all_that_was_reported() {
    crash_everywhere(Loss::Nothing, |op| !matches!(op, Op::Sync { .. } | Op::SyncNames));
}

#[test]
fn what_was_synced_of_every_prefix_of_a_run_on_real_files_opens_with_all_that_was_reported() {
    crash_everywhere(Loss::Everything, |op| matches!(op, Op::Sync { .. } | Op::SyncNames));
}

#[test]
fn a_write_torn_in_two_after_every_prefix_of_a_run_on_real_files_takes_nothing_reported() {
    crash_everywhere(Loss::Tail, |op| matches!(op, Op::Write { .. }));
}
