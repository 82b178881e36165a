//! The audit: whether what a store holds adds up. Every root is recomputed from message bytes as
//! far as they are kept, and every signature is checked under the pinned trust root.
//!
//! Reads only, in one pass over each lane; memory doesn't grow with what is read.

mod callers;
mod inbox;
mod lane;
mod parties;
mod past;
mod retention;
mod rows;
mod settled;
mod settlement;
mod staged;

use super::records::{
    ATTESTOR, AttestorRecord, BLOCK_TIME, HOME, HomeRecord, INBOUND, INBOX_SIZE, InboundRecord, OUTBOUND,
    OutboundRecord, SettlementRecord, decode_record, evidence_prefix, inbound_key, outbound_key, read_record,
};
use super::settlement::Settlement;
use super::{STORE_FORMAT, outbound::Outbound, tree::prune_point};
use crate::ids::{Lane, ShardId};
use crate::log::CompactRange;
use crate::salt::SaltSecret;
use crate::store::{Store, StoreError};
use crate::trust::TrustRoot;
use lane::{Expected, Walk};
use rows::{Rows, number};
use serde::Serialize;
use settled::{Received, Sent, Side};
use std::collections::BTreeMap;

/// What an audit holds a store against.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// Whose store it must be.
    pub shard: &'a ShardId,
    /// The pinned trust root, under which attested heads must verify.
    pub trust: &'a TrustRoot,
    /// The secret of the salts, where it is at hand: without it a checkpoint that waits for its
    /// signature is compared with the lanes, but the root of its heads isn't recomputed.
    pub salts: Option<&'a SaltSecret>,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct AuditReport {
    /// Height of the newest attested checkpoint.
    pub attested_height: Option<u64>,
    /// Height of a sealed checkpoint that waits for its signature.
    pub pending_height: Option<u64>,
    /// The lanes to and from other shards.
    pub lanes: Vec<AuditedLane>,
    /// How many messages were put into the inbox.
    pub inbox_size: u64,
    /// All that doesn't add up; empty for a sound store.
    pub findings: Vec<Finding>,
}

/// One lane, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditedLane {
    /// The lane's source.
    pub source: ShardId,
    /// The lane's destination.
    pub destination: ShardId,
    /// Number of its messages.
    pub size: u64,
    /// The first whose bytes are kept.
    pub kept_from: u64,
    /// Messages that were hashed again.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Stored nodes of its tree.
    pub nodes: u64,
}

/// Something that doesn't add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where: a record or a lane.
    pub place: String,
    /// What was found, and what was expected.
    pub reason: String,
}

/// Audits the store of an engine. `progress` is told bytes of messages as they are hashed.
///
/// A store that fails or is damaged ends the part that was being read; that is a finding too.
pub fn audit<S: Store>(store: &S, expectation: &Expectation<'_>, progress: &mut dyn FnMut(u64)) -> AuditReport {
    let mut audit = Audit { store, expectation, report: AuditReport::default() };
    audit.take("record home", Audit::home);
    audit.take("record block-time", Audit::block_time);
    let attestor = audit.take("record attestor", Audit::attestor).unwrap_or_default();
    let outbound = audit.take("records outbound/", Audit::outbound).unwrap_or_default();
    let inbound = audit.take("records inbound/", Audit::inbound).unwrap_or_default();
    let settlements = audit.take("records settlement/", |audit| audit.settlements(&outbound)).unwrap_or_default();
    let expected = audit.expected(&attestor, &outbound, &inbound);
    audit.settled_all(&outbound, &inbound, &settlements);
    audit.walk_all(&outbound, &inbound, &settlements, expected, progress);
    audit.take("records incarnation and successor/", |audit| audit.incarnations(&outbound));
    let past = audit.take("records past/", Audit::past).unwrap_or_default();
    audit.past_all(attestor.attested.as_ref(), &past, progress);
    let received = inbound.values().chain(past.iter().map(|past| &past.inbound));
    audit.take("records pruned/", |audit| audit.pruned(received.clone()));
    audit.take("inbox", |audit| inbox::check(audit, received));
    audit.take("records key/", |audit| audit.keys(&outbound, &settlements, &past));
    audit.take("records feed/", Audit::feeds);
    audit.take("record spent", Audit::spent);
    audit.report
}

type Outbounds = BTreeMap<ShardId, OutboundRecord>;
type Inbounds = BTreeMap<ShardId, InboundRecord>;
type Settlements = BTreeMap<ShardId, SettlementRecord>;

struct Audit<'a, S> {
    store: &'a S,
    expectation: &'a Expectation<'a>,
    report: AuditReport,
}

impl<S: Store> Audit<'_, S> {
    fn find(&mut self, place: impl ToString, reason: impl ToString) {
        self.report.findings.push(Finding { place: place.to_string(), reason: reason.to_string() });
    }

    /// Reads a part; an error is a finding.
    fn take<T>(&mut self, place: &str, read: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Option<T> {
        read(self).map_err(|error| self.find(place, reason(error))).ok()
    }

    fn home(&mut self) -> Result<(), StoreError> {
        let Some(bytes) = self.store.get(HOME)? else {
            self.find("record home", "it is missing: this is the store of no engine, or of none that ever ran");
            return Ok(());
        };
        let found: HomeRecord = decode_record("home", &bytes)?;
        let Expectation { shard, trust, .. } = self.expectation;
        if found.format != STORE_FORMAT {
            self.find("record home", format!("format {}, expected {STORE_FORMAT}", found.format));
        }
        if found.shard != **shard {
            self.find("record home", format!("it names shard {}, expected {shard}", found.shard));
        }
        if found.domain != trust.domain {
            self.find("record home", "it names another bridge than the pinned trust root");
        }
        Ok(())
    }

    fn block_time(&mut self) -> Result<(), StoreError> {
        read_record::<u64>(self.store, "block time", BLOCK_TIME).map(drop)
    }

    fn attestor(&mut self) -> Result<AttestorRecord, StoreError> {
        let record: AttestorRecord = read_record(self.store, "attestor", ATTESTOR)?.unwrap_or_default();
        self.report.attested_height = record.attested.as_ref().map(|checkpoint| checkpoint.height);
        self.report.pending_height = record.pending.as_ref().map(|sealed| sealed.checkpoint.height);
        Ok(record)
    }

    fn outbound(&mut self) -> Result<Outbounds, StoreError> {
        let mut records = BTreeMap::new();
        let mut rows = Rows::new(self.store, OUTBOUND);
        while let Some((key, bytes)) = rows.next()? {
            let record: OutboundRecord = decode_record("outbound lane", &bytes)?;
            let place = format!("lane {}", record.lane);
            if key != outbound_key(&record.lane.destination) || record.lane.source != *self.expectation.shard {
                self.find(&place, "its record stands under another peer's key");
            }
            let [acknowledged, attested] = [record.acknowledged, record.attested];
            let [sealed, size] = [record.sealed, record.log.size()];
            if acknowledged.max(attested) > sealed || sealed > size {
                let found = format!("acknowledged {acknowledged}, attested {attested}, sealed {sealed}, size {size}");
                self.find(
                    &place,
                    format!("{found}: neither of the first two may be above sealed, nor that above size"),
                );
            }
            self.check_evidence(&place, &record.lane, record.frozen.is_some())?;
            records.insert(record.lane.destination.clone(), record);
        }
        Ok(records)
    }

    fn inbound(&mut self) -> Result<Inbounds, StoreError> {
        let mut records = BTreeMap::new();
        let mut rows = Rows::new(self.store, INBOUND);
        while let Some((key, bytes)) = rows.next()? {
            let record: InboundRecord = decode_record("inbound lane", &bytes)?;
            let place = format!("lane {}", record.lane);
            if key != inbound_key(&record.lane.source) || record.lane.destination != *self.expectation.shard {
                self.find(&place, "its record stands under another peer's key");
            }
            let sizes = [record.acknowledged, record.sealed, record.log.size(), record.staged.log.size()];
            if !sizes.is_sorted() {
                let [acknowledged, sealed, size, staged] = sizes;
                let found = format!("attested as received {acknowledged}, sealed as received {sealed}, size {size}");
                self.find(&place, format!("{found}, with what is staged {staged}: none may be above the next"));
            }
            self.check_staged(&place, &record)?;
            self.check_evidence(&place, &record.lane, record.frozen.is_some())?;
            records.insert(record.lane.source.clone(), record);
        }
        Ok(records)
    }

    fn check_evidence(&mut self, place: &str, lane: &Lane, is_frozen: bool) -> Result<(), StoreError> {
        let prefix = evidence_prefix(lane);
        if is_frozen && self.store.scan(&prefix, &prefix, 1)?.is_empty() {
            self.find(place, "it is frozen, but the evidence is missing");
        }
        Ok(())
    }

    /// Hashes every lane again.
    fn walk_all(
        &mut self,
        outbound: &Outbounds,
        inbound: &Inbounds,
        settlements: &Settlements,
        mut expected: BTreeMap<Lane, Vec<Expected>>,
        progress: &mut dyn FnMut(u64),
    ) {
        let mut claims = |lane: &Lane, log: &CompactRange, bytes: u64| {
            let mut expected = expected.remove(lane).unwrap_or_default();
            expected.push(Expected::whole(log, bytes, "the lane's record"));
            expected
        };
        let opened = |peer: &ShardId| {
            let settlement = settlements.get(peer).cloned().unwrap_or_default();
            outbound.get(peer).map(|record| Outbound::from_record(record.clone(), Settlement::from_record(settlement)))
        };
        let mut walks = Vec::new();
        for (peer, OutboundRecord { lane, log, bytes, acknowledged, .. }) in outbound {
            let pruned = settlements.get(peer).map_or(0, |record| record.pruned);
            let kept_from = prune_point(pruned.min(*acknowledged).min(log.size()));
            let newest = inbound.get(peer).and_then(|back| back.head.as_ref());
            let side = opened(peer).map_or(Side::Alone, |outbound| Side::Sent(Sent::new(self.store, outbound, newest)));
            walks.push(Walk::new(self.store, lane, log.size(), kept_from, claims(lane, log, *bytes), side));
        }
        for (peer, InboundRecord { lane, log, bytes, staged, .. }) in inbound {
            let kept_from = self.take("records pruned/", |audit| audit.kept_from(lane)).unwrap_or(0);
            let mut expected = claims(lane, log, *bytes);
            // What is said of smaller sizes was compared before the messages were let go.
            expected.retain(|expected| expected.size >= kept_from);
            expected.push(Expected::whole(&staged.log, staged.bytes, "the record of what is staged"));
            expected.extend(staged.marks.iter().map(|mark| Expected::whole(&mark.log, mark.bytes, "a staged mark")));
            let size = staged.log.size().max(log.size());
            let received = |outbound| Side::Received(Received::new(self.store, lane, log.size(), outbound));
            let side = opened(peer).map_or(Side::Alone, received);
            walks.push(Walk::new(self.store, lane, size, kept_from, expected, side));
        }
        for walk in walks {
            let (audited, findings) = walk.run(progress);
            self.report.findings.extend(findings);
            self.report.lanes.push(audited);
        }
    }

    fn inbox_size(&self) -> Result<u64, StoreError> {
        Ok(read_record(self.store, "inbox size", INBOX_SIZE)?.unwrap_or(0))
    }
}

/// What a store says is wrong, without what to do about it.
fn reason((StoreError::Medium(reason) | StoreError::Damaged(reason)): StoreError) -> String {
    reason
}

/// The heights of the newest attested checkpoint and of a sealed one that waits for its signature,
/// from the value of [`ATTESTOR_KEY`].
///
/// # Errors
/// [`StoreError::Damaged`].
pub fn heights(attestor: &[u8]) -> Result<(Option<u64>, Option<u64>), StoreError> {
    let record: AttestorRecord = decode_record("attestor", attestor)?;
    Ok((record.attested.map(|checkpoint| checkpoint.height), record.pending.map(|sealed| sealed.checkpoint.height)))
}

/// The key under which an engine keeps how far attesting is.
pub const ATTESTOR_KEY: &[u8] = ATTESTOR;
