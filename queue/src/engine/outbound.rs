//! The outbound lane: takes messages, sends what is attested, prunes what is acknowledged.

use super::config::{BUSY_RETRY_MS, READ_BACK_BYTES, STAGED_SLACK_BYTES};
use super::io::{Direction, EnqueueError, Output};
use super::journal::Journal;
use super::records::{OutboundRecord, outbound_key};
use super::refusal::Refusal;
use super::settlement::{Note, NoteKind, Settlement};
use super::tree::{LaneTree, STORED_LEAVES, prune_point};
use super::unsent::Unsent;
use crate::digest::{Hash, Native, empty_root, leaf};
use crate::frame::{DATA_BYTES_MAX, Release, SenderFrame, encode_data, encode_frame};
use crate::heads::Head;
use crate::ids::{Lane, ShardId};
use crate::log::CompactRange;
use crate::proof::HeadProof;
use crate::store::{Appended, Store, StoreError};
use crate::stream::{Piece, Stream, stream_bytes};
use std::collections::{BTreeMap, VecDeque};

/// Invariant: `record` is in the store or `dirty`.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) record: OutboundRecord,
    pub(super) dirty: bool,
    /// Size that the destination holds verified and durably, as it says itself.
    pub(super) delivered: u64,
    /// What became of the lane's messages.
    pub(super) settlement: Settlement,
    /// Messages below are to go.
    pub(super) prune_target: u64,
    /// Whether the next attested head is told to the destination even if it has no news but its
    /// time, as was wished.
    pub(super) tells_time: bool,
    /// Whether the newest attested head covers messages that the one before did not.
    covers_more: bool,
    session: Option<Session>,
}

/// The stream of this lane, once the destination opened it.
///
/// Invariant: `delivered <= sent`, and what is sent is in the store.
#[derive(Debug)]
struct Session {
    sent: u64,
    /// What the destination holds verified, by this stream alone: the other lane's stream may bring a head
    /// that tells of more before the acknowledgements do.
    acknowledged: u64,
    /// Up to where the destination was told that it may verify.
    released: u64,
    /// The newest marked size.
    marked: u64,
    /// Ends of what was sent and is not yet known to be durable at the destination, with bytes.
    in_flight: VecDeque<(u64, usize)>,
    /// Ends of what was sent and is not yet released, with bytes.
    unreleased: VecDeque<(u64, usize)>,
    unsent: Unsent,
    /// Height of the newest checkpoint whose head was released on this stream.
    released_height: Option<u64>,
}

impl Session {
    fn in_flight_bytes(&self) -> usize {
        self.in_flight.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Whether to release what was sent, now that so much is attested: as soon as all of it was sent,
    /// and before that for every half of a flight, because each release takes a proof. Were it more, a
    /// destination whose staging limit is reached would wait for a release, and this node for room.
    fn is_release_due(&self, attested: u64, flight_bytes_max: usize) -> bool {
        let unreleased_bytes: usize = self.unreleased.iter().map(|(_, bytes)| bytes).sum();
        self.sent >= attested || unreleased_bytes >= flight_bytes_max / 2
    }
}

impl Outbound {
    pub(super) fn new(lane: Lane) -> Self {
        let record = OutboundRecord {
            lane,
            log: CompactRange::default(),
            bytes: 0,
            sealed: 0,
            attested: 0,
            acknowledged: 0,
            acknowledged_root: empty_root::<Native>(),
            acknowledged_bytes: 0,
            head: None,
            frozen: None,
        };
        Outbound::from_record(record, Settlement::default())
    }

    pub(super) fn from_record(record: OutboundRecord, settlement: Settlement) -> Self {
        Outbound {
            delivered: record.acknowledged,
            prune_target: settlement.record.pruned,
            record,
            dirty: false,
            settlement,
            tells_time: false,
            covers_more: false,
            session: None,
        }
    }

    pub(super) fn peer(&self) -> &ShardId {
        &self.record.lane.destination
    }

    /// Bytes of requests not yet acknowledged: results take no room.
    pub(super) fn backlog_bytes(&self) -> u64 {
        let settlement = &self.settlement.record;
        let results = settlement.notes.result_bytes - settlement.acknowledged_result_bytes;
        self.record.bytes - self.record.acknowledged_bytes - results
    }

    /// Up to where the open stream, if there is one, has released the lane.
    pub(super) fn released(&self) -> Option<u64> {
        self.session.as_ref().map(|session| session.released)
    }

    /// Whether the destination has opened the lane's stream.
    pub(super) fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// Whether the lane takes a message of `bytes` behind others of `before_bytes`.
    pub(super) fn check_room(&self, before_bytes: u64, bytes: u64, backlog_bytes_max: u64) -> Result<(), EnqueueError> {
        if let Some(reason) = &self.record.frozen {
            return Err(EnqueueError::Frozen { peer: self.peer().clone(), reason: reason.clone() });
        }
        let backlog_bytes = self.backlog_bytes().saturating_add(before_bytes);
        if backlog_bytes.saturating_add(bytes) > backlog_bytes_max && backlog_bytes > 0 {
            return Err(EnqueueError::Busy {
                peer: self.peer().clone(),
                backlog_bytes,
                backlog_bytes_max,
                retry_ms: BUSY_RETRY_MS,
            });
        }
        Ok(())
    }

    /// Whether the call window takes another message of this kind.
    pub(super) fn check_call_window(&self, kind: NoteKind, call_window: usize) -> Result<(), EnqueueError> {
        let calls = self.settlement.record.open_calls.len();
        if kind == NoteKind::Call && calls >= call_window {
            let peer = self.peer().clone();
            return Err(EnqueueError::CallWindow { peer, calls, call_window, retry_ms: BUSY_RETRY_MS });
        }
        Ok(())
    }

    /// Appends an encoded message and gives its nonce.
    pub(super) fn enqueue(&mut self, message: &[u8], note: Note, journal: &mut Journal) -> u64 {
        let record = &mut self.record;
        let nonce = record.log.size();
        let leaf = leaf::<Native>(message);
        let notes = self.settlement.note(nonce, note, stream_bytes(message));
        journal.append(&record.lane, &mut record.log, &mut record.bytes, leaf, message, notes);
        self.dirty = true;
        nonce
    }

    /// Appends encoded messages, at least one, each with the same note.
    pub(super) fn enqueue_all(&mut self, messages: &Stream, note: Note, journal: &mut Journal) {
        let messages: Vec<&[u8]> = messages.messages().collect();
        let record = &mut self.record;
        let mut noted = BTreeMap::new();
        for (nonce, message) in (record.log.size()..).zip(&messages) {
            let notes = self.settlement.note(nonce, note, stream_bytes(message));
            if (nonce + 1).is_multiple_of(STORED_LEAVES) {
                noted.insert(nonce + 1, notes.clone());
            }
        }
        let notes_at = |completed, level| noted[&completed].of_completed(level);
        journal.append_all(&record.lane, &mut record.log, &mut record.bytes, &messages, notes_at);
        self.dirty = true;
    }

    /// A checkpoint that covers all of the lane was sealed.
    pub(super) fn handle_sealed(&mut self) {
        let size = self.record.log.size();
        self.dirty |= self.record.sealed != size;
        self.record.sealed = size;
    }

    /// The head of this shard for the destination was attested. One that says nothing new is not
    /// worth keeping, nor telling.
    pub(super) fn handle_attested(&mut self, head: HeadProof) {
        let sizes = |proof: &HeadProof| (proof.head.sent_size, proof.head.received_size);
        let tells_time = std::mem::take(&mut self.tells_time);
        if self.record.head.as_ref().map(sizes) == Some(sizes(&head)) && !tells_time {
            return;
        }
        self.covers_more = head.head.sent_size > self.record.attested;
        self.record.attested = head.head.sent_size;
        self.record.head = Some(head);
        self.dirty = true;
        debug_assert!(self.record.attested <= self.record.sealed);
    }

    /// The destination opened the lane's stream with what it holds: goes on behind what is staged
    /// there, if that is this lane's, else behind what is verified.
    pub(super) fn handle_open<S: Store>(
        &mut self,
        held: &Held,
        store: &S,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        let record = &self.record;
        let Held { lane, size, root, staged_size, staged_root } = held;
        let (size, staged_size) = (*size, *staged_size);
        if *lane != record.lane {
            let (found, expected) = (in_full(lane), in_full(&record.lane));
            return Err(Refusal::Peer(format!("opened the lane {found}, here it is {expected}")));
        }
        if self.session.is_some() {
            return Err(Refusal::Peer("opened the lane twice on one connection".to_owned()));
        }
        // What is sealed may have been released by a signature that a crash has lost here.
        if size < record.acknowledged || size > record.sealed {
            return Err(Refusal::Peer(format!(
                "claims to hold {size} messages; it has acknowledged {} and {} are sealed",
                record.acknowledged, record.sealed
            )));
        }
        let expected = self.root_at(size, store)?;
        if *root != expected {
            return Err(Refusal::Peer(format!("claims root {root} at size {size}, the lane's is {expected}")));
        }
        let stored = journal.stored_size(&record.lane, record.log.size());
        let is_ours = (size..=stored).contains(&staged_size) && self.root_at(staged_size, store)? == *staged_root;
        let sent = if is_ours { staged_size } else { size };
        self.delivered = size;
        let (acknowledged, released, marked, released_height) = (size, size, size, None);
        let (in_flight, unsent) = (VecDeque::new(), Unsent::default());
        // However much is staged there: it is released before anything else is sent.
        let unreleased = VecDeque::from_iter((sent > size).then_some((sent, STAGED_SLACK_BYTES)));
        self.session =
            Some(Session { sent, acknowledged, released, marked, in_flight, unreleased, unsent, released_height });
        self.emit(&SenderFrame::Begin { size: sent }, journal);
        Ok(())
    }

    /// The destination holds `size` messages durably, verified or at least staged.
    pub(super) fn handle_ack(&mut self, size: u64, is_verified: bool) -> Result<(), Refusal> {
        let Some(session) = &mut self.session else {
            return Err(Refusal::Peer("acknowledged before it opened the lane".to_owned()));
        };
        let most = if is_verified { session.released } else { session.sent };
        if size < session.acknowledged || size > most {
            let before = session.acknowledged;
            return Err(Refusal::Peer(format!("acknowledged size {size} after {before}; {most} were sent")));
        }
        while session.in_flight.front().is_some_and(|(end, _)| *end <= size) {
            session.in_flight.pop_front();
        }
        if is_verified {
            session.acknowledged = size;
            self.delivered = self.delivered.max(size);
        }
        Ok(())
    }

    /// The connection is gone.
    pub(super) fn handle_disconnected(&mut self) {
        self.settlement.wished_ns = None;
        self.session = None;
    }

    /// What an attested head of the destination says to have received.
    pub(super) fn handle_peer_head<S: Store>(&mut self, head: &Head, store: &S) -> Result<(), Refusal> {
        let contradiction = |what: String| Refusal::Contradiction(Direction::Outbound, what);
        let (size, known) = (head.received_size, self.record.acknowledged);
        if size < known {
            return Err(contradiction(format!("attested to have received {known} messages, and later only {size}")));
        }
        if size > self.record.sealed {
            let sealed = self.record.sealed;
            return Err(contradiction(format!("attested to have received {size} messages, of {sealed} sealed")));
        }
        let expected = self.root_at(size, store)?;
        if head.received_root != expected {
            let found = head.received_root;
            return Err(contradiction(format!("attested root {found} at size {size}, the lane's is {expected}")));
        }
        if size > known {
            let tree = LaneTree { store, lane: &self.record.lane };
            let has_results = self.settlement.record.notes.result_bytes > 0;
            let result_bytes = if has_results { tree.result_bytes_at(size)? } else { 0 };
            self.settlement.handle_acknowledged(result_bytes);
            self.record.acknowledged_bytes = tree.bytes_at(size)?;
            self.record.acknowledged = size;
            self.record.acknowledged_root = expected;
            self.delivered = self.delivered.max(size);
            self.dirty = true;
        }
        Ok(())
    }

    /// Keeps messages that are about to be stored, if they can be sent on the lane's stream.
    pub(super) fn keep_unsent(&mut self, appended: &Appended, bytes_max: usize) {
        if let Some(session) = self.session.as_mut().filter(|_| self.record.frozen.is_none()) {
            session.unsent.keep(appended, bytes_max);
        }
    }

    /// Sends what is stored, ahead of its attestation, as far as the flight limit allows; marks what
    /// is sealed, and releases what is attested. Takes what it reads back off `read_bytes_max`, and at
    /// 0 leaves the rest to the next turn. Returns whether it did.
    pub(super) fn pump<S: Store>(
        &mut self,
        flight_bytes_max: usize,
        read_bytes_max: &mut usize,
        store: &S,
        journal: &mut Journal,
    ) -> Result<bool, StoreError> {
        let mut goes_on = false;
        if self.record.frozen.is_some() {
            return self.tell_head(store, journal).map(|()| goes_on);
        }
        loop {
            self.mark_or_release(flight_bytes_max, store, journal)?;
            let Some(session) = &mut self.session else { break };
            let (sent, record) = (session.sent, &self.record);
            // A batch ends where the destination will compare roots.
            let end_max = [record.attested, record.sealed, record.log.size()].into_iter().find(|end| *end > sent);
            let Some(end_max) = end_max.filter(|_| session.in_flight_bytes() < flight_bytes_max) else { break };
            let (batch, count) = match session.unsent.take(sent, end_max) {
                Some(kept) => kept,
                None if *read_bytes_max == 0 => {
                    goes_on = true;
                    break;
                }
                None => {
                    let kept_from = session.unsent.begin().unwrap_or(u64::MAX);
                    let batch = read_batch(store, &record.lane, sent, end_max.min(kept_from))?;
                    *read_bytes_max = read_bytes_max.saturating_sub(batch.bytes().len());
                    let count = batch.count();
                    (batch.into(), count)
                }
            };
            self.send(&batch, count, journal);
        }
        self.tell_head(store, journal)?;
        Ok(goes_on)
    }

    fn send(&mut self, batch: &Piece, count: u64, journal: &mut Journal) {
        let Some(session) = &mut self.session else { return };
        session.sent += count;
        session.in_flight.push_back((session.sent, batch.as_ref().len()));
        session.unreleased.push_back((session.sent, batch.as_ref().len()));
        for data in batch.chunks(DATA_BYTES_MAX) {
            let (peer, frame) = (self.record.lane.destination.clone(), encode_data(data));
            journal.emit(Output::Frame { peer, lane: Direction::Outbound, frame });
        }
    }

    /// Releases what was sent up to an attested size, and marks what was sent up to the sealed one.
    fn mark_or_release<S: Store>(
        &mut self,
        flight_bytes_max: usize,
        store: &S,
        journal: &mut Journal,
    ) -> Result<(), StoreError> {
        let (attested, sealed) = (self.record.attested, self.record.sealed);
        let Some(session) = &mut self.session else { return Ok(()) };
        let is_marked = session.sent != sealed || sealed <= session.marked.max(attested);
        if !is_marked {
            session.marked = sealed;
        }
        let releasable = session.sent.min(attested);
        if releasable > session.released && session.is_release_due(attested, flight_bytes_max) {
            session.released = releasable;
            session.unreleased.retain(|(end, _)| *end > releasable);
            // A signature that brings messages needn't be durable here before they are released by
            // it: the sealed checkpoint is, with all that it covers, and after a crash its signature
            // is asked for again. Until it is there, the destination holds more than is attested
            // here, by which `tell_head` knows not to tell it an older head.
            let needs_turn = !self.covers_more || releasable < attested;
            self.release(needs_turn, store, journal)?;
        }
        if !is_marked {
            self.emit(&SenderFrame::Mark { size: sealed }, journal);
        }
        Ok(())
    }

    /// Tells the newest head, if it says more than the last one told.
    fn tell_head<S: Store>(&mut self, store: &S, journal: &mut Journal) -> Result<(), StoreError> {
        let height = self.record.head.as_ref().map(|head| head.attestation.checkpoint.height);
        let attested = self.record.attested;
        let is_told = |session: &Session| session.released_height == height || session.released > attested;
        if self.session.as_ref().is_none_or(is_told) { Ok(()) } else { self.release(true, store, journal) }
    }

    fn release<S: Store>(&mut self, needs_turn: bool, store: &S, journal: &mut Journal) -> Result<(), StoreError> {
        let (Some(session), Some(head)) = (&mut self.session, &self.record.head) else { return Ok(()) };
        session.released_height = Some(head.attestation.checkpoint.height);
        let end = session.released;
        let tree = LaneTree { store, lane: &self.record.lane };
        let consistency = tree.consistency(end, self.record.attested)?;
        let release = SenderFrame::Release(Box::new(Release { end, head: head.clone(), consistency }));
        let output = self.frame(&release);
        if needs_turn {
            journal.emit(output)
        } else {
            journal.emit_durable(output)
        }
        Ok(())
    }

    fn emit(&self, frame: &SenderFrame, journal: &mut Journal) {
        journal.emit(self.frame(frame));
    }

    fn frame(&self, frame: &SenderFrame) -> Output {
        let (peer, frame) = (self.peer().clone(), encode_frame(frame).into());
        Output::Frame { peer, lane: Direction::Outbound, frame }
    }

    fn root_at<S: Store>(&self, size: u64, store: &S) -> Result<Hash, StoreError> {
        if size == self.record.acknowledged {
            return Ok(self.record.acknowledged_root);
        }
        LaneTree { store, lane: &self.record.lane }.root_at(size)
    }

    /// Writes the record if it changed.
    pub(super) fn flush(&mut self, journal: &mut Journal) {
        self.settlement.flush(&self.record.lane, journal);
        if std::mem::take(&mut self.dirty) {
            journal.put(outbound_key(&self.record.lane.destination), &self.record);
        }
    }
}

/// The lane's name, with what tells it from others of that name.
pub(super) fn in_full(lane: &Lane) -> String {
    let Lane { source, destination, source_incarnation, destination_incarnation } = lane;
    format!("{source} (incarnation {source_incarnation}) → {destination} (incarnation {destination_incarnation})")
}

/// What the destination says to hold.
pub(super) struct Held {
    pub(super) lane: Lane,
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) staged_size: u64,
    pub(super) staged_root: Hash,
}

/// Reads the lane's stream from message `begin` up to about [`READ_BACK_BYTES`], at most to `end_max`.
fn read_batch<S: Store>(store: &S, lane: &Lane, begin: u64, end_max: u64) -> Result<Stream, StoreError> {
    let mut batch = store.read(lane, begin..end_max, READ_BACK_BYTES)?;
    if batch.is_empty() {
        return Err(StoreError::Damaged(format!("{lane} lacks message {begin}")));
    }
    // Proofs for a whole number of stored subtrees need no message to be read again.
    let end = begin + batch.count();
    let end = if end < end_max && prune_point(end) > begin { prune_point(end) } else { end };
    if begin + batch.count() > end {
        batch.shorten(usize::MAX, end - begin);
    }
    Ok(batch)
}
