//! The stages of a message's way that need no second process, each alone, by the code that nodes
//! run.

use super::usage::own_cpu_ns;
use crate::cli::Output;
use crate::store::DiskStore;
use anyhow::Context as _;
use queue::digest::leaves;
use queue::frame::DATA_BYTES_MAX;
use queue::ids::{Lane, ShardId};
use queue::log::CompactRange;
use queue::message::{Body, MESSAGE_VERSION, Message, PlainMessages};
use queue::salt::SaltSecret;
use queue::store::{Appended, Store as _, Turn, TurnId};
use queue::stream::{LENGTH_BYTES, Stream};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of messages that go through a stage that only computes: enough for a few hundred ms.
const COMPUTED_BYTES: usize = 192 * 1024 * 1024;

/// Bytes of messages that go to disk: several of the log's segments.
const STORED_BYTES: usize = 512 * 1024 * 1024;

/// Bytes of messages in a turn, as a batch has.
const TURN_BYTES: usize = 1024 * 1024;

/// Turns that may wait for their sync, as many as fill the flight limit.
const TURNS_AHEAD: TurnId = 8;

/// Messages for which the engine stores a row of tree nodes: 32 nodes, of which there are two for
/// every 64 messages.
const ROW_LEAVES: u64 = 1024;
/// Bytes of such a row, and of its key.
const ROW_BYTES: usize = 32 * 76;
/// See [`ROW_BYTES`].
const ROW_KEY_BYTES: usize = 40;

/// Where the salt stands in an encoded message: behind the version.
const SALT: Range<usize> = 1..33;

/// Bytes of a lane's record, which every turn writes anew.
const LANE_RECORD_BYTES: usize = 1_500;

/// Syncs that are timed for the disk's latency.
const SYNCS: usize = 64;

/// What each stage costs per message, in nanoseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Stages {
    /// Bytes of a message in its lane's stream, with its length.
    pub(super) stream_bytes: u64,
    /// Deriving the salt and encoding, at the source.
    pub(super) salt_ns: f64,
    /// Leaf and tree nodes, at one end.
    pub(super) hash_ns: f64,
    /// Parsing and deciding, at the destination.
    pub(super) parse_ns: f64,
    /// Processor time of storing, at one end.
    pub(super) store_ns: f64,
    /// Time of storing: what the disk alone would allow.
    pub(super) store_elapsed_ns: f64,
    /// Median of appending 4 KiB to a file and syncing it, in milliseconds.
    pub(super) fdatasync_ms: f64,
}

/// Measures with payloads of `size` bytes, on the disk of `folder`.
///
/// # Errors
/// The disk fails, or this isn't Linux.
pub(super) fn run(folder: &Path, size: usize, output: &Output) -> anyhow::Result<()> {
    let lane = Lane {
        source: "alpha".parse()?,
        destination: "beta".parse()?,
        source_incarnation: 0,
        destination_incarnation: 0,
    };
    let salts = SaltSecret::new([7; 32]);
    let message = Message {
        version: MESSAGE_VERSION,
        salt: salts.message(&lane, 0),
        sender: "alpha".parse()?,
        receiver: "sink.beta".parse()?,
        deadline_ns: None,
        body: Body::Data(vec![0x5a; size]),
    };
    let stream_bytes = message.encode().len() + LENGTH_BYTES;
    let rounds = (COMPUTED_BYTES / TURN_BYTES).try_into()?;
    let per_turn = u64::try_from((TURN_BYTES / stream_bytes).max(1))?;
    let turn = Arc::new(Stream::of((0..per_turn).map(|_| message.encode())));

    let lane_salts = salts.messages(&lane);
    let mut sealed = message.encode();
    let salt_ns = per_message(rounds, per_turn, |round| {
        let mut stream = Stream::with_capacity(TURN_BYTES);
        for (_, salt) in (0..per_turn).zip(lane_salts.from(round * per_turn)) {
            sealed[SALT].copy_from_slice(&salt.0);
            stream.push(black_box(&sealed));
        }
        black_box(stream);
        Ok(())
    })?;
    let messages: Vec<&[u8]> = turn.messages().collect();
    let per_frame = (DATA_BYTES_MAX / stream_bytes).max(1);
    let mut log = CompactRange::default();
    let hash_ns = per_message(rounds, per_turn, |_| {
        for messages in messages.chunks(per_frame) {
            log.append_leaves(leaves(black_box(messages)), |id, hash| {
                black_box((id, hash));
            });
        }
        Ok(())
    })?;
    let parse_ns = per_message(rounds, per_turn, |_| parse(&turn, &lane.source, &lane.destination))?;
    let (store_ns, store_elapsed_ns) = store(&folder.join("store"), &lane, &turn)?;
    let fdatasync_ms = fdatasync_ms(&folder.join("synced"))?;
    let stream_bytes = u64::try_from(stream_bytes)?;
    let stages = Stages { stream_bytes, salt_ns, hash_ns, parse_ns, store_ns, store_elapsed_ns, fdatasync_ms };
    output.finish("measured", &stages);
    Ok(())
}

/// Processor time of a stage per message: the second half of the rounds, with caches and memory
/// warm.
fn per_message(
    rounds: u64,
    messages_per_round: u64,
    mut stage: impl FnMut(u64) -> anyhow::Result<()>,
) -> anyhow::Result<f64> {
    (0..rounds / 2).try_for_each(&mut stage)?;
    let before = own_cpu_ns();
    (rounds / 2..rounds).try_for_each(&mut stage)?;
    Ok((own_cpu_ns() - before) as f64 / ((rounds - rounds / 2) * messages_per_round) as f64)
}

/// As a destination takes a frame's bytes apart and decides each message.
fn parse(turn: &Stream, source: &ShardId, destination: &ShardId) -> anyhow::Result<()> {
    let received = Stream::parse(black_box(turn.bytes().to_vec())).context("a stream of whole messages")?;
    let mut plain = PlainMessages::new(source, destination);
    for message in received.messages() {
        anyhow::ensure!(black_box(plain.deadline_ns(message)).is_some(), "an honest message was buried");
    }
    Ok(())
}

/// Processor time and time per message of appending turns as the engine does, durably.
fn store(folder: &Path, lane: &Lane, turn: &Arc<Stream>) -> anyhow::Result<(f64, f64)> {
    let measuring = std::thread::current();
    let mut store = DiskStore::open(folder, Box::new(move || measuring.unpark()))?;
    let turns = TurnId::try_from(STORED_BYTES / TURN_BYTES)?;
    let mut nonce = 0;
    let mut begun = (Instant::now(), own_cpu_ns());
    for id in 1..=turns {
        if id == turns / 4 {
            begun = (Instant::now(), own_cpu_ns());
        }
        store.append(as_engine(id, lane, nonce, turn))?;
        nonce += turn.count();
        wait_durable(&mut store, id.saturating_sub(TURNS_AHEAD))?;
    }
    wait_durable(&mut store, turns)?;
    let messages = ((turns - turns / 4 + 1) * turn.count()) as f64;
    let (started, cpu_ns) = begun;
    Ok(((own_cpu_ns() - cpu_ns) as f64 / messages, started.elapsed().as_nanos() as f64 / messages))
}

/// A turn with what the engine writes beside the messages: stored tree nodes and the lane's record.
fn as_engine(id: TurnId, lane: &Lane, first_nonce: u64, messages: &Arc<Stream>) -> Turn {
    let end = first_nonce + messages.count();
    let row = |index: u64| {
        let mut key = vec![b'n'; ROW_KEY_BYTES - 8];
        key.extend_from_slice(&index.to_be_bytes());
        (key, vec![0x5a; ROW_BYTES])
    };
    let mut puts: Vec<_> = (first_nonce.div_ceil(ROW_LEAVES)..end / ROW_LEAVES).map(row).collect();
    puts.push((b"outbound/beta".to_vec(), vec![0x5a; LANE_RECORD_BYTES]));
    let appended = Appended { lane: lane.clone(), first_nonce, messages: messages.clone() };
    Turn { id, messages: vec![appended], puts, ..Turn::default() }
}

fn wait_durable(store: &mut DiskStore, turn: TurnId) -> anyhow::Result<()> {
    while store.poll_durable()? < turn {
        std::thread::park();
    }
    Ok(())
}

fn fdatasync_ms(path: &Path) -> anyhow::Result<f64> {
    let mut file = File::create(path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[0x5a; 4096])?;
        let started = Instant::now();
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times.get(SYNCS / 2).map_or(0.0, Duration::as_secs_f64) * 1e3)
}
