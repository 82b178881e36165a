//! What became of the messages of a lane to a peer: settled ones, calls that await their result,
//! and how far the peer's heads and results have come. Specified in `specs/settlement.md`.

use super::deadlines::LaneNotes;
use super::journal::Journal;
use super::records::{HeadRow, OutcomeRecord, SettlementRecord, head_row_key, outcome_key, settlement_key};
use crate::ids::Lane;
use crate::proof::HeadProof;
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;

/// Why an appended message is noted: what room it takes, and what will settle it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) kind: NoteKind,
    /// Nanoseconds since the Unix epoch. Never of a result.
    pub(super) deadline_ns: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoteKind {
    Data,
    Call,
    Result,
}

/// Invariant: `record`, `outcomes` and `heads` are in the store or will be with the open turn.
#[derive(Debug, Default)]
pub(super) struct Settlement {
    pub(super) record: SettlementRecord,
    dirty: bool,
    /// What the open turn settled, which the store doesn't have yet.
    outcomes: BTreeMap<u64, OutcomeRecord>,
    heads: BTreeMap<u64, HeadRow>,
    /// The earliest deadline that the peer's newest head leaves open, once known; `u64::MAX` for
    /// none.
    pub(super) due_ns: Option<u64>,
    /// The earliest deadline that the open turn has added.
    added_ns: Option<u64>,
    /// The wish that the peer was sent on its connection and has not answered.
    pub(super) wished_ns: Option<u64>,
}

impl Settlement {
    pub(super) fn from_record(record: SettlementRecord) -> Self {
        Settlement { record, ..Settlement::default() }
    }

    /// Number of messages below which all are settled.
    pub(super) fn settled(&self) -> u64 {
        let open = self.record.open_calls.first_key_value().map(|(nonce, _)| *nonce);
        open.map_or(self.record.reached, |open| open.min(self.record.reached))
    }

    /// Notes the message that becomes number `nonce`, of so many bytes with its length.
    pub(super) fn note(&mut self, nonce: u64, note: Note, bytes: u64) -> &LaneNotes {
        let result_bytes = if note.kind == NoteKind::Result { bytes } else { 0 };
        self.dirty |= self.record.notes.note(nonce, note.deadline_ns, result_bytes);
        if note.kind == NoteKind::Call {
            self.record.open_calls.insert(nonce, note.deadline_ns.unwrap_or(u64::MAX));
            self.dirty = true;
        }
        if let Some(deadline_ns) = note.deadline_ns {
            self.due_ns = self.due_ns.map(|due_ns| due_ns.min(deadline_ns));
            self.added_ns = Some(self.added_ns.map_or(deadline_ns, |added_ns| added_ns.min(deadline_ns)));
        }
        &self.record.notes
    }

    /// The earliest deadline of the open turn's messages.
    pub(super) fn added_ns(&self) -> Option<u64> {
        self.added_ns
    }

    /// An attested head of the peer says that it received so many messages of this lane, and sent so
    /// many of the other. Calls that its time has expired are settled.
    pub(super) fn note_head(&mut self, head: &HeadProof) {
        let (received, sent) = (head.head.received_size, head.head.sent_size);
        let time_ns = head.attestation.checkpoint.time_ns;
        let record = &mut self.record;
        record.open_calls.retain(|nonce, deadline_ns| *nonce < received || *deadline_ns > time_ns);
        // The first head is kept until the reverse lane has reached it, so that a lane on which ever
        // newer heads come is settled all the same.
        if record.ahead.len() > 1 {
            record.ahead.pop();
        }
        record.ahead.push((received, sent));
        self.wished_ns = self.wished_ns.filter(|wished_ns| *wished_ns > time_ns);
        self.due_ns = None;
        self.dirty = true;
    }

    /// The peer has acknowledged so many bytes of results, among others.
    pub(super) fn handle_acknowledged(&mut self, result_bytes: u64) {
        self.dirty |= self.record.acknowledged_result_bytes != result_bytes;
        self.record.acknowledged_result_bytes = result_bytes;
    }

    /// The reverse lane is verified up to `size`: tombstones for all that a head up to there says to
    /// have received are here.
    pub(super) fn handle_reached(&mut self, size: u64) {
        while let Some((received, _)) = self.record.ahead.first().copied().filter(|(_, sent)| *sent <= size) {
            self.record.ahead.remove(0);
            self.record.reached = self.record.reached.max(received);
            self.dirty = true;
        }
    }

    /// Settles a request by a result.
    pub(super) fn settle(&mut self, nonce: u64, outcome: OutcomeRecord) {
        self.record.open_calls.remove(&nonce);
        self.outcomes.insert(nonce, outcome);
        self.dirty = true;
    }

    /// Keeps the heads between which the peer went past some messages with deadlines.
    pub(super) fn keep_heads(&mut self, end: u64, row: HeadRow) {
        self.heads.insert(end, row);
        self.dirty = true;
    }

    /// The result that settled a request, if one did.
    pub(super) fn outcome<S: Store>(
        &self,
        lane: &Lane,
        nonce: u64,
        store: &S,
    ) -> Result<Option<OutcomeRecord>, StoreError> {
        match self.outcomes.get(&nonce) {
            Some(outcome) => Ok(Some(outcome.clone())),
            None => super::records::read_record(store, "outcome", &outcome_key(lane, nonce)),
        }
    }

    /// The heads between which the peer went past message `nonce`, if they are kept.
    pub(super) fn heads<S: Store>(&self, lane: &Lane, nonce: u64, store: &S) -> Result<Option<HeadRow>, StoreError> {
        let Some(from) = nonce.checked_add(1) else { return Ok(None) };
        let row = match self.heads.range(from..).next() {
            Some((_, row)) if row.begin <= nonce => Some(row.clone()),
            _ => {
                let found = store.scan(&head_row_key(lane, None), &head_row_key(lane, Some(from)), 1)?.pop();
                found.map(|(_, bytes)| super::records::decode_record("heads of a peer", &bytes)).transpose()?
            }
        };
        Ok(row.filter(|row: &HeadRow| row.begin <= nonce))
    }

    /// Messages below `first` are no longer kept. What is known of them goes too, unless a result
    /// for them may still come.
    pub(super) fn handle_pruned<S: Store>(
        &mut self,
        lane: &Lane,
        first: u64,
        store: &S,
        journal: &mut Journal,
    ) -> Result<(), StoreError> {
        /// Rows that go with one turn, so that a turn stays short; the others go with the next.
        const ROWS_MAX: usize = 4_096;
        self.record.pruned = first;
        self.dirty = true;
        let below = first.min(self.settled());
        for prefix in [outcome_key(lane, None), head_row_key(lane, None)] {
            let end = [prefix.as_slice(), &below.to_be_bytes()].concat();
            let rows = store.scan(&prefix, &prefix, ROWS_MAX)?;
            rows.into_iter().take_while(|(key, _)| *key < end).for_each(|(key, _)| journal.delete(key));
        }
        Ok(())
    }

    /// Writes what changed.
    pub(super) fn flush(&mut self, lane: &Lane, journal: &mut Journal) {
        self.added_ns = None;
        if std::mem::take(&mut self.dirty) {
            journal.put(settlement_key(&lane.destination), &self.record);
            for (nonce, outcome) in std::mem::take(&mut self.outcomes) {
                journal.put(outcome_key(lane, nonce), &outcome);
            }
            for (end, row) in std::mem::take(&mut self.heads) {
                journal.put(head_row_key(lane, Some(end)), &row);
            }
        }
    }
}
