//! The inbound lane: stages what arrives, and delivers what an attested head releases.

use super::config::{STAGED_TOMBSTONES_MAX, STAGED_TOMBSTONES_SLACK};
use super::io::{Direction, Output};
use super::journal::Journal;
use super::outbound::in_full;
use super::records::{
    INBOX_SIZE, InboundRecord, InboxRecord, MarkRecord, StagedRecord, StagedRun, inbound_key, inbox_key,
};
use super::refusal::Refusal;
use super::results::Judge;
use super::retention::Retention;
use super::staged::Staged;
use super::tree::LaneTree;
use crate::derivation::derive_public_key;
use crate::digest::Native;
use crate::frame::{ReceiverFrame, Release, encode_frame};
use crate::ids::{Lane, ShardId};
use crate::log::{CompactRange, proves_prefix};
use crate::message::MESSAGE_VERSION;
use crate::proof::{HeadProof, VerifiedHead};
use crate::store::{Store, StoreError};
use crate::trust::TrustRoot;
use std::collections::VecDeque;

/// Invariant: `record` is in the store or `dirty`; `record.staged` is written from `staged`.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) record: InboundRecord,
    pub(super) dirty: bool,
    /// Why the lane waits for an upgrade of this software.
    pub(super) stopped: Option<String>,
    /// The time that a checkpoint for the source should have reached, as it has wished on its
    /// connection.
    pub(super) wished_ns: Option<u64>,
    /// How far the oldest messages are pruned.
    pub(super) retention: Retention,
    staged: Staged,
    session: Option<Session>,
    /// The head whose signature was checked last: a backlog is released by the same one, batch by
    /// batch.
    checked: Option<(HeadProof, VerifiedHead)>,
}

/// The lane's stream, once opened.
#[derive(Debug)]
struct Session {
    /// Whether the source has said where it goes on.
    begun: bool,
    /// Size up to which the source knows that it is durable here.
    told: u64,
    /// Whether a file brings the messages: then there is nobody to acknowledge them to.
    is_file: bool,
}

/// The connection's session, while a file brings messages.
#[derive(Debug)]
pub(super) struct Aside {
    session: Option<Session>,
    size: u64,
}

/// A size of the lane that an attested head has released: the type is the proof.
#[derive(Debug)]
pub(super) struct Released {
    proof: HeadProof,
    end: MarkRecord,
}

impl Released {
    /// The source's verified head.
    pub(super) fn proof(&self) -> &HeadProof {
        &self.proof
    }
}

/// What delivering needs of the engine.
pub(super) struct Delivery<'a, 'b, S> {
    pub(super) journal: &'a mut Journal,
    pub(super) inbox_size: &'a mut u64,
    pub(super) judge: &'a mut Judge<'b, S>,
}

impl Inbound {
    pub(super) fn new(lane: Lane) -> Self {
        let log = CompactRange::default();
        let staged = StagedRecord::default();
        let record =
            InboundRecord { lane, log, bytes: 0, sealed: 0, acknowledged: 0, head: None, frozen: None, staged };
        Inbound::from_record(record, VecDeque::new(), Retention::default())
    }

    pub(super) fn from_record(record: InboundRecord, runs: VecDeque<StagedRun>, retention: Retention) -> Self {
        let staged = Staged::new(record.staged.clone(), runs);
        let (dirty, stopped, wished_ns) = (false, None, None);
        Inbound { record, dirty, stopped, wished_ns, retention, staged, session: None, checked: None }
    }

    pub(super) fn peer(&self) -> &ShardId {
        &self.record.lane.source
    }

    /// Whether the lane takes anything: it is neither frozen nor stopped.
    pub(super) fn is_open(&self) -> bool {
        self.record.frozen.is_none() && self.stopped.is_none()
    }

    /// Number of messages here, with those that wait for their release.
    pub(super) fn staged_size(&self) -> u64 {
        self.staged.size()
    }

    pub(super) fn staged_bytes(&self) -> u64 {
        self.staged.record.bytes - self.record.bytes
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
        let (verified, staged) = (&self.record.log, &self.staged.record.log);
        let open = ReceiverFrame::Open {
            lane: self.record.lane.clone(),
            size: verified.size(),
            root: verified.root::<Native>(),
            staged_size: staged.size(),
            staged_root: staged.root::<Native>(),
        };
        self.session = Some(Session { begun: false, told: staged.size(), is_file: false });
        self.emit(&open, journal);
    }

    /// Sets the connection's session aside for a file.
    pub(super) fn begin_file(&mut self) -> Aside {
        let size = self.record.log.size();
        let session = Session { begun: true, told: u64::MAX, is_file: true };
        Aside { session: self.session.replace(session), size }
    }

    /// Goes on with the connection, unless the file brought messages: then the stream has to begin
    /// behind them.
    pub(super) fn end_file(&mut self, aside: Aside) {
        self.session = aside.session.filter(|_| self.record.log.size() == aside.size);
    }

    /// The connection is gone, and with it the part of a message that it brought last.
    pub(super) fn handle_disconnected(&mut self) {
        self.session = None;
        self.wished_ns = None;
        self.staged.forget_partial();
    }

    /// The source says where it goes on: behind what is staged, or behind what is verified.
    pub(super) fn handle_begin<S: Store>(
        &mut self,
        size: u64,
        store: &S,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        let Some(session) = self.session.as_mut().filter(|session| !session.begun) else {
            return Err(Refusal::Peer("began a lane that is not open, or twice".to_owned()));
        };
        let (verified, staged) = (self.record.log.size(), self.staged.size());
        if size != staged && size != verified {
            return Err(Refusal::Peer(format!(
                "began after {size} messages; {verified} are verified, {staged} staged"
            )));
        }
        session.begun = true;
        if size != staged {
            self.drop_staged(store, journal)?;
        }
        Ok(())
    }

    /// The next bytes of the lane.
    pub(super) fn handle_data(&mut self, bytes: &[u8], bytes_max: u64, journal: &mut Journal) -> Result<(), Refusal> {
        self.check_begun("data")?;
        if self.staged_bytes() > bytes_max {
            return Err(Refusal::Peer(format!("sent more than {bytes_max} bytes without a release")));
        }
        let tombstones = self.staged.tombstones();
        if tombstones > STAGED_TOMBSTONES_MAX + STAGED_TOMBSTONES_SLACK {
            return Err(Refusal::Peer(format!("sent {tombstones} messages without a release that nobody can take")));
        }
        self.dirty = true;
        self.staged.handle_data(&self.record.lane, bytes, journal)
    }

    /// The source says at which size the lane may be attested.
    pub(super) fn handle_mark(&mut self, size: u64, journal: &mut Journal) -> Result<(), Refusal> {
        self.check_begun("a mark")?;
        self.dirty = true;
        self.staged.handle_mark(&self.record.lane, size, journal)
    }

    /// The source wishes for a checkpoint with at least this time. One wish stands at a time: a
    /// newer one replaces it.
    pub(super) fn handle_wish(&mut self, time_ns: u64) -> Result<(), Refusal> {
        self.check_begun("a wish")?;
        self.wished_ns = Some(time_ns);
        Ok(())
    }

    fn check_begun(&self, what: &str) -> Result<(), Refusal> {
        let begun = self.session.as_ref().is_some_and(|session| session.begun);
        if begun { Ok(()) } else { Err(Refusal::Peer(format!("sent {what} on a lane that has not begun"))) }
    }

    /// Checks a release against what is staged: one comparison, and a signature unless it is known.
    pub(super) fn verify_release(&mut self, release: Release, trust: &TrustRoot) -> Result<Released, Refusal> {
        self.check_begun("a release")?;
        let head = self.verify_head(release.head.clone(), trust)?;
        self.check_head(&head)?;
        let verified = &self.record.log;
        if head.head().sent_size == verified.size() && head.head().sent_root != verified.root::<Native>() {
            return Err(contradiction("attested another root at the size that is verified here".to_owned()));
        }
        let end = if release.end == verified.size() {
            Some(MarkRecord { log: verified.clone(), bytes: self.record.bytes })
        } else {
            self.staged.at(release.end).filter(|_| release.end > verified.size())
        };
        let Some(end) = end else {
            let (end, staged) = (release.end, self.staged.size());
            return Err(Refusal::Peer(format!("released size {end}, which it has not marked; {staged} are staged")));
        };
        let (root, sent) = (end.log.root::<Native>(), head.head());
        if !proves_prefix::<Native>(release.end, root, sent.sent_size, sent.sent_root, &release.consistency) {
            let end = release.end;
            return Err(Refusal::Staged(format!("sent messages up to {end} that its attested head does not cover")));
        }
        Ok(Released { proof: release.head, end })
    }

    /// Checks a head's signature, unless it is the one that was checked last, and that it is about
    /// this lane.
    pub(super) fn verify_head(&mut self, proof: HeadProof, trust: &TrustRoot) -> Result<VerifiedHead, Refusal> {
        if let Some((_, head)) = self.checked.as_ref().filter(|(checked, _)| *checked == proof) {
            return Ok(head.clone());
        }
        let head = proof.clone().verify::<Native>(trust, derive_public_key)?;
        check_parties(&head, &self.record.lane)?;
        self.checked = Some((proof, head.clone()));
        Ok(head)
    }

    /// Whether a head of this lane may follow what is known of it.
    pub(super) fn check_head(&self, head: &VerifiedHead) -> Result<(), Refusal> {
        self.record.head.as_ref().map_or(Ok(()), |known| check_against_known(known, head))
    }

    /// Forgets what is staged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn drop_staged<S: Store>(&mut self, store: &S, journal: &mut Journal) -> Result<(), StoreError> {
        let InboundRecord { lane, log, bytes, .. } = &self.record;
        LaneTree { store, lane }.node_keys_above(log.size())?.into_iter().for_each(|key| journal.delete(key));
        self.staged.drop_all(lane, log, *bytes, journal);
        self.dirty = true;
        Ok(())
    }

    /// Decides released messages and puts them into the inbox. They are acknowledged once durable.
    ///
    /// An unknown message version stops the lane before the release that covers it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn deliver<S: Store>(
        &mut self,
        released: Released,
        delivery: Delivery<'_, '_, S>,
    ) -> Result<(), StoreError> {
        let Delivery { journal, inbox_size, judge } = delivery;
        let lane = self.record.lane.clone();
        let end = released.end;
        self.staged.close_run(&lane, journal);
        if let Some(nonce) = self.staged.stops_below(end.log.size()) {
            let known = MESSAGE_VERSION;
            self.stopped =
                Some(format!("message {nonce} has an unknown version, this software knows {known}: upgrade needed"));
            self.session = None;
            return Ok(());
        }
        self.record.head = Some(released.proof);
        self.dirty = true;
        let turn = journal.open_turn();
        for run in self.staged.release(&lane, end.log.size(), journal) {
            let tombstones = judge.decide_run(&run, journal)?;
            let (first_nonce, count) = (run.first_nonce, run.end - run.first_nonce);
            *inbox_size += count;
            let lane = lane.clone();
            journal.put(inbox_key(*inbox_size), &InboxRecord { lane, first_nonce, count, turn, tombstones });
        }
        if end.log.size() > self.record.log.size() {
            (self.record.log, self.record.bytes) = (end.log, end.bytes);
            journal.put(INBOX_SIZE.to_vec(), inbox_size);
            if self.session.as_ref().is_some_and(|session| !session.is_file) {
                let size = self.record.log.size();
                self.emit(&ReceiverFrame::Ack { size }, journal);
            }
        }
        Ok(())
    }

    /// Tells the source how much is durable here, unless more is staged than may be.
    pub(super) fn tell_staged(&mut self, bytes_max: u64, journal: &mut Journal) {
        let is_full = self.staged_bytes() > bytes_max || self.staged.tombstones() > STAGED_TOMBSTONES_MAX;
        let size = self.staged.size();
        let Some(session) = self.session.as_mut().filter(|session| session.told < size && !is_full) else { return };
        session.told = size;
        if size > self.record.log.size() {
            self.emit(&ReceiverFrame::Staged { size }, journal);
        }
    }

    fn emit(&self, frame: &ReceiverFrame, journal: &mut Journal) {
        let frame = encode_frame(frame).into();
        journal.emit(Output::Frame { peer: self.peer().clone(), lane: Direction::Inbound, frame });
    }

    /// Writes the record if it changed.
    pub(super) fn flush(&mut self, journal: &mut Journal) {
        self.staged.close_run(&self.record.lane, journal);
        if std::mem::take(&mut self.dirty) {
            self.record.staged = self.staged.record.clone();
            journal.put(inbound_key(&self.record.lane.source), &self.record);
        }
    }
}

fn contradiction(what: String) -> Refusal {
    Refusal::Contradiction(Direction::Inbound, what)
}

/// Whether a head is about this lane.
fn check_parties(verified: &VerifiedHead, lane: &Lane) -> Result<(), Refusal> {
    if !verified.is_of(lane) {
        let head = verified.head();
        let found = Lane {
            source: verified.checkpoint().checkpoint().shard.clone(),
            destination: head.peer.clone(),
            source_incarnation: head.own_incarnation,
            destination_incarnation: head.peer_incarnation,
        };
        let (found, expected) = (in_full(&found), in_full(lane));
        return Err(Refusal::Peer(format!("released with a head of the lane {found}, here it is {expected}")));
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
