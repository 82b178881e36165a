//! What rewriting mostly dead segments costs, beside what segments of their own would cost lanes.
//! Measures and prints; BENCHMARKS.md has the results and the command.

use super::super::record::Kind;
use crate::store::files::{Files, Folder, OpenFile};
use crate::store::{DiskStore, Limits, Store};
use queue::ids::Lane;
use queue::store::{Appended, Turn};
use queue::stream::Stream;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;
/// A 64th of the real lengths, so that a run fills many segments: only their ratios matter.
const LIMITS: Limits = Limits {
    segment_bytes: MIB,
    flush_bytes: MIB / 4,
    snapshot_bytes: 4 * MIB,
    snapshot_lengths: 32,
    zero_bytes: 16 * 1024,
    apply_pause: Duration::ZERO,
};
const MESSAGE_BYTES: usize = 256;
const MESSAGES_PER_TURN: u64 = 256;
const PAYLOAD_BYTES: u64 = 128 * MIB;

/// A load: each lane's share of a turn's messages, and the most of its bytes that stay unpruned.
struct Load {
    name: &'static str,
    lanes: Vec<(u64, Option<u64>)>,
}

/// A folder that counts what is written to it.
struct Counted {
    folder: Folder,
    written: Arc<AtomicU64>,
}

struct CountedFile(Arc<dyn OpenFile>, Arc<AtomicU64>);

impl Files for Counted {
    fn names(&self) -> io::Result<Vec<String>> {
        self.folder.names()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn OpenFile>> {
        Ok(Arc::new(CountedFile(self.folder.open(name)?, self.written.clone())))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn OpenFile>> {
        Ok(Arc::new(CountedFile(self.folder.create(name)?, self.written.clone())))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.folder.sync_names()
    }
}

impl OpenFile for CountedFile {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read(buffer, offset)
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.1.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.0.write(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }

    fn forget(&self, range: Range<u64>) -> io::Result<()> {
        self.0.forget(range)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

/// What one lane has.
struct Traffic {
    lane: Lane,
    per_turn: u64,
    kept_bytes_max: Option<u64>,
    size: u64,
    pruned: u64,
}

impl Traffic {
    fn live_bytes(&self) -> u64 {
        (self.size - self.pruned) * STORED_BYTES
    }

    /// What segments of the lane's own would take: from the one with its first live byte on.
    fn own_segments_bytes(&self) -> u64 {
        let (begin, end) = (self.pruned * STORED_BYTES, self.size * STORED_BYTES);
        (end.div_ceil(LIMITS.segment_bytes) - begin / LIMITS.segment_bytes) * LIMITS.segment_bytes
    }
}

/// A message and its length.
const STORED_BYTES: u64 = MESSAGE_BYTES as u64 + 4;

fn traffic(load: &Load) -> Vec<Traffic> {
    let lane = |at: usize| Lane {
        source: "alpha".parse().expect("a name"),
        destination: format!("peer{at:03}").parse().expect("a name"),
        source_incarnation: 0,
        destination_incarnation: 0,
    };
    let lanes = load.lanes.iter().enumerate();
    let traffic = lanes.map(|(at, (per_turn, kept_bytes_max))| Traffic {
        lane: lane(at),
        per_turn: *per_turn,
        kept_bytes_max: *kept_bytes_max,
        size: 0,
        pruned: 0,
    });
    traffic.collect()
}

fn next_turn(id: u64, lanes: &mut [Traffic]) -> Turn {
    let mut turn = Turn { id, ..Turn::default() };
    for traffic in lanes {
        let count = usize::try_from(traffic.per_turn).expect("small");
        let messages = Stream::of(vec![vec![id.to_le_bytes()[0]; MESSAGE_BYTES]; count]).into();
        turn.messages.push(Appended { lane: traffic.lane.clone(), first_nonce: traffic.size, messages });
        traffic.size += traffic.per_turn;
        let Some(kept_max) = traffic.kept_bytes_max else { continue };
        // As the engine does it: in multiples of 64.
        let pruned = traffic.size.saturating_sub(kept_max / STORED_BYTES) / 64 * 64;
        if pruned > traffic.pruned {
            traffic.pruned = pruned;
            turn.prunes.push((traffic.lane.clone(), pruned));
        }
    }
    turn
}

fn run(load: &Load) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let written = Arc::new(AtomicU64::new(0));
    let files = Counted { folder: Folder::open(&log).expect("made"), written: written.clone() };
    let mut store = DiskStore::open_with(Arc::new(files), &folder.path().join("index"), LIMITS, None, Box::new(|| ()))
        .expect("opens");
    let mut lanes = traffic(load);
    let per_turn: u64 = lanes.iter().map(|traffic| traffic.per_turn).sum::<u64>() * STORED_BYTES;
    let (mut rewritten, mut worst, mut worst_own) = (0, (0.0, 0, 0), 0.0f64);
    let turns = PAYLOAD_BYTES / per_turn;
    for id in 1..=turns {
        store.append(next_turn(id, &mut lanes)).expect("appended");
        let (segment, offset) = store.log.end().last;
        let (header, _) = store.log.read_record(segment, offset).expect("just written");
        if header.kind == Kind::Rewrite {
            rewritten += u64::from(header.payload_bytes);
        }
        if id % 32 == 0 {
            store.wait_durable().expect("healthy");
        }
        if id % 32 == 0 && id > turns / 2 {
            let live: u64 = lanes.iter().map(Traffic::live_bytes).sum();
            let used: u64 = store.log.segments().values().sum();
            let own: u64 = lanes.iter().map(Traffic::own_segments_bytes).sum();
            let ratio = |bytes: u64| precise(bytes) / precise(live);
            if ratio(used) > worst.0 {
                worst = (ratio(used), used / MIB, live / MIB);
            }
            worst_own = worst_own.max(ratio(own));
        }
    }
    store.wait_durable().expect("healthy");
    let payload = turns * per_turn;
    let share = |bytes: u64| precise(bytes) / precise(payload);
    format!(
        "| {} | {} | {:.3} | {:.3} | {:.2} ({} of {} MiB) | {:.2} |",
        load.name,
        payload / MIB,
        share(rewritten),
        share(written.load(Ordering::Relaxed)),
        worst.0,
        worst.1,
        worst.2,
        worst_own
    )
}

fn precise(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 64).expect("below 256 GiB"))
}

/// The median time, in microseconds, to write `bytes` to `count` files, and sync each.
fn sync_us(count: usize, bytes: usize) -> u128 {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Folder::open(folder.path()).expect("made");
    let open = |at: usize| {
        let file = files.create(&format!("{at}")).expect("made");
        file.write(&vec![0; 4 * 1024 * 1024], 0).and_then(|()| file.sync()).expect("zeroed");
        file
    };
    let opened: Vec<_> = (0..count).map(open).collect();
    let piece = vec![7; bytes / count];
    let mut times: Vec<u128> = (0..41u64)
        .map(|round| {
            let begun = Instant::now();
            for file in &opened {
                file.write(&piece, round * piece.len() as u64).expect("written");
            }
            opened.iter().for_each(|file| file.sync().expect("synced"));
            begun.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
#[ignore = "measures for a minute, and prints"]
#[allow(clippy::print_stdout, reason = "it is run to be read")]
fn what_space_costs() {
    let per_turn = MESSAGES_PER_TURN;
    let loads = [
        Load { name: "one lane, 16 MiB unacknowledged", lanes: vec![(per_turn, Some(16 * MIB))] },
        Load { name: "16 lanes alike, 1 MiB unacknowledged each", lanes: vec![(per_turn / 16, Some(MIB)); 16] },
        Load { name: "busy lane (4 MiB), dead peer with 1/256", lanes: vec![(per_turn - 1, Some(4 * MIB)), (1, None)] },
        Load {
            name: "busy lane (4 MiB), dead peer with 1/16",
            lanes: vec![(per_turn - 16, Some(4 * MIB)), (16, None)],
        },
        Load { name: "busy lane (4 MiB), dead peer with 1/4", lanes: vec![(per_turn - 64, Some(4 * MIB)), (64, None)] },
        Load {
            name: "15 busy lanes (256 KiB each), dead peer with 1/16",
            lanes: [vec![(per_turn / 16, Some(MIB / 4)); 15], vec![(16, None)]].concat(),
        },
    ];
    println!("| load | payload, MiB | rewritten | written | log ÷ live, worst | own segments ÷ live, worst |");
    println!("|---|---|---|---|---|---|");
    for load in &loads {
        println!("{}", run(load));
    }
    for count in [1, 2, 16, 64] {
        println!("64 KiB to {count} files, written and synced: {} µs", sync_us(count, 64 * 1024));
    }
}
