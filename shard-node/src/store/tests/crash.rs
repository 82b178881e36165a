//! A crash at every operation of a scripted run.

use super::disk::{Disk, Loss, Op, State};
use super::script::{Script, made_a_round, open};
use crate::store::{DiskStore, Store};
use std::path::Path;

/// Opens what a crash left, and checks that it is what some turn from `reported` on left.
fn recover(script: &Script, disk: &Disk, index: &Path, reported: u64, what: &str) -> DiskStore {
    let store = open(disk, index).unwrap_or_else(|refusal| panic!("{what}: {refusal:?}"));
    assert!(store.turn() >= reported, "{what}: turn {} is there, {reported} was durable", store.turn());
    let moment = &script.moments[usize::try_from(store.turn()).expect("small")];
    assert_eq!(moment.read(&store).as_ref(), Ok(&moment.content), "{what}: turn {}", store.turn());
    moment.check_pruned(&store, what);
    store
}

fn recorded_run() -> (Script, Vec<Op>) {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::default();
    let mut script = Script::new();
    let mut store = open(&disk, &folder.path().join("index")).expect("opens");
    script.run(&disk, &mut store, made_a_round);
    drop(store);
    let ops = disk.state().ops.clone();
    (script, ops)
}

/// Crashes after each operation with `loss`; `keeps_index` says whether the index of the recovery
/// before is found, or none.
fn crash_everywhere(loss: Loss, keeps_index: bool) {
    let (script, ops) = recorded_run();
    let folder = tempfile::tempdir().expect("a folder");
    let index = folder.path().join("index");
    let mut reported = 0;
    for at in 0..=ops.len() {
        if let Some(Op::Reported(turn)) = at.checked_sub(1).map(|last| &ops[last]) {
            reported = *turn;
            continue;
        }
        let what =
            format!("{loss:?} after operation {at} of {}: {:?}", ops.len(), at.checked_sub(1).map(|at| kind(&ops[at])));
        let disk = Disk::new(State::after_crash(&ops[..at], loss));
        if !keeps_index {
            let _ = std::fs::remove_dir_all(&index);
        }
        drop(recover(&script, &disk, &index, reported, &what));
        if at % 8 == 0 {
            drop(recover(&script, &disk, &index, reported, &format!("{what}, opened again")));
        }
    }
}

fn kind(op: &Op) -> String {
    match op {
        Op::Write { file, offset, bytes } => format!("write of {} to file {file} at {offset}", bytes.len()),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_killed_process_finds_every_turn_that_was_reported() {
    crash_everywhere(Loss::Nothing, true);
}

#[test]
fn a_killed_process_without_an_index_finds_every_turn_that_was_reported() {
    crash_everywhere(Loss::Nothing, false);
}

#[test]
fn a_power_loss_that_takes_all_that_was_not_synced_takes_nothing_reported() {
    crash_everywhere(Loss::Everything, true);
}

#[test]
fn a_power_loss_that_keeps_names_takes_nothing_reported() {
    crash_everywhere(Loss::Content, false);
}

#[test]
fn a_torn_last_write_takes_nothing_reported() {
    crash_everywhere(Loss::Tail, false);
}

#[test]
fn a_lost_write_before_others_that_survived_takes_nothing_reported() {
    crash_everywhere(Loss::First, false);
}

#[test]
fn a_store_goes_on_after_a_torn_tail_was_cut() {
    let (mut script, ops) = recorded_run();
    let last = ops.iter().rposition(|op| matches!(op, Op::Write { .. })).expect("something was written");
    let disk = Disk::new(State::after_crash(&ops[..=last], Loss::Tail));
    let folder = tempfile::tempdir().expect("a folder");
    let index = folder.path().join("index");
    let mut store = recover(&script, &disk, &index, 0, "torn");
    script = Script::back_to(store.turn());
    script.run(&disk, &mut store, made_a_round);
    store.wait_durable().expect("healthy");
    let turn = store.turn();
    drop(store);
    let _ = std::fs::remove_dir_all(&index);
    let store = recover(&script, &Disk::new(disk.state().clone()), &index, turn, "after going on");
    assert_eq!(store.get(b"count"), Ok(Some(turn.to_le_bytes().to_vec())));
}
