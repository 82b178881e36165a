//! Expiry at the source: which messages the peer's attested heads have expired, what is kept to
//! prove it, and the wish for a head that says more.
//!
//! A message with deadline D is expired once an attested head of the peer has a time of D or later
//! and doesn't cover it. What lies above the newest head is seen from that head; where a newer head
//! goes past such messages, the older one is kept.

use super::io::{Direction, Output};
use super::journal::Journal;
use super::outbound::Outbound;
use super::records::HeadRow;
use super::tree::LaneTree;
use super::{Engine, Now};
use crate::frame::{SenderFrame, encode_frame};
use crate::message::Message;
use crate::proof::HeadProof;
use crate::store::{Store, StoreError};

/// How long after a wished time the next one is looked for, where that would read too much at once:
/// as often as checkpoints come that only acknowledge.
const SEARCH_AGAIN_NS: u64 = super::config::ACKNOWLEDGE_INTERVAL_NS;

/// A timer that waits for the node's clock to reach a time waits at least so long, because the clock
/// may stand still while a machine's own clock is set.
const CLOCK_WAIT_NS_MIN: u64 = 10_000_000;

impl Outbound {
    /// Notes a verified head of the destination, which says to have received no less than the one
    /// before.
    pub(super) fn note_head<S: Store>(
        &mut self,
        before: Option<&HeadProof>,
        head: &HeadProof,
        store: &S,
    ) -> Result<(), StoreError> {
        let end = head.head.received_size;
        // Heads aren't kept while the lane is frozen, and messages go all the same.
        let begin = before.map_or(0, |before| before.head.received_size).max(self.settlement.record.pruned);
        let tree = LaneTree { store, lane: &self.record.lane };
        let notes = &self.settlement.record.notes;
        if notes.has_deadlines && begin < end {
            let deadlines = tree.deadlines(begin, end)?;
            let expires = |before: &&HeadProof| deadlines.min_ns <= before.attestation.checkpoint.time_ns;
            let before = before.filter(expires).cloned();
            let after = (deadlines.max_ns > head.attestation.checkpoint.time_ns).then(|| head.clone());
            if before.is_some() || after.is_some() {
                self.settlement.keep_heads(end, HeadRow { begin, before, after });
            }
        }
        self.settlement.note_head(head);
        Ok(())
    }

    /// The head that proves that message `nonce` expired, if one does; `newest` is the destination's
    /// newest one.
    pub(super) fn expired_by<S: Store>(
        &self,
        nonce: u64,
        newest: Option<&HeadProof>,
        store: &S,
    ) -> Result<Option<HeadProof>, StoreError> {
        if !self.settlement.record.notes.has_deadlines {
            return Ok(None);
        }
        // The newest head that doesn't cover the message; reading the message comes last.
        let head = match newest.filter(|newest| newest.head.received_size <= nonce) {
            Some(newest) => Some(newest.clone()),
            None => self.settlement.heads(&self.record.lane, nonce, store)?.and_then(|row| row.before),
        };
        let Some(head) = head else { return Ok(None) };
        let deadline_ns = self.deadline_ns(nonce, store)?;
        let proves = deadline_ns.is_some_and(|deadline_ns| head.attestation.checkpoint.time_ns >= deadline_ns);
        Ok(proves.then_some(head))
    }

    /// The deadline of a message that is stored and still kept.
    pub(super) fn deadline_ns<S: Store>(&self, nonce: u64, store: &S) -> Result<Option<u64>, StoreError> {
        let record = &self.settlement.record;
        if !record.notes.has_deadlines || nonce < record.pruned {
            return Ok(None);
        }
        let bytes = store.message(&self.record.lane, nonce)?;
        let message = bytes.and_then(|bytes| Message::decode(&bytes).ok());
        Ok(message.and_then(|message| message.request_deadline_ns()))
    }

    /// The earliest deadline of a message that the newest head neither covers nor expires.
    fn next_due_ns<S: Store>(
        &mut self,
        newest: Option<&HeadProof>,
        store: &S,
        journal: &Journal,
    ) -> Result<u64, StoreError> {
        if let Some(due_ns) = self.settlement.due_ns {
            return Ok(due_ns);
        }
        let (received, time_ns) =
            newest.map_or((0, 0), |newest| (newest.head.received_size, newest.attestation.checkpoint.time_ns));
        let begin = received.max(self.settlement.record.pruned);
        let end = journal.stored_size(&self.record.lane, self.record.log.size());
        let tree = LaneTree { store, lane: &self.record.lane };
        let stored_ns = tree.next_deadline(begin, end, time_ns, time_ns.saturating_add(SEARCH_AGAIN_NS))?;
        let added_ns = self.settlement.added_ns();
        let due_ns = stored_ns.into_iter().chain(added_ns).min().unwrap_or(u64::MAX);
        self.settlement.due_ns = Some(due_ns);
        Ok(due_ns)
    }
}

impl<S: Store> Engine<S> {
    /// Sends each peer a wish whose newest head is older than a deadline that has passed, and sets
    /// the timer for the next one.
    pub(super) fn send_wishes(&mut self, now: Now) -> Result<(), StoreError> {
        self.wish_at_ns = None;
        let Some(time_ns) = self.clock.time_ns(now).filter(|_| self.is_live()) else { return Ok(()) };
        for (peer, outbound) in &mut self.outbound {
            let settlement = &outbound.settlement;
            let waits = settlement.record.notes.has_deadlines && settlement.wished_ns.is_none();
            if !(waits && outbound.is_open() && outbound.record.frozen.is_none()) {
                continue;
            }
            let newest = self.inbound.get(peer).and_then(|inbound| inbound.record.head.as_ref());
            let due_ns = outbound.next_due_ns(newest, &self.store, &self.journal)?;
            if due_ns <= time_ns {
                let frame = encode_frame(&SenderFrame::Wish { time_ns: due_ns }).into();
                self.journal.emit(Output::Frame { peer: peer.clone(), lane: Direction::Outbound, frame });
                outbound.settlement.wished_ns = Some(due_ns);
            } else if due_ns < u64::MAX {
                self.wish_at_ns = self.wish_at_ns.into_iter().chain([clock_timer_ns(due_ns, time_ns, now)]).min();
            }
        }
        Ok(())
    }

    /// Whether a peer wishes for a checkpoint of this time.
    pub(super) fn is_wished(&self, time_ns: u64) -> bool {
        self.inbound.values().any(|inbound| inbound.wished_ns.is_some_and(|wished_ns| wished_ns <= time_ns))
    }

    /// Sets the timer for the earliest wish that the clock has not reached.
    pub(super) fn schedule_wishes(&mut self, now: Now) {
        let Some(time_ns) = self.clock.time_ns(now) else { return };
        let ahead = self.inbound.values().filter_map(|inbound| inbound.wished_ns).filter(|wished| *wished > time_ns);
        let at_ns = ahead.min().map(|wished_ns| clock_timer_ns(wished_ns, time_ns, now));
        self.wish_at_ns = self.wish_at_ns.into_iter().chain(at_ns).min();
    }

    /// A checkpoint of this time was sealed: it answers the wishes up to there.
    pub(super) fn answer_wishes(&mut self, time_ns: u64) {
        for (peer, inbound) in &mut self.inbound {
            if inbound.wished_ns.is_some_and(|wished_ns| wished_ns <= time_ns) {
                inbound.wished_ns = None;
                if let Some(outbound) = self.outbound.get_mut(peer) {
                    outbound.tells_time = true;
                }
            }
        }
    }
}

/// When, on the clock of [`Now::mono_ns`], to look whether the node's clock has come from `time_ns`
/// to `until_ns`.
pub(super) fn clock_timer_ns(until_ns: u64, time_ns: u64, now: Now) -> u64 {
    now.mono_ns.saturating_add(until_ns.saturating_sub(time_ns).max(CLOCK_WAIT_NS_MIN))
}
