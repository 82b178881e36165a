//! The store on disk, against the store in memory.

use proptest::prelude::*;
use queue::ids::Lane;
use queue::store::{Appended, CrashPlan, MemoryStore, Store, StoreError, Turn};
use queue::stream::Stream;
use shard_node::store::{DiskStore, OpenError, STORE_FORMAT};
use std::path::Path;
use std::sync::mpsc;

fn open(path: &Path) -> DiskStore {
    DiskStore::open(path, Box::new(|| ())).expect("the store opens")
}

/// The index of a dropped store, as soon as sled's threads have let go of it.
fn raw(path: &Path) -> sled::Db {
    let config = sled::Config::new().path(path.join("index")).segment_size(8 * 1024 * 1024);
    loop {
        match config.open() {
            Err(error) if error.to_string().contains("could not acquire lock") => std::thread::yield_now(),
            opened => return opened.expect("opens"),
        }
    }
}

fn lane(source: &str, destination: &str) -> Lane {
    Lane {
        source: source.parse().expect("a name"),
        destination: destination.parse().expect("a name"),
        source_incarnation: 0,
        destination_incarnation: 0,
    }
}

fn appended(lane: &Lane, first_nonce: u64, messages: Vec<Vec<u8>>) -> Appended {
    Appended { lane: lane.clone(), first_nonce, messages: Stream::of(messages).into() }
}

fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).expect("below 251") ^ seed).collect()
}

#[test]
fn what_was_durable_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let ab = lane("alpha", "beta");
    let mut store = open(folder.path());
    let messages = vec![b"one".to_vec(), Vec::new(), b"three".to_vec()];
    let turn = Turn {
        id: 1,
        messages: vec![appended(&ab, 0, messages.clone())],
        puts: vec![(b"key".to_vec(), b"value".to_vec())],
        ..Turn::default()
    };
    store.append(turn).expect("appended");
    assert_eq!(store.wait_durable(), Ok(1));
    drop(store);

    let mut store = open(folder.path());
    assert_eq!(store.poll_durable(), Ok(1));
    assert_eq!(store.get(b"key"), Ok(Some(b"value".to_vec())));
    assert_eq!(store.read(&ab, 0..u64::MAX, usize::MAX), Ok(Stream::of(messages)));
}

#[test]
fn the_sync_thread_says_when_a_turn_is_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let (sender, receiver) = mpsc::channel();
    let notify = Box::new(move || sender.send(()).expect("the test listens"));
    let mut store = DiskStore::open(folder.path(), notify).expect("the store opens");
    for id in 1..=20 {
        store.append(Turn { id, ..Turn::default() }).expect("appended");
    }
    while store.poll_durable().expect("healthy") < 20 {
        receiver.recv().expect("the sync thread runs");
    }
}

#[test]
fn values_and_messages_of_any_length_come_back_whole_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let ab = lane("alpha", "beta");
    let lengths = [0, 1, 61_435, 61_436, 61_440, 61_441, 200_000, 4 * 1024 * 1024];
    let mut store = open(folder.path());
    let messages: Vec<Vec<u8>> = lengths.iter().map(|length| pattern(*length, 7)).collect();
    let puts = lengths.iter().map(|length| (length.to_be_bytes().to_vec(), pattern(*length, 9)));
    let turn =
        Turn { id: 1, messages: vec![appended(&ab, 5, messages.clone())], puts: puts.collect(), ..Turn::default() };
    store.append(turn).expect("appended");
    drop(store);

    let mut store = open(folder.path());
    assert_eq!(store.read(&ab, 5..u64::MAX, usize::MAX), Ok(Stream::of(&messages)));
    assert_eq!(
        store.read(&ab, 12..u64::MAX, 10),
        Ok(Stream::of(&messages[7..])),
        "one message above the limit is one answer"
    );
    for length in lengths {
        assert_eq!(store.get(&length.to_be_bytes()).expect("read"), Some(pattern(length, 9)));
    }

    let deletes = lengths.iter().map(|length| length.to_be_bytes().to_vec()).collect();
    store.append(Turn { id: 2, deletes, prunes: vec![(ab.clone(), 13)], ..Turn::default() }).expect("appended");
    drop(store);
    // What is left: format, boot, position, and the lane's watermark.
    assert_eq!(raw(folder.path()).len(), 4);
}

#[test]
fn a_shorter_value_takes_the_place_of_a_longer_one_and_of_its_pieces() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    for (id, length) in [(1, 200_000), (2, 100_000), (3, 10)] {
        let puts = vec![(b"code".to_vec(), pattern(length, 1)), (b"code\0\0\0\0".to_vec(), b"neighbour".to_vec())];
        store.append(Turn { id, puts, ..Turn::default() }).expect("appended");
        assert_eq!(store.get(b"code").expect("read"), Some(pattern(length, 1)));
        assert_eq!(store.get(b"code\0\0\0\0").expect("read"), Some(b"neighbour".to_vec()));
    }
    assert_eq!(store.scan(b"code", b"", 9).expect("scanned").len(), 2);
    drop(store);
    assert_eq!(raw(folder.path()).len(), 5);
}

#[test]
fn a_pruned_message_is_refused_even_while_its_bytes_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let ab = lane("alpha", "beta");
    let mut store = open(folder.path());
    let messages = vec![appended(&ab, 0, vec![vec![0], vec![1], vec![2]])];
    store.append(Turn { id: 1, messages, prunes: Vec::new(), ..Turn::default() }).expect("appended");
    store.append(Turn { id: 2, prunes: vec![(ab.clone(), 2)], ..Turn::default() }).expect("appended");
    assert!(matches!(store.read(&ab, 1..3, 100), Err(StoreError::Damaged(_))));
    assert_eq!(store.read(&ab, 2..3, 100), Ok(Stream::of([[2]])), "the question was wrong, not the store");
}

#[test]
fn lanes_whose_names_begin_alike_stay_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let lanes = [lane("alpha", "be"), lane("alpha", "beta"), lane("al", "beta"), lane("alpha-b", "be")];
    let mut store = open(folder.path());
    let messages = lanes.iter().zip(0u8..).map(|(lane, at)| appended(lane, 0, vec![vec![at]])).collect();
    store.append(Turn { id: 1, messages, ..Turn::default() }).expect("appended");
    for (lane, at) in lanes.iter().zip(0u8..) {
        assert_eq!(store.read(lane, 0..u64::MAX, 100), Ok(Stream::of([[at]])));
    }
}

#[test]
fn a_turn_out_of_order_spends_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    let refused = store.append(Turn { id: 2, ..Turn::default() }).expect_err("turn 1 is missing");
    assert_eq!(store.append(Turn { id: 1, ..Turn::default() }), Err(refused.clone()));
    assert_eq!(store.poll_durable(), Err(refused.clone()));
    assert_eq!(store.get(b"key"), Err(refused));
}

#[test]
fn a_store_of_another_format_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    let segment = folder.path().join("log/0000000000000001.segment");
    let mut bytes = std::fs::read(&segment).expect("read");
    bytes[8] = 9;
    let checksum = crc32fast::hash(&bytes[..60]).to_le_bytes();
    bytes[60..64].copy_from_slice(&checksum);
    std::fs::write(&segment, bytes).expect("written");
    let Err(refused) = DiskStore::open(folder.path(), Box::new(|| ())) else { panic!("format 9 was accepted") };
    assert!(matches!(refused, OpenError::OtherFormat { found: 9, .. }));
    let text = refused.to_string();
    assert!(text.contains("format 9") && text.contains(&format!("knows {STORE_FORMAT}")), "{text}");
}

#[test]
fn a_store_from_before_the_log_is_refused_as_format_one() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("db"), b"").expect("written");
    let refused = DiskStore::open(folder.path(), Box::new(|| ()));
    assert!(matches!(refused, Err(OpenError::OtherFormat { found: 1, .. })));
}

#[test]
fn somebody_elses_index_is_set_aside_and_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    let puts = vec![(b"key".to_vec(), b"value".to_vec())];
    store.append(Turn { id: 1, puts, ..Turn::default() }).expect("appended");
    drop(store);
    std::fs::remove_dir_all(folder.path().join("index")).expect("removed");
    raw(folder.path()).insert(b"their key", b"their value").expect("written");
    let store = open(folder.path());
    assert_eq!(store.get(b"key"), Ok(Some(b"value".to_vec())));
    assert!(folder.path().join("index.aside").exists());
}

/// sled never syncs the files into which it moves what is too long for its log.
#[test]
fn nothing_is_written_where_it_would_not_be_synced() {
    let folder = tempfile::tempdir().expect("a folder");
    let ab = lane("alpha", "beta");
    let mut store = open(folder.path());
    for (id, first_nonce) in (1..=60).zip((0..).step_by(5)) {
        let messages = (0..5).map(|seed| pattern(100_000, seed)).collect();
        let messages = vec![appended(&ab, first_nonce, messages)];
        let puts = vec![(vec![u8::try_from(id % 7).expect("small")], pattern(61_000, 3))];
        store.append(Turn { id, messages, puts, ..Turn::default() }).expect("appended");
        store.wait_durable().expect("durable");
    }
    drop(store);
    drop(open(folder.path()));
    let beside = std::fs::read_dir(folder.path().join("index/blobs")).expect("sled's folder");
    assert_eq!(beside.count(), 0);
}

/// One step of the comparison with the store in memory.
#[derive(Debug, Clone)]
enum Step {
    Append { lane: usize, lengths: Vec<usize> },
    Prune { lane: usize, keep: u64 },
    Truncate { lane: usize, runs: usize },
    Put { key: u8, length: usize },
    Delete { key: u8 },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![4 => 0usize..600, 1 => 60_000usize..130_000];
    let step = prop_oneof![
        4 => (0usize..3, proptest::collection::vec(length.clone(), 1..5))
            .prop_map(|(lane, lengths)| Step::Append { lane, lengths }),
        1 => (0usize..3, Just(vec![4 * 1024 * 1024])).prop_map(|(lane, lengths)| Step::Append { lane, lengths }),
        1 => (0usize..3, 0u64..6).prop_map(|(lane, keep)| Step::Prune { lane, keep }),
        1 => (0usize..3, 0usize..4).prop_map(|(lane, runs)| Step::Truncate { lane, runs }),
        2 => (0u8..6, length).prop_map(|(key, length)| Step::Put { key, length }),
        1 => (0u8..6).prop_map(|key| Step::Delete { key }),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..40)
}

/// The two stores, and what may be asked of each lane.
struct Pair {
    path: tempfile::TempDir,
    disk: Option<DiskStore>,
    memory: MemoryStore,
    turn: u64,
    /// Per lane: nonces from `.0` on, below `.1`, can be read.
    lanes: Vec<(Lane, u64, u64)>,
    /// Per lane: where what was appended begins.
    starts: Vec<Vec<u64>>,
}

impl Pair {
    fn new() -> Self {
        let path = tempfile::tempdir().expect("a folder");
        let disk = Some(open(path.path()));
        let lanes = [lane("alpha", "beta"), lane("alpha", "be"), lane("beta", "alpha")];
        let lanes = lanes.into_iter().map(|lane| (lane, 0, 0)).collect();
        let starts = vec![Vec::new(); 3];
        Pair { path, disk, memory: MemoryStore::new(CrashPlan::Prompt), turn: 0, lanes, starts }
    }

    fn take(&mut self, step: Step) {
        let mut turn = Turn { id: self.turn + 1, ..Turn::default() };
        match step {
            Step::Append { lane, lengths } => {
                self.starts[lane].push(self.lanes[lane].2);
                let (lane, _, size) = &mut self.lanes[lane];
                let messages: Vec<Vec<u8>> =
                    lengths.iter().zip(0u8..).map(|(length, seed)| pattern(*length, seed)).collect();
                turn.messages.push(appended(lane, *size, messages));
                *size += lengths.len() as u64;
            }
            Step::Prune { lane, keep } => {
                let (lane, pruned, size) = &mut self.lanes[lane];
                *pruned = (*pruned).max(size.saturating_sub(keep));
                turn.prunes.push((lane.clone(), *pruned));
            }
            Step::Truncate { lane, runs } => {
                let starts = &mut self.starts[lane];
                let (lane, pruned, size) = &mut self.lanes[lane];
                let start = starts.drain(starts.len().saturating_sub(runs)..).next();
                if let Some(start) = start.filter(|start| start >= pruned) {
                    *size = start;
                    turn.truncates.push((lane.clone(), start));
                }
            }
            Step::Put { key, length } => turn.puts.push((vec![b'x', key], pattern(length, key))),
            Step::Delete { key } => turn.deletes.push(vec![b'x', key]),
            Step::Reopen => {
                self.disk = None;
                self.disk = Some(open(self.path.path()));
                return;
            }
        }
        self.turn = turn.id;
        self.memory.append(turn.clone()).expect("memory takes it");
        self.disk.as_mut().expect("open").append(turn).expect("disk takes it");
    }

    fn compare(&self) {
        let disk = self.disk.as_ref().expect("open");
        for (lane, pruned, size) in &self.lanes {
            let nonces = [*pruned, (pruned + size) / 2, *size, u64::MAX];
            let ranges = (0..nonces.len()).flat_map(|at| nonces[at..].iter().map(move |end| nonces[at]..*end));
            for range in ranges {
                for bytes_max in [0, 700, 100_000, usize::MAX] {
                    let read = disk.read(lane, range.clone(), bytes_max);
                    assert_eq!(read, self.memory.read(lane, range.clone(), bytes_max));
                }
            }
        }
        for (from, limit) in [(&b""[..], 100), (&b"x\x02"[..], 2), (&b"y"[..], 100)] {
            assert_eq!(disk.scan(b"x", from, limit), self.memory.scan(b"x", from, limit));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn disk_and_memory_give_the_same_answers(steps in steps()) {
        let mut pair = Pair::new();
        for step in steps {
            pair.take(step);
        }
        pair.compare();
    }
}
