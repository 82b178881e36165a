//! What checking a store's files finds, on real files.

use super::damage::{Run, closed_store};
use super::disk::State;
use crate::store::{CheckedStore, OpenError, check};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes a disk's state as files.
pub(super) fn write_files(state: &State, log: &Path) {
    let _ = fs::remove_dir_all(log);
    fs::create_dir_all(log).expect("made");
    for (name, file) in &state.names {
        fs::write(log.join(name), &state.files[file]).expect("written");
    }
}

/// A closed store on real files.
fn on_disk() -> Run {
    let run = closed_store();
    write_files(&run.state, &run.folder.path().join("log"));
    run
}

fn checked(path: &Path) -> CheckedStore {
    check(path, &mut |_| {}).expect("it can be read")
}

fn files(run: &Run, suffix: &str) -> Vec<PathBuf> {
    let names = run.state.names.keys().filter(|name| name.ends_with(suffix));
    names.map(|name| run.folder.path().join("log").join(name)).collect()
}

#[test]
fn an_untouched_store_is_sound_with_its_index_and_without() {
    let run = on_disk();
    for keeps_index in [true, false] {
        if !keeps_index {
            fs::remove_dir_all(run.folder.path().join("index")).expect("removed");
        }
        let before = fs::read_dir(run.folder.path().join("log")).expect("listed").count();
        let found = checked(run.folder.path());
        assert_eq!(found.report.findings, []);
        assert_eq!((found.report.turn, found.report.torn_tail_bytes), (run.turn, 0));
        assert!(found.report.records > 0 && found.report.live_bytes > 0);
        let moment = &run.script.moments[usize::try_from(run.turn).expect("small")];
        let store = found.store.as_ref().expect("it can be read");
        assert_eq!(moment.read(store).as_ref(), Ok(&moment.content));
        drop(found);
        assert_eq!(fs::read_dir(run.folder.path().join("log")).expect("listed").count(), before);
        assert_eq!(run.folder.path().join("index").exists(), keeps_index, "checking changes nothing");
    }
}

#[test]
fn a_flipped_bit_in_any_file_of_the_log_is_found() {
    let run = on_disk();
    let newest = files(&run, ".segment").pop().expect("a segment");
    let mut found = 0;
    let snapshots = files(&run, ".snapshot").into_iter();
    // A snapshot that was being written when the store closed is not read by anybody.
    let finished = snapshots.filter(|path| !path.ends_with("new.snapshot"));
    for path in files(&run, ".segment").into_iter().chain(finished) {
        let sound = fs::read(&path).expect("read");
        // What is zero behind the newest record is no record yet.
        let used = sound.iter().rposition(|byte| *byte != 0).expect("not empty") + 1;
        let length = if path == newest { used } else { sound.len() };
        for at in (0..length).step_by(2_003).chain((64..136.min(length)).step_by(5)).chain([length - 1]) {
            let mut flipped = sound.clone();
            flipped[at] ^= 4;
            fs::write(&path, flipped).expect("written");
            let checked = match check(run.folder.path(), &mut |_| {}) {
                Ok(checked) => checked,
                Err(error) => panic!("{}, byte {at}: {error}", path.display()),
            };
            assert_ne!(checked.report.findings, [], "{}, byte {at} of {length}", path.display());
            found += 1;
        }
        fs::write(&path, sound).expect("written");
    }
    assert!(found > 60, "{found}");
    assert_eq!(checked(run.folder.path()).report.findings, []);
}

#[test]
fn a_missing_file_of_the_log_is_found_if_it_is_needed() {
    let run = on_disk();
    let mut needed = 0;
    for path in files(&run, ".segment") {
        let sound = fs::read(&path).expect("read");
        fs::remove_file(&path).expect("removed");
        let found = checked(run.folder.path());
        let moment = &run.script.moments[usize::try_from(run.turn).expect("small")];
        match &found.store {
            Some(store) if found.report.findings.is_empty() => {
                assert_eq!(moment.read(store).as_ref(), Ok(&moment.content), "{}", path.display());
            }
            _ => needed += 1,
        }
        fs::write(&path, sound).expect("written");
    }
    assert!(needed > 1, "{needed}");
    for path in files(&run, "") {
        fs::remove_file(path).expect("removed");
    }
    let found = checked(run.folder.path());
    assert!(found.store.is_none() && found.report.findings[0].reason.contains("no segment"));
}

#[test]
fn a_changed_row_of_the_index_is_found_and_told_from_damage_of_the_log() {
    let run = on_disk();
    let index = run.folder.path().join("index");
    let tree = loop {
        match sled::Config::new().path(&index).segment_size(8 * 1024 * 1024).open() {
            Err(error) if error.to_string().contains("could not acquire lock") => std::thread::yield_now(),
            opened => break opened.expect("opens"),
        }
    };
    tree.insert(b"kcount", b"\0wrong").expect("written");
    drop(tree);
    let found = checked(run.folder.path());
    let places: Vec<&str> = found.report.findings.iter().map(|finding| finding.place.as_str()).collect();
    assert_eq!(places, ["index"]);
    drop(found);
    fs::write(index.join("db"), b"not sled's").expect("written");
    let found = checked(run.folder.path());
    assert!(found.report.findings.iter().all(|finding| finding.place == "index"));
    assert!(!found.report.findings.is_empty() && found.store.is_some());
}

#[test]
fn a_torn_tail_is_told_from_damage_and_left_alone() {
    let run = on_disk();
    let newest = files(&run, ".segment").pop().expect("a segment");
    let mut torn = fs::read(&newest).expect("read");
    let used = torn.iter().rposition(|byte| *byte != 0).expect("not empty") + 1;
    torn.truncate(used.next_multiple_of(8));
    torn.extend_from_slice(b"TURN and half a header");
    fs::write(&newest, &torn).expect("written");
    let found = checked(run.folder.path());
    assert_eq!((&found.report.findings[..], found.report.torn_tail_bytes), (&[][..], 22));
    assert_eq!(fs::read(&newest).expect("read"), torn);
}

#[test]
fn a_store_of_another_format_is_not_checked_but_told() {
    let run = on_disk();
    let path = files(&run, ".segment").pop().expect("a segment");
    let mut content = fs::read(&path).expect("read");
    content[8] = 7;
    let checksum = crate::store::checksum::crc(0, &[&content[..60]]);
    content[60..64].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, content).expect("written");
    let refused = check(run.folder.path(), &mut |_| {}).err();
    assert!(matches!(refused, Some(OpenError::OtherFormat { found: 7, .. })), "{refused:?}");
}
