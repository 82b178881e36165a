//! A scripted run of a store, and what it must hold after each turn.

use super::disk::{Disk, Op};
use crate::store::replay::Refusal;
use crate::store::{DiskStore, Limits};
use queue::ids::Lane;
use queue::store::{Appended, CrashPlan, KeyValue, MemoryStore, Store, StoreError, Turn};
use queue::stream::Stream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Small enough that a short script fills many segments.
pub(super) const LIMITS: Limits = Limits {
    segment_bytes: 6 * 1024,
    flush_bytes: 1024,
    snapshot_bytes: 8 * 1024,
    snapshot_lengths: 2,
    zero_bytes: 512,
    apply_pause: Duration::ZERO,
};

/// Most turns that a script may need.
const TURNS_MAX: u64 = 2000;

pub(super) fn open(disk: &Disk, index: &Path) -> Result<DiskStore, Refusal> {
    let boot = Some("this boot".to_owned());
    DiskStore::open_with(Arc::new(disk.clone()), index, LIMITS, boot, Box::new(|| ()))
}

/// All that a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Content {
    keys: Vec<KeyValue>,
    lanes: Vec<Stream>,
}

/// What the engine would know of its lanes after a turn.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) content: Content,
    /// Per lane: where it is pruned.
    pruned: Vec<(Lane, u64)>,
}

impl Moment {
    /// Checks that a store gives nothing of what is pruned.
    pub(super) fn check_pruned(&self, store: &impl Store, what: &str) {
        for (lane, pruned) in self.pruned.iter().filter(|(_, pruned)| *pruned > 0) {
            for nonce in [0, pruned - 1] {
                let read = store.message(lane, nonce);
                assert!(read.is_err(), "{what}: message {nonce} of {lane} is pruned below {pruned}, and was read");
            }
        }
    }

    /// Reads all of a store.
    pub(super) fn read(&self, store: &impl Store) -> Result<Content, StoreError> {
        let lanes = self.pruned.iter().map(|(lane, pruned)| store.read(lane, *pruned..u64::MAX, usize::MAX));
        Ok(Content { keys: store.scan(b"", b"", usize::MAX)?, lanes: lanes.collect::<Result<_, _>>()? })
    }
}

/// What a store must hold after each turn, from turn 0 on.
pub(super) struct Script {
    pub(super) moments: Vec<Moment>,
    memory: MemoryStore,
    sizes: Vec<u64>,
}

impl Script {
    pub(super) fn new() -> Self {
        let lanes = ["fast", "slow", "staged"].map(|source| Lane {
            source: source.parse().expect("a name"),
            destination: "beta".parse().expect("a name"),
            source_incarnation: 0,
            destination_incarnation: 1,
        });
        let pruned: Vec<_> = lanes.into_iter().map(|lane| (lane, 0)).collect();
        let content = Content { keys: Vec::new(), lanes: vec![Stream::default(); pruned.len()] };
        let moments = vec![Moment { content, pruned }];
        Script { moments, memory: MemoryStore::new(CrashPlan::Prompt), sizes: vec![0, 0, 0] }
    }

    /// The next turn: a lane that is pruned soon, one that is pruned late, one that is truncated now and then,
    /// keys of all lengths.
    pub(super) fn next_turn(&mut self) -> Turn {
        let id = self.moments.len() as u64;
        let byte = id.to_le_bytes()[0];
        let mut moment = self.moments.last().expect("turn 0 is there").clone();
        let mut turn = Turn { id, ..Turn::default() };
        if id % 6 == 5 {
            self.sizes[2] = self.sizes[2].saturating_sub(2);
            turn.truncates.push((moment.pruned[2].0.clone(), self.sizes[2]));
        }
        let mut append = |at: usize, messages: Vec<Vec<u8>>| {
            let first_nonce = self.sizes[at];
            self.sizes[at] += messages.len() as u64;
            let lane = moment.pruned[at].0.clone();
            turn.messages.push(Appended { lane, first_nonce, messages: Stream::of(messages).into() });
        };
        append(0, vec![vec![byte; 300], Vec::new(), vec![byte; 41]]);
        append(2, vec![vec![byte; 90]]);
        if id % 16 == 1 {
            append(1, vec![vec![byte; 200]]);
        }
        moment.pruned[0].1 = self.sizes[0].saturating_sub(9);
        moment.pruned[1].1 = self.sizes[1].saturating_sub(5);
        moment.pruned[2].1 = moment.pruned[2].1.max(self.sizes[2].saturating_sub(20));
        turn.prunes = moment.pruned.clone();
        turn.puts.push((b"count".to_vec(), id.to_le_bytes().to_vec()));
        turn.puts.push((vec![b'x', byte % 7], vec![byte; usize::from(byte)]));
        turn.deletes.push(vec![b'x', byte.wrapping_add(3) % 7]);
        match id % 20 {
            3 => turn.puts.push((b"long".to_vec(), vec![byte; 150_000])),
            13 => turn.deletes.push(b"long".to_vec()),
            _ => {}
        }
        self.memory.append(turn.clone()).expect("memory takes it");
        moment.content = moment.read(&self.memory).expect("memory reads");
        self.moments.push(moment);
        turn
    }

    /// The script as it was after `turn`.
    pub(super) fn back_to(turn: u64) -> Self {
        let mut script = Script::new();
        for _ in 0..turn {
            script.next_turn();
        }
        script
    }

    /// Runs until `is_enough` of what happened on `disk`; now and then several turns share a sync.
    pub(super) fn run(&mut self, disk: &Disk, store: &mut DiskStore, is_enough: impl Fn(&[Op]) -> bool) {
        while !is_enough(&disk.state().ops) {
            let turn = self.next_turn();
            let id = turn.id;
            assert!(id < TURNS_MAX, "the store never did what the script waits for");
            store.append(turn).expect("the disk takes it");
            if id.is_multiple_of(3) {
                let durable = store.wait_durable().expect("healthy");
                disk.take(Op::Reported(durable));
            }
        }
    }
}

/// Whether a store made a snapshot, removed segments, and appended beyond.
pub(super) fn made_a_round(ops: &[Op]) -> bool {
    let is_snapshot = |op: &&Op| matches!(op, Op::Rename { to, .. } if to.ends_with(".snapshot"));
    let is_removal = |op: &&Op| matches!(op, Op::Remove { name } if name.ends_with(".segment"));
    ops.iter().filter(is_snapshot).count() >= 2 && ops.iter().filter(is_removal).count() >= 3
}
