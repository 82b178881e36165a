//! How far lanes to peers are settled: the record of each, the results that settled requests, and
//! the heads of the peer that are kept as proofs.

use super::{Audit, Inbounds, Outbounds, Rows, Settlements, number};
use crate::engine::records::{
    HeadRow, InboundRecord, OutboundRecord, OutcomeKind, OutcomeRecord, SETTLEMENT, SettlementRecord, decode_record,
    expiry_evidence_key, head_row_key, outcome_key, settlement_key,
};
use crate::engine::tree::{LaneTree, prune_point};
use crate::ids::Lane;
use crate::message::{Body, Message, Outcome};
use crate::proof::HeadProof;
use crate::store::{Store, StoreError};

impl<S: Store> Audit<'_, S> {
    pub(super) fn settlements(&mut self, outbound: &Outbounds) -> Result<Settlements, StoreError> {
        let mut records = Settlements::new();
        let mut rows = Rows::new(self.store, SETTLEMENT);
        while let Some((key, bytes)) = rows.next()? {
            let record: SettlementRecord = decode_record("settlement", &bytes)?;
            match outbound.keys().find(|peer| settlement_key(peer) == key) {
                Some(peer) => drop(records.insert(peer.clone(), record)),
                None => self.find(String::from_utf8_lossy(&key), "it is of a lane that is not there"),
            }
        }
        Ok(records)
    }

    /// Checks all that is kept of settling, but for what has to be compared with each message.
    pub(super) fn settled_all(&mut self, outbound: &Outbounds, inbound: &Inbounds, settlements: &Settlements) {
        for (peer, out) in outbound {
            let Some(back) = inbound.get(peer) else { continue };
            let place = format!("lane {}", out.lane);
            if !settlements.contains_key(peer) && back.head.is_some() && out.frozen.is_none() {
                self.find(&place, "the record of how far it is settled is missing");
            }
            let record = settlements.get(peer).cloned().unwrap_or_default();
            self.bounds(&place, out, back, &record);
            self.take(&place, |audit| audit.acknowledged_results(&place, out, &record));
            self.take(&place, |audit| audit.outcomes(&place, &out.lane, out.acknowledged, back, &record));
            self.take(&place, |audit| audit.kept_heads(&place, out, back, &record));
            self.take(&place, |audit| audit.expiry_evidence(&place, &out.lane, back));
        }
    }

    fn bounds(&mut self, place: &str, out: &OutboundRecord, back: &InboundRecord, record: &SettlementRecord) {
        let SettlementRecord { reached, ahead, open_calls, pruned, .. } = record;
        let acknowledged = out.acknowledged;
        if *pruned > acknowledged || prune_point(*pruned) != *pruned {
            self.find(place, format!("pruned up to {pruned}: not in blocks of 64 of {acknowledged} acknowledged"));
        }
        if let Some((nonce, _)) = open_calls.last_key_value().filter(|(nonce, _)| **nonce >= out.log.size()) {
            self.find(place, format!("call {nonce} awaits a result, but the lane has {} messages", out.log.size()));
        }
        let received: Vec<u64> = std::iter::once(*reached).chain(ahead.iter().map(|(received, _)| *received)).collect();
        if ahead.len() > 2 || !received.is_sorted() || received.last() != Some(&acknowledged) {
            self.find(place, format!("settled by heads up to {received:?}, but {acknowledged} are acknowledged"));
        }
        // What the heads of a frozen lane say of it may contradict what is known.
        if out.frozen.is_some() || back.frozen.is_some() {
            return;
        }
        let size = back.log.size();
        let sent: Vec<u64> = ahead.iter().map(|(_, sent)| *sent).collect();
        if sent.iter().any(|sent| *sent <= size) || !sent.is_sorted() {
            self.find(place, format!("it waits for sizes {sent:?} of the lane back, which has {size} messages"));
        }
        let newest = back.head.as_ref().map_or(0, |head| head.head.sent_size);
        if sent.last().copied().unwrap_or(size) < newest {
            self.find(place, format!("the peer's newest head, with {newest} messages sent, is not waited for"));
        }
    }

    fn acknowledged_results(
        &mut self,
        place: &str,
        out: &OutboundRecord,
        record: &SettlementRecord,
    ) -> Result<(), StoreError> {
        let tree = LaneTree { store: self.store, lane: &out.lane };
        let (found, claimed) = (tree.result_bytes_at(out.acknowledged)?, record.acknowledged_result_bytes);
        if found != claimed {
            self.find(place, format!("acknowledged results have {found} bytes, but {claimed} by its record"));
        }
        Ok(())
    }

    /// Each settled request against the result that settled it.
    fn outcomes(
        &mut self,
        place: &str,
        lane: &Lane,
        acknowledged: u64,
        back: &InboundRecord,
        record: &SettlementRecord,
    ) -> Result<(), StoreError> {
        let kept_from = self.kept_from(&back.lane)?;
        let prefix = outcome_key(lane, None);
        let mut rows = Rows::new(self.store, &prefix);
        while let Some((key, bytes)) = rows.next()? {
            let nonce = number(&key, &prefix)?;
            let found: OutcomeRecord = decode_record("outcome", &bytes)?;
            if nonce >= acknowledged || record.open_calls.contains_key(&nonce) {
                self.find(place, format!("request {nonce} has a result, but is open or not acknowledged"));
            }
            // The result may have been pruned since.
            let is_kept = found.result_nonce >= kept_from;
            let is_there = found.result_nonce < back.log.size();
            if !is_there || is_kept && self.outcome_of(back, nonce, found.result_nonce)? != Some(found) {
                self.find(place, format!("the outcome of request {nonce} is not what its result says"));
            }
        }
        Ok(())
    }

    /// What a delivered message says about a request, if it is a result for it.
    fn outcome_of(
        &self,
        back: &InboundRecord,
        request_nonce: u64,
        result_nonce: u64,
    ) -> Result<Option<OutcomeRecord>, StoreError> {
        let bytes = self.store.message(&back.lane, result_nonce)?;
        let message = bytes.and_then(|bytes| Message::decode(&bytes).ok());
        let Some(Body::Result(result)) = message.map(|message| message.body) else { return Ok(None) };
        let outcome = match result.outcome {
            Outcome::Success(_) => OutcomeKind::Success,
            Outcome::Failure(_) => OutcomeKind::Failure,
            Outcome::Tombstone(reason) => OutcomeKind::Tombstone(reason),
        };
        Ok((result.request_nonce == request_nonce).then_some(OutcomeRecord { result_nonce, outcome }))
    }

    /// Heads of the peer that are kept: attested, of these lanes, and each proves something.
    fn kept_heads(
        &mut self,
        place: &str,
        out: &OutboundRecord,
        back: &InboundRecord,
        record: &SettlementRecord,
    ) -> Result<(), StoreError> {
        let prefix = head_row_key(&out.lane, None);
        let mut rows = Rows::new(self.store, &prefix);
        let mut begin_min = 0;
        while let Some((key, bytes)) = rows.next()? {
            let end = number(&key, &prefix)?;
            let HeadRow { begin, before, after } = decode_record("heads of a peer", &bytes)?;
            if begin < begin_min || begin >= end || end > out.acknowledged {
                let (first, acknowledged) = (begin_min, out.acknowledged);
                self.find(place, format!("heads are kept of {begin} to {end}, not within {first} to {acknowledged}"));
                return Ok(());
            }
            begin_min = begin;
            for (head, size) in before.iter().map(|head| (head, begin)).chain(after.iter().map(|head| (head, end))) {
                self.kept_head(place, head, size, out, back, record.pruned)?;
            }
            let proves = if begin < record.pruned {
                before.is_some() || after.is_some()
            } else {
                let deadlines = LaneTree { store: self.store, lane: &out.lane }.deadlines(begin, end)?;
                let time_ns = |head: &HeadProof| head.attestation.checkpoint.time_ns;
                before.is_some() == before.as_ref().is_some_and(|head| deadlines.min_ns <= time_ns(head))
                    && after.is_some() == after.as_ref().is_some_and(|head| deadlines.max_ns > time_ns(head))
                    && (before.is_some() || after.is_some())
            };
            if !proves {
                self.find(place, format!("the heads that are kept of {begin} to {end} prove nothing of a deadline"));
            }
        }
        Ok(())
    }

    fn kept_head(
        &mut self,
        place: &str,
        proof: &HeadProof,
        received: u64,
        out: &OutboundRecord,
        back: &InboundRecord,
        pruned: u64,
    ) -> Result<(), StoreError> {
        self.head(place, proof, &back.lane);
        let head = &proof.head;
        let root = |lane, size| LaneTree { store: self.store, lane }.root_at(size);
        let is_received =
            head.received_size == received && (received < pruned || head.received_root == root(&out.lane, received)?);
        // A frozen lane may have been attested with other roots.
        let is_sent = back.frozen.is_some()
            || head.sent_size < self.kept_from(&back.lane)?
            || head.sent_size > back.log.size()
            || head.sent_root == root(&back.lane, head.sent_size)?;
        if !(is_received && is_sent) {
            self.find(place, format!("a head that is kept of size {received} is not of these lanes' messages"));
        }
        Ok(())
    }

    /// Results that say that an expired request ran, against the head that expired it.
    fn expiry_evidence(&mut self, place: &str, lane: &Lane, back: &InboundRecord) -> Result<(), StoreError> {
        let prefix = expiry_evidence_key(lane, None);
        let mut rows = Rows::new(self.store, &prefix);
        while let Some((key, bytes)) = rows.next()? {
            let nonce = number(&key, &prefix)?;
            let (result_nonce, head): (u64, HeadProof) = decode_record("expiry evidence", &bytes)?;
            self.head(place, &head, &back.lane);
            let says_so = result_nonce < self.kept_from(&back.lane)?
                || self
                    .outcome_of(back, nonce, result_nonce)?
                    .is_some_and(|record| record.outcome == OutcomeKind::Success);
            if head.head.received_size > nonce || !says_so {
                self.find(place, format!("the evidence that request {nonce} expired and ran shows neither"));
            }
        }
        Ok(())
    }
}
