//! Damage that no crash makes: flipped bits, missing files, an index that can't be trusted.

use super::disk::{Disk, State};
use super::script::{LIMITS, Script, made_a_round, open};
use crate::store::replay::Refusal;
use crate::store::{DiskStore, STORE_FORMAT, Store, StoreError, TurnId};
use std::path::Path;
use std::sync::Arc;

pub(super) struct Run {
    pub(super) script: Script,
    pub(super) state: State,
    pub(super) turn: TurnId,
    pub(super) folder: tempfile::TempDir,
}

/// A store that was closed in order.
pub(super) fn closed_store() -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::default();
    let mut script = Script::new();
    let mut store = open(&disk, &folder.path().join("index")).expect("opens");
    script.run(&disk, &mut store, made_a_round);
    let turn = store.wait_durable().expect("healthy");
    drop(store);
    let state = disk.state().clone();
    Run { script, state, turn, folder }
}

impl Run {
    fn segments(&self) -> Vec<(String, usize)> {
        let names = self.state.names.iter().filter(|(name, _)| name.ends_with(".segment"));
        names.map(|(name, file)| (name.clone(), *file)).collect()
    }

    /// Opens `state` and reads all of it; the store's newest turn, or why not.
    fn read_all(&self, state: State, index: &Path) -> Result<TurnId, StoreError> {
        let store = match open(&Disk::new(state), index) {
            Ok(store) => store,
            Err(Refusal::Store(error)) => return Err(error),
            Err(Refusal::OtherFormat(format)) => panic!("format {format}"),
        };
        let moment = &self.script.moments[usize::try_from(store.turn()).expect("small")];
        assert_eq!(moment.read(&store)?, moment.content, "turn {}", store.turn());
        Ok(store.turn())
    }
}

#[test]
fn a_flipped_bit_is_damage_or_harmless_but_never_another_answer() {
    let run = closed_store();
    let index = run.folder.path().join("index");
    let mut damaged = 0;
    for (_, file) in run.segments() {
        for at in (0..run.state.files[&file].len()).step_by(149) {
            let mut state = run.state.clone();
            state.files.get_mut(&file).expect("there")[at] ^= 0x10;
            let _ = std::fs::remove_dir_all(&index);
            match run.read_all(state, &index) {
                Err(StoreError::Damaged(_)) => damaged += 1,
                // Nothing after the last group of records says that it was durable.
                Ok(turn) => assert!(turn + 3 >= run.turn, "file {file} at {at}: turn {turn} of {}", run.turn),
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert!(damaged > 10, "{damaged}");
}

#[test]
fn a_flipped_bit_in_the_last_durable_record_is_told_from_a_torn_tail_by_the_index() {
    let run = closed_store();
    let (_, file) = run.segments().pop().expect("a segment");
    let mut state = run.state.clone();
    let content = state.files.get_mut(&file).expect("there");
    let last = content.windows(4).rposition(|bytes| bytes == b"TURN").expect("a record");
    content[last + 20] ^= 1;
    let index = run.folder.path().join("index");
    for _ in 0..2 {
        let refused = run.read_all(state.clone(), &index);
        assert!(matches!(&refused, Err(StoreError::Damaged(reason)) if reason.contains("durable")), "{refused:?}");
    }
}

#[test]
fn a_missing_segment_is_damage_whichever_it_is() {
    let run = closed_store();
    let segments = run.segments();
    for (name, _) in &segments {
        for keeps_index in [true, false] {
            let folder = tempfile::tempdir().expect("a folder");
            let index = folder.path().join("index");
            if keeps_index {
                drop(open(&Disk::new(run.state.clone()), &index).expect("opens"));
            }
            let mut state = run.state.clone();
            state.names.remove(name);
            match run.read_all(state, &index) {
                Err(StoreError::Damaged(_)) => {}
                // It held nothing that is needed, and was about to go.
                Ok(turn) => assert!(turn == run.turn && Some(name) != segments.last().map(|(last, _)| last), "{name}"),
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_log_without_any_segment_is_not_taken_for_a_new_store() {
    let run = closed_store();
    let refused = run.read_all(State::default(), &run.folder.path().join("index"));
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
}

#[test]
fn a_damaged_snapshot_stops_only_those_who_need_it() {
    let run = closed_store();
    let index = run.folder.path().join("index");
    let snapshot = run.state.names.iter().find(|(name, _)| name.ends_with(".snapshot"));
    let (_, file) = snapshot.expect("there is one");
    for at in [12, 300] {
        let mut state = run.state.clone();
        state.files.get_mut(file).expect("there")[at] ^= 1;
        assert_eq!(run.read_all(state.clone(), &index), Ok(run.turn));
        let refused = run.read_all(state, &run.folder.path().join("no-index"));
        assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
    }
}

#[test]
fn an_index_that_does_not_open_is_made_again() {
    let run = closed_store();
    let index = run.folder.path().join("index");
    for file in ["db", "conf"] {
        std::fs::write(index.join(file), b"not sled's").expect("written");
        assert_eq!(run.read_all(run.state.clone(), &index), Ok(run.turn));
        assert!(run.folder.path().join("index.aside").exists());
    }
}

#[test]
fn an_index_that_is_ahead_of_an_older_log_is_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let index = folder.path().join("index");
    let disk = Disk::default();
    let mut script = Script::new();
    let mut store = open(&disk, &index).expect("opens");
    for _ in 0..4 {
        store.append(script.next_turn()).expect("appended");
    }
    store.wait_durable().expect("healthy");
    let older = disk.state().clone();
    store.append(script.next_turn()).expect("appended");
    drop(store);
    let store = open(&Disk::new(older), &index).expect("opens");
    let moment = &script.moments[4];
    assert_eq!((store.turn(), moment.read(&store)), (4, Ok(moment.content.clone())));
}

#[test]
fn an_index_with_a_changed_row_is_made_again_after_another_boot() {
    let run = closed_store();
    let index = run.folder.path().join("index");
    let tree = loop {
        let config = sled::Config::new().path(&index).segment_size(8 * 1024 * 1024);
        match config.open() {
            Err(error) if error.to_string().contains("could not acquire lock") => std::thread::yield_now(),
            opened => break opened.expect("opens"),
        }
    };
    tree.insert(b"kcount", b"\0wrong").expect("written");
    drop(tree);
    let disk = Disk::new(run.state.clone());
    let boot = Some("another boot".to_owned());
    let store = DiskStore::open_with(Arc::new(disk), &index, LIMITS, boot, Box::new(|| ())).expect("opens");
    assert_eq!(store.get(b"count"), Ok(Some(run.turn.to_le_bytes().to_vec())));
    assert!(run.folder.path().join("index.aside").exists());
}

#[test]
fn space_is_bounded_by_what_is_alive() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::default();
    let mut script = Script::new();
    let mut store = open(&disk, &folder.path().join("index")).expect("opens");
    let mut most = 0;
    for _ in 0..12 {
        disk.state().ops.clear();
        script.run(&disk, &mut store, made_a_round);
        let state = disk.state();
        most = most.max(state.names.keys().filter(|name| name.ends_with(".segment")).count());
    }
    let written = store.log.end().segment;
    assert!(written > 60 && most < 40, "{most} of {written} segments were there at once");
    let moment = script.moments.last().expect("turns");
    assert_eq!(moment.read(&store).as_ref(), Ok(&moment.content));
}

#[test]
fn a_failed_write_spends_the_store_and_a_new_start_finds_what_was_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let index = folder.path().join("index");
    let disk = Disk::default();
    let mut script = Script::new();
    let mut store = open(&disk, &index).expect("opens");
    store.append(script.next_turn()).expect("appended");
    assert_eq!(store.wait_durable(), Ok(1));
    disk.fail_writes();
    let refused = store.append(script.next_turn()).expect_err("the disk is full");
    assert!(matches!(&refused, StoreError::Medium(reason) if reason.contains("record 2")), "{refused}");
    assert_eq!(store.poll_durable(), Err(refused.clone()));
    assert_eq!(store.get(b"count"), Err(refused.clone()));
    assert_eq!(store.append(script.next_turn()), Err(refused));
    drop(store);
    let store = open(&Disk::new(disk.state().clone()), &index).expect("opens");
    let moment = &script.moments[1];
    assert_eq!((store.turn(), moment.read(&store)), (1, Ok(moment.content.clone())));
}

#[test]
fn a_failed_sync_spends_the_store_and_is_told_to_who_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::default();
    let mut script = Script::new();
    let mut store = open(&disk, &folder.path().join("index")).expect("opens");
    store.append(script.next_turn()).expect("appended");
    assert_eq!(store.wait_durable(), Ok(1));
    disk.fail_syncs();
    store.append(script.next_turn()).expect("it is in the page cache");
    let failed = store.wait_durable().expect_err("no sync succeeds");
    assert!(matches!(&failed, StoreError::Medium(reason) if reason.contains("syncing the log failed")), "{failed}");
    assert_eq!(store.poll_durable(), Err(failed.clone()));
    assert_eq!(store.append(script.next_turn()), Err(failed.clone()));
    assert_eq!(store.scan(b"", b"", 1), Err(failed));
}

#[test]
fn a_store_of_another_format_is_told() {
    let run = closed_store();
    let (name, file) = run.segments().pop().expect("a segment");
    let mut state = run.state.clone();
    let content = state.files.get_mut(&file).expect("there");
    content[8] = 7;
    let checksum = crate::store::checksum::crc(0, &[&content[..60]]);
    content[60..64].copy_from_slice(&checksum.to_le_bytes());
    let refused = open(&Disk::new(state), &run.folder.path().join("index")).err();
    assert!(matches!(refused, Some(Refusal::OtherFormat(7))), "{name}: {refused:?}, not {STORE_FORMAT}");
}
