//! Opening: what an engine finds in its store.

use super::attestor::Attestor;
use super::budget::Spending;
use super::clock::Clock;
use super::inbound::Inbound;
use super::journal::Journal;
use super::keys::Keys;
use super::outbound::Outbound;
use super::pace::Pace;
use super::past::PastLanes;
use super::records::{
    ATTESTOR, AttestorRecord, BLOCK_TIME, HOME, HomeRecord, INBOUND, INBOX_SIZE, INCARNATION, InboundRecord, OUTBOUND,
    OutboundRecord, PAST, SPENT, decode_record, pruned_key, read_record, settlement_key, staged_prefix, successor_key,
};
use super::retention::Retention;
use super::settlement::Settlement;
use super::terms::Lanes;
use super::{Config, Engine, Now, STORE_FORMAT, Stop};
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

impl<S: Store> Engine<S> {
    /// Opens an engine on what its store holds.
    ///
    /// # Errors
    /// [`Stop`], if the store fails or was written by another shard, for another bridge, or by
    /// another version.
    pub fn open(config: Config, mut store: S, now: Now) -> Result<Self, Stop> {
        let mut journal = Journal::new(store.poll_durable()?);
        check_home(&config, &store, &mut journal)?;
        let block_time_ns = read_record(&store, "block time", BLOCK_TIME)?.unwrap_or(0);
        let attestor: AttestorRecord = read_record(&store, "attestor", ATTESTOR)?.unwrap_or_default();
        let mut outbound = BTreeMap::new();
        for bytes in scan_all(&store, OUTBOUND)? {
            let record: OutboundRecord = decode_record("outbound lane", &bytes)?;
            let peer = record.lane.destination.clone();
            let settlement = read_record(&store, "settlement", &settlement_key(&peer))?.unwrap_or_default();
            outbound.insert(peer, Outbound::from_record(record, Settlement::from_record(settlement)));
        }
        let mut inbound = BTreeMap::new();
        for bytes in scan_all(&store, INBOUND)? {
            let record: InboundRecord = decode_record("inbound lane", &bytes)?;
            let mut runs = VecDeque::new();
            for bytes in scan_all(&store, &staged_prefix(&record.lane))? {
                runs.push_back(decode_record("staged run", &bytes)?);
            }
            let peer = record.lane.source.clone();
            let pruned = read_record(&store, "pruned lane", &pruned_key(&record.lane))?.unwrap_or_default();
            let retention = Retention::from_record(pruned, record.log.size());
            inbound.insert(peer, Inbound::from_record(record, runs, retention));
        }
        let mut successors = BTreeMap::new();
        for peer in outbound.keys() {
            let successor = read_record(&store, "successor", &successor_key(peer))?;
            successors.extend(successor.map(|successor| (peer.clone(), successor)));
        }
        let mut past = BTreeMap::new();
        for bytes in scan_all(&store, PAST)? {
            let lanes = PastLanes::from_record(decode_record("lanes that are over", &bytes)?);
            past.insert(lanes.key(), lanes);
        }
        let incarnation = read_record(&store, "incarnation", INCARNATION)?.unwrap_or(0);
        let inbox_size = read_record(&store, "inbox size", INBOX_SIZE)?.unwrap_or(0);
        let spent = read_record(&store, "spent budget", SPENT)?.unwrap_or_default();
        let mut engine = Engine {
            pace: Pace::default(),
            spending: Spending::new(config.budget, spent),
            keys: Keys::open(&store)?,
            config,
            store,
            failure: None,
            journal,
            clock: Clock::new(block_time_ns),
            attestor: Attestor::new(attestor),
            outbound,
            inbound,
            inbox_size,
            incarnation,
            own: None,
            successors,
            lanes: Lanes::default(),
            past,
            connected: BTreeSet::new(),
            reads_on: None,
            resumed: false,
            fetch_tip_at_ns: Some(now.mono_ns),
            acknowledged_at_ns: None,
            wish_at_ns: None,
            committed_at_ns: block_time_ns,
            day_at_ns: None,
        };
        engine.handle_timeout(now);
        Ok(engine)
    }
}

/// Checks whose home the store is, or makes an empty one this shard's.
fn check_home(config: &Config, store: &impl Store, journal: &mut Journal) -> Result<(), Stop> {
    let expected = home_record(config);
    let Some(bytes) = store.get(HOME)? else {
        journal.put(HOME.to_vec(), &expected);
        return Ok(());
    };
    // The format stands first, so that it can be read from the record of any version.
    let format = bytes.first_chunk().copied().map_or(0, u32::from_le_bytes);
    if format != STORE_FORMAT {
        return Err(Stop::OtherFormat { found: format, expected: STORE_FORMAT });
    }
    let found: HomeRecord = decode_record("home", &bytes)?;
    if found != expected {
        let show = |home: &HomeRecord| {
            format!(
                "shard {} of bridge {} on {} (instance {})",
                home.shard, home.domain.bridge, home.domain.network, home.domain.instance
            )
        };
        return Err(Stop::OtherHome { found: show(&found), expected: show(&expected) });
    }
    Ok(())
}

/// Whose home a store with this configuration is.
pub(super) fn home_record(config: &Config) -> HomeRecord {
    HomeRecord { format: STORE_FORMAT, shard: config.shard.clone(), domain: config.trust.domain.clone() }
}

/// All values under a prefix.
pub(super) fn scan_all(store: &impl Store, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
    const PAGE: usize = 1_000;
    let mut values = Vec::new();
    let mut from = prefix.to_vec();
    loop {
        let page = store.scan(prefix, &from, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(values) };
        from = [last.as_slice(), &[0]].concat();
        values.extend(page.into_iter().map(|(_, value)| value));
    }
}
