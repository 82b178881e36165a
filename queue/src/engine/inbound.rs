//! The inbound lane: stages what arrives, and delivers what an attested head releases.

use super::config::STAGED_BYTES_MAX;
use super::io::{Direction, Output};
use super::journal::Journal;
use super::records::{INBOX_SIZE, InboundRecord, InboxRecord, inbound_key, inbox_key};
use super::refusal::Refusal;
use crate::derivation::derive_public_key;
use crate::digest::{Hash, Native, leaf};
use crate::frame::{ReceiverFrame, Release, encode_frame};
use crate::heads::Head;
use crate::ids::{Lane, ShardId};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::log::{CompactRange, root_from_consistency};
use crate::message::{Decision, Tombstone, decide};
use crate::proof::{HeadProof, VerifiedHead};
use crate::trust::TrustRoot;

/// Invariant: `record` is in the store or `dirty`.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) record: InboundRecord,
    pub(super) dirty: bool,
    /// Why the lane waits for an upgrade of this software.
    pub(super) stopped: Option<String>,
    session: Option<Staged>,
}

/// What has arrived on the connection and no attested head has released: worth nothing yet.
#[derive(Debug)]
struct Staged {
    /// The verified log with the staged messages appended.
    log: CompactRange,
    /// Each with its leaf hash, so that delivering doesn't hash it again.
    messages: Vec<(Hash, Vec<u8>)>,
    /// The beginning of the next message, with its length.
    partial: Vec<u8>,
    bytes: usize,
}

/// Messages that an attested head has released: the type is the proof.
#[derive(Debug)]
pub(super) struct Released {
    head: VerifiedHead,
    proof: HeadProof,
    messages: Vec<(Hash, Vec<u8>)>,
}

impl Released {
    pub(super) fn head(&self) -> &Head {
        self.head.head()
    }
}

/// What delivering needs of the engine.
pub(super) struct Delivery<'a> {
    pub(super) journal: &'a mut Journal,
    pub(super) inbox_size: &'a mut u64,
    pub(super) block_time_ns: u64,
}

impl Inbound {
    pub(super) fn new(lane: Lane) -> Self {
        let log = CompactRange::default();
        let record = InboundRecord { lane, log, bytes: 0, sealed: 0, acknowledged: 0, head: None, frozen: None };
        Inbound::from_record(record)
    }

    pub(super) fn from_record(record: InboundRecord) -> Self {
        Inbound { record, dirty: false, stopped: None, session: None }
    }

    pub(super) fn peer(&self) -> &ShardId {
        &self.record.lane.source
    }

    pub(super) fn staged_bytes(&self) -> usize {
        self.session.as_ref().map_or(0, |staged| staged.bytes)
    }

    /// A checkpoint that covers all that was received was sealed.
    pub(super) fn handle_sealed(&mut self) {
        let size = self.record.log.size();
        self.dirty |= self.record.sealed != size;
        self.record.sealed = size;
    }

    /// An attested checkpoint says that so much was received.
    pub(super) fn handle_attested(&mut self, received: u64) {
        self.dirty |= self.record.acknowledged != received;
        self.record.acknowledged = received;
    }

    /// Opens the lane's stream.
    pub(super) fn open(&mut self, journal: &mut Journal) {
        let log = self.record.log.clone();
        let open = ReceiverFrame::Open { lane: self.record.lane.clone(), size: log.size(), root: log.root::<Native>() };
        self.session = Some(Staged { log, messages: Vec::new(), partial: Vec::new(), bytes: 0 });
        self.emit(&open, journal);
    }

    /// The connection is gone, and with it what was staged.
    pub(super) fn handle_disconnected(&mut self) {
        self.session = None;
    }

    /// The next bytes of the lane.
    pub(super) fn handle_data(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let Some(staged) = &mut self.session else {
            return Err(Refusal::Peer("sent data on a lane that is not open".to_owned()));
        };
        staged.bytes += bytes.len();
        if staged.bytes > STAGED_BYTES_MAX {
            return Err(Refusal::Peer(format!("sent more than {STAGED_BYTES_MAX} bytes without a release")));
        }
        staged.partial.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((header, rest)) = staged.partial[at..].split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_le_bytes(*header)).unwrap_or(usize::MAX);
            if length > MESSAGE_BYTES_MAX {
                return Err(Refusal::Peer(format!("announced a message of {length} bytes, above the limit")));
            }
            let Some(message) = rest.get(..length) else { break };
            let leaf = leaf::<Native>(message);
            staged.log.append_leaf::<Native>(leaf, |_, _| {});
            staged.messages.push((leaf, message.to_vec()));
            at += header.len() + length;
        }
        staged.partial.drain(..at);
        Ok(())
    }

    /// Checks a release against what is staged.
    pub(super) fn verify_release(&mut self, release: Release, trust: &TrustRoot) -> Result<Released, Refusal> {
        let Some(staged) = &mut self.session else {
            return Err(Refusal::Peer("released a batch on a lane that is not open".to_owned()));
        };
        if !staged.partial.is_empty() || staged.log.size() != release.end {
            let (staged, end) = (staged.log.size(), release.end);
            return Err(Refusal::Peer(format!("released the lane up to {end}, but has sent {staged} whole messages")));
        }
        let head = release.head.clone().verify::<Native>(trust, derive_public_key)?;
        check_parties(&head, &self.record.lane)?;
        if let Some(known) = &self.record.head {
            check_against_known(known, &head)?;
        }
        let verified = &self.record.log;
        if head.head().sent_size == verified.size() && head.head().sent_root != verified.root::<Native>() {
            return Err(contradiction("attested another root at the size that is verified here".to_owned()));
        }
        let root = covered_root(staged.log.root::<Native>(), &release, head.head());
        if root != Some(head.head().sent_root) {
            return Err(Refusal::Peer(format!(
                "sent messages up to {} that its attested head does not cover",
                release.end
            )));
        }
        Ok(Released { head, proof: release.head, messages: std::mem::take(&mut staged.messages) })
    }

    /// Decides released messages and puts them into the inbox. They are acknowledged once durable.
    ///
    /// An unknown message version stops the lane before the batch that holds it.
    pub(super) fn deliver(&mut self, released: Released, delivery: Delivery<'_>) {
        let Delivery { journal, inbox_size, block_time_ns } = delivery;
        let (first_nonce, turn) = (self.record.log.size(), journal.open_turn());
        let mut tombstones: Vec<(u64, Tombstone)> = Vec::new();
        for (nonce, (_, message)) in (first_nonce..).zip(&released.messages) {
            match decide(message, &self.record.lane.source, &self.record.lane.destination, block_time_ns) {
                Ok(Decision::Deliver(_)) => {}
                Ok(Decision::Bury(reason)) => tombstones.push((nonce, reason)),
                Err(error) => {
                    self.stopped = Some(error.to_string());
                    self.session = None;
                    return;
                }
            }
        }
        self.record.head = Some(released.proof);
        self.dirty = true;
        let Some(staged) = &mut self.session else { return };
        staged.bytes = 0;
        let count = u64::try_from(released.messages.len()).expect("a length fits 64 bits");
        if count == 0 {
            return;
        }
        let record = &mut self.record;
        for (leaf, message) in released.messages {
            journal.append(&record.lane, &mut record.log, &mut record.bytes, leaf, &message);
        }
        debug_assert_eq!(record.log, staged.log);
        *inbox_size += count;
        let lane = record.lane.clone();
        journal.put(inbox_key(*inbox_size), &InboxRecord { lane, first_nonce, count, turn, tombstones });
        journal.put(INBOX_SIZE.to_vec(), inbox_size);
        let ack = ReceiverFrame::Ack { size: record.log.size() };
        self.emit(&ack, journal);
    }

    fn emit(&self, frame: &ReceiverFrame, journal: &mut Journal) {
        let bytes = encode_frame(frame);
        journal.emit(Output::Frame { peer: self.peer().clone(), lane: Direction::Inbound, bytes });
    }

    /// Writes the record if it changed.
    pub(super) fn flush(&mut self, journal: &mut Journal) {
        if std::mem::take(&mut self.dirty) {
            journal.put(inbound_key(&self.record.lane.source), &self.record);
        }
    }
}

fn contradiction(what: String) -> Refusal {
    Refusal::Contradiction(Direction::Inbound, what)
}

/// The root at the head's sent size that follows from the staged root at the release's end.
fn covered_root(staged_root: Hash, release: &Release, head: &Head) -> Option<Hash> {
    if head.sent_size < release.end {
        return None;
    }
    root_from_consistency::<Native>(release.end, staged_root, head.sent_size, &release.consistency)
}

/// Whether a head is about this lane.
fn check_parties(verified: &VerifiedHead, lane: &Lane) -> Result<(), Refusal> {
    let head = verified.head();
    let shard = &verified.checkpoint().checkpoint().shard;
    let found = (shard, &head.peer, head.own_incarnation, head.peer_incarnation);
    let expected = (&lane.source, &lane.destination, lane.source_incarnation, lane.destination_incarnation);
    if found != expected {
        let (from, to) = (shard, &head.peer);
        return Err(Refusal::Peer(format!("released with a head from {from} for {to}, which is not of this lane")));
    }
    Ok(())
}

/// Whether a head follows the newest one known: two attested heads that can't both be true freeze
/// the lane, an old one drops the connection.
fn check_against_known(known: &HeadProof, verified: &VerifiedHead) -> Result<(), Refusal> {
    let (old, new) = (&known.attestation.checkpoint, verified.checkpoint().checkpoint());
    let (old_head, new_head) = (&known.head, verified.head());
    if new.height < old.height {
        let (found, expected) = (new.height, old.height);
        return Err(Refusal::Peer(format!("released with a head of height {found} after one of height {expected}")));
    }
    if new.height == old.height {
        let same = new == old && new_head == old_head;
        return if same {
            Ok(())
        } else {
            Err(contradiction(format!("two attested checkpoints at height {}", new.height)))
        };
    }
    if new.key_epoch < old.key_epoch || new.time_ns < old.time_ns {
        return Err(contradiction(format!("key epoch or time fall between heights {} and {}", old.height, new.height)));
    }
    if new_head.sent_size < old_head.sent_size {
        return Err(contradiction(format!(
            "the lane falls from {} to {} messages",
            old_head.sent_size, new_head.sent_size
        )));
    }
    if new_head.sent_size == old_head.sent_size && new_head.sent_root != old_head.sent_root {
        return Err(contradiction(format!("two attested roots at size {}", new_head.sent_size)));
    }
    Ok(())
}
