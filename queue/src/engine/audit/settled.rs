//! What each message of a lane says about settling, as the lane is read: deadlines and results
//! against the notes of the tree, calls and results against what settled them.

use super::Rows;
use crate::engine::deadlines::{Deadlines, LaneNotes, NodeNotes};
use crate::engine::outbound::Outbound;
use crate::engine::records::{INBOX, InboxRecord, NodeRecord, decode_record};
use crate::ids::Lane;
use crate::log::{NodeId, perfect_subtrees};
use crate::message::{Body, Message, plain_deadline_ns};
use crate::proof::HeadProof;
use crate::store::{Store, StoreError};
use crate::stream::stream_bytes;

/// On which side of a lane its messages are read.
pub(super) enum Side<'a, S> {
    Sent(Sent<'a, S>),
    Received(Received<'a, S>),
    /// Received on a lane without one back, which is a finding by itself.
    Alone,
}

impl<S: Store> Side<'_, S> {
    /// Begins behind the messages below `size`, a multiple of 64, of which only nodes are kept.
    pub(super) fn begin(
        &mut self,
        size: u64,
        read: impl Fn(NodeId) -> Result<NodeRecord, StoreError>,
    ) -> Result<(), StoreError> {
        let Side::Sent(Sent { notes, .. }) = self else { return Ok(()) };
        for id in perfect_subtrees(0, size) {
            let NodeNotes { result_bytes_end, deadlines } = read(id)?.notes;
            notes.result_bytes = result_bytes_end;
            if deadlines != Deadlines::NONE {
                let level = usize::try_from(id.level).expect("at most 64");
                notes.has_deadlines = true;
                notes.peaks.resize(notes.peaks.len().max(level + 1), Deadlines::NONE);
                notes.peaks[level] = deadlines;
            }
        }
        Ok(())
    }

    /// Whether something is noted of the lane's messages.
    pub(super) fn may_note(&self) -> bool {
        matches!(self, Side::Sent(_))
    }

    /// Reads the next message; gives what is wrong about it.
    pub(super) fn note(&mut self, nonce: u64, message: &[u8]) -> Result<Option<String>, StoreError> {
        match self {
            Side::Sent(sent) => sent.note(nonce, message),
            Side::Received(received) => received.note(nonce, message),
            Side::Alone => Ok(None),
        }
    }

    /// What has to be kept with the subtree of this level that the newest message completed.
    pub(super) fn of_completed(&self, level: u32) -> NodeNotes {
        match self {
            Side::Sent(sent) => sent.notes.of_completed(level),
            Side::Received(_) | Side::Alone => LaneNotes::default().of_completed(level),
        }
    }

    /// Compares the lane's notes, once all its messages were read.
    pub(super) fn end(&self) -> Option<String> {
        let Side::Sent(Sent { outbound, notes: found, .. }) = self else { return None };
        let kept = &outbound.settlement.record.notes;
        let fields = |notes: &LaneNotes| (notes.result_bytes, notes.has_deadlines, notes.peaks.clone());
        (fields(kept) != fields(found))
            .then(|| "the notes of results and deadlines are not those of its messages".to_owned())
    }
}

/// The messages of a lane to a peer.
pub(super) struct Sent<'a, S> {
    store: &'a S,
    outbound: Outbound,
    /// The peer's newest attested head that is kept.
    newest: Option<&'a HeadProof>,
    notes: LaneNotes,
}

impl<'a, S: Store> Sent<'a, S> {
    pub(super) fn new(store: &'a S, outbound: Outbound, newest: Option<&'a HeadProof>) -> Self {
        Sent { store, outbound, newest, notes: LaneNotes::default() }
    }

    fn note(&mut self, nonce: u64, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        let lane = &self.outbound.record.lane;
        let message = match plain_deadline_ns(bytes, &lane.source, &lane.destination) {
            Some(deadline_ns) => {
                self.notes.note(nonce, deadline_ns, 0);
                None
            }
            None => match Message::decode(bytes) {
                Ok(message) => {
                    let result_bytes = if message.is_result() { stream_bytes(bytes) } else { 0 };
                    self.notes.note(nonce, message.request_deadline_ns(), result_bytes);
                    Some(message)
                }
                Err(error) => return Ok(Some(format!("message {nonce} can't be read: {error}"))),
            },
        };
        let open = self.outbound.settlement.record.open_calls.get(&nonce);
        match message.filter(|message| matches!(message.body, Body::Call(_))) {
            None if open.is_some() => Ok(Some(format!("message {nonce} awaits a result, but is no call"))),
            None => Ok(None),
            Some(call) => match open {
                Some(open_ns) if *open_ns == call.deadline_ns.unwrap_or(u64::MAX) => Ok(None),
                Some(_) => Ok(Some(format!("call {nonce} is open with another deadline than its own"))),
                None => self.closed_call(nonce),
            },
        }
    }

    /// A call that awaits no result has one, or a head shows that it expired.
    fn closed_call(&self, nonce: u64) -> Result<Option<String>, StoreError> {
        let Outbound { record, settlement, .. } = &self.outbound;
        // Of a peer whose lane is frozen or stopped not all heads are kept.
        let known = self.newest.map_or(0, |newest| newest.head.received_size);
        if record.frozen.is_some() || known < record.acknowledged {
            return Ok(None);
        }
        let is_settled = settlement.outcome(&record.lane, nonce, self.store)?.is_some()
            || self.outbound.expired_by(nonce, self.newest, self.store)?.is_some();
        Ok((!is_settled).then(|| format!("call {nonce} awaits no result, but has none and didn't expire")))
    }
}

/// The messages of a lane from a peer.
pub(super) struct Received<'a, S> {
    store: &'a S,
    /// Number of delivered messages: what is staged behind has settled nothing.
    size: u64,
    /// The lane whose requests the results are for.
    outbound: Outbound,
    inbox: Delivered<'a, S>,
}

impl<'a, S: Store> Received<'a, S> {
    pub(super) fn new(store: &'a S, lane: &'a Lane, size: u64, outbound: Outbound) -> Self {
        let inbox = Delivered { lane, rows: Rows::new(store, INBOX), run: None };
        Received { store, size, outbound, inbox }
    }

    /// A result that was not buried has settled its request, and no other one has.
    fn note(&mut self, nonce: u64, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        let lane = self.inbox.lane;
        if nonce >= self.size || plain_deadline_ns(bytes, &lane.source, &lane.destination).is_some() {
            return Ok(None);
        }
        let Ok(Message { body: Body::Result(result), .. }) = Message::decode(bytes) else { return Ok(None) };
        let Outbound { record, settlement, .. } = &self.outbound;
        let request = result.request_nonce;
        let outcome = settlement.outcome(&record.lane, request, self.store)?;
        let settles = outcome.is_some_and(|outcome| outcome.result_nonce == nonce);
        match (settles, self.inbox.is_buried(nonce)?) {
            (true, true) => Ok(Some(format!("result {nonce} was buried, but settled request {request}"))),
            (false, false) if request >= settlement.record.pruned => {
                Ok(Some(format!("result {nonce} was delivered, but request {request} is not settled by it")))
            }
            _ => Ok(None),
        }
    }
}

/// The runs of the inbox that a lane filled, in order.
struct Delivered<'a, S> {
    lane: &'a Lane,
    rows: Rows<'a, S>,
    run: Option<InboxRecord>,
}

impl<S: Store> Delivered<'_, S> {
    /// Whether a message has a tombstone; of one that is missing, the check of the inbox tells.
    fn is_buried(&mut self, nonce: u64) -> Result<bool, StoreError> {
        let holds = |run: &InboxRecord| run.first_nonce.saturating_add(run.count) > nonce;
        while !self.run.as_ref().is_some_and(holds) {
            let Some((_, bytes)) = self.rows.next()? else { return Ok(false) };
            let run: InboxRecord = decode_record("inbox", &bytes)?;
            self.run = (run.lane == *self.lane).then_some(run);
        }
        let tombstones = self.run.iter().flat_map(|run| &run.tombstones);
        Ok(tombstones.into_iter().any(|(buried, _)| *buried == nonce))
    }
}
