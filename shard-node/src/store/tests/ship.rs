//! What was shipped of a log that is being written, at any time, is a state that the store was in.

use super::script::{LIMITS, Script};
use crate::store::files::Folder;
use crate::store::{Cursor, DiskStore, ShipError, Shipped, Store, check, ship_all, ship_since};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn open(path: &Path) -> DiskStore {
    let files = Arc::new(Folder::open(&path.join("log")).expect("a folder"));
    let boot = Some("this boot".to_owned());
    DiskStore::open_with(files, &path.join("index"), LIMITS, boot, Box::new(|| ())).expect("opens")
}

/// The other end.
#[derive(Default)]
struct Copy {
    files: BTreeMap<String, Vec<u8>>,
    cursor: Option<Cursor>,
    wholes: usize,
    parts: usize,
}

impl Copy {
    /// Ships what there is, as a follower does; the newest turn that is there then, if more came.
    fn step(&mut self, store: &Path) -> Option<u64> {
        if let Some(cursor) = self.cursor {
            let files = &mut self.files;
            match ship_since(store, &cursor, &mut |name, offset, bytes| take(files, name, offset, bytes)) {
                Ok(None) => return None,
                Ok(Some(shipped)) => {
                    self.parts += 1;
                    return Some(self.shipped(&shipped));
                }
                Err(ShipError::Gone | ShipError::Log(_)) => self.files.clear(),
                Err(other) => panic!("{other}"),
            }
        }
        let files = &mut self.files;
        let shipped = ship_all(store, &mut |name, offset, bytes| take(files, name, offset, bytes)).expect("shipped");
        self.wholes += 1;
        Some(self.shipped(&shipped))
    }

    fn shipped(&mut self, shipped: &Shipped) -> u64 {
        self.cursor = Some(shipped.cursor);
        shipped.turn
    }

    /// Restores what was shipped, and compares it with what the script says of its turn.
    fn compare(&self, script: &Script, turn: u64) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("log")).expect("made");
        for (name, content) in &self.files {
            fs::write(folder.path().join("log").join(name), content).expect("written");
        }
        let found = check(folder.path(), &mut |_| {}).expect("it can be read");
        assert_eq!((&found.report.findings[..], found.report.turn), (&[][..], turn));
        assert_eq!(found.report.torn_tail_bytes, 0, "what is shipped ends at a record");
        let moment = &script.moments[usize::try_from(turn).expect("small")];
        assert_eq!(moment.read(found.store.as_ref().expect("readable")).as_ref(), Ok(&moment.content), "turn {turn}");
    }
}

fn take(files: &mut BTreeMap<String, Vec<u8>>, name: &str, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    let content = files.entry(name.to_owned()).or_default();
    assert_eq!(content.len() as u64, offset, "a piece of {name} doesn't follow");
    content.extend_from_slice(bytes);
    Ok(())
}

#[test]
fn a_follower_has_every_state_across_segments_that_come_and_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut script = Script::new();
    let mut store = open(folder.path());
    let mut copy = Copy::default();
    for round in 0..60 {
        for _ in 0..7 {
            store.append(script.next_turn()).expect("appended");
        }
        let turn = store.wait_durable().expect("healthy");
        assert_eq!(copy.step(folder.path()), Some(turn));
        assert_eq!(copy.step(folder.path()), None);
        if round % 10 == 9 {
            copy.compare(&script, turn);
        }
    }
    assert!(store.log.end().segment > 40 && copy.parts > 40, "{} parts", copy.parts);
    let kept = copy.files.len();
    let there = store.log.segments().len();
    assert!(kept > there, "{kept} files were shipped, {there} segments are left");
}

#[test]
fn a_follower_that_was_away_for_long_begins_again_with_all_of_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut script = Script::new();
    let mut store = open(folder.path());
    let mut copy = Copy::default();
    store.append(script.next_turn()).expect("appended");
    assert_eq!(copy.step(folder.path()), Some(1));
    while store.log.segments().contains_key(&1) {
        store.append(script.next_turn()).expect("appended");
    }
    let turn = store.wait_durable().expect("healthy");
    assert_eq!(copy.step(folder.path()), Some(turn));
    assert_eq!(copy.wholes, 2);
    copy.compare(&script, turn);
}

#[test]
fn a_follower_of_a_log_that_lost_what_was_shipped_begins_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut script = Script::new();
    let mut store = open(folder.path());
    let mut copy = Copy::default();
    store.append(script.next_turn()).expect("appended");
    store.wait_durable().expect("healthy");
    let older = fs::read(folder.path().join("log/0000000000000001.segment")).expect("read");
    store.append(script.next_turn()).expect("appended");
    store.wait_durable().expect("healthy");
    assert_eq!(copy.step(folder.path()), Some(2));
    drop(store);
    fs::write(folder.path().join("log/0000000000000001.segment"), older).expect("written");
    fs::remove_dir_all(folder.path().join("index")).expect("removed");
    let mut store = open(folder.path());
    let mut turn = script.next_turn();
    turn.id = 2;
    store.append(turn).expect("appended");
    store.wait_durable().expect("healthy");
    assert_eq!((copy.step(folder.path()), copy.wholes), (Some(2), 2));
}

#[test]
fn whatever_is_shipped_while_the_log_is_written_is_a_state_that_the_store_was_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut script = Script::new();
    let mut store = open(folder.path());
    store.append(script.next_turn()).expect("appended");
    store.wait_durable().expect("healthy");
    let is_done = AtomicBool::new(false);
    let copies = std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let mut followed = Copy::default();
            let mut copies = Vec::new();
            while !is_done.load(Ordering::Relaxed) {
                followed.step(folder.path());
                let mut whole = Copy::default();
                let turn = whole.step(folder.path()).expect("all of it");
                if copies.len() < 12 {
                    copies.push((whole, turn));
                }
            }
            let turn = followed.step(folder.path());
            copies.extend(turn.map(|turn| (followed, turn)));
            copies
        });
        for _ in 0..900 {
            store.append(script.next_turn()).expect("appended");
        }
        store.wait_durable().expect("healthy");
        is_done.store(true, Ordering::Relaxed);
        follower.join().expect("it follows")
    });
    assert!(!copies.is_empty());
    for (copy, turn) in &copies {
        copy.compare(&script, *turn);
    }
}

#[test]
fn a_damaged_log_is_not_shipped_as_if_it_were_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut script = Script::new();
    let mut store = open(folder.path());
    for _ in 0..200 {
        store.append(script.next_turn()).expect("appended");
        // So that the next record says that this one was durable: only then is its damage no torn tail.
        store.wait_durable().expect("healthy");
    }
    drop(store);
    let names = fs::read_dir(folder.path().join("log")).expect("listed");
    let mut paths: Vec<_> = names.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let newest = paths.iter().rfind(|path| path.extension().is_some_and(|suffix| suffix == "segment")).cloned();
    for path in paths.iter().filter(|path| Some(*path) != newest.as_ref()) {
        let sound = fs::read(path).expect("read");
        let mut flipped = sound.clone();
        flipped[100] ^= 1;
        fs::write(path, flipped).expect("written");
        let refused = ship_all(folder.path(), &mut |_, _, _| Ok(()));
        assert!(matches!(&refused, Err(ShipError::Log(_))), "{}: {refused:?}", path.display());
        fs::write(path, sound).expect("written");
    }
    ship_all(folder.path(), &mut |_, _, _| Ok(())).expect("sound again");
}
