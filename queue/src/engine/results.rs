//! Results: an inbound request that isn't delivered gets a tombstone on the reverse lane in the turn
//! that decides it, and an inbound result settles a request of the reverse lane.
//!
//! Results wait for nothing: no window, backlog, freeze or deadline holds one back.

use super::journal::Journal;
use super::outbound::Outbound;
use super::records::{OutcomeKind, OutcomeRecord, StagedRun, expiry_evidence_key};
use super::refusal::Refusal;
use super::settlement::{Note, NoteKind};
use super::tree::LaneTree;
use super::{Direction, Engine};
use crate::ids::{AccountId, Lane, ShardId};
use crate::message::{Body, Decision, MESSAGE_VERSION, Message, Outcome, RequestResult, Tombstone, decide};
use crate::proof::HeadProof;
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;

/// What a batch does to the requests of the reverse lane, and which of its own get a result.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    tombstones: Vec<Buried>,
    settled: BTreeMap<u64, OutcomeRecord>,
    contradiction: Option<Contradiction>,
}

/// A request that is settled without having been delivered.
#[derive(Debug)]
struct Buried {
    nonce: u64,
    reason: Tombstone,
    /// Whom the result is for, if the request says so truly.
    sender: Option<AccountId>,
}

/// A peer says that a request ran, and has attested before that it never will.
#[derive(Debug)]
struct Contradiction {
    request_nonce: u64,
    result_nonce: u64,
    expired_by: HeadProof,
}

/// Decides the messages of a batch, one after the other. Nothing changes before all are decided.
#[derive(Debug)]
pub(super) struct Judge<'a, S> {
    store: &'a S,
    /// The lane on which the messages came.
    lane: &'a Lane,
    /// The lane whose requests the results among them are for.
    outbound: &'a Outbound,
    block_time_ns: u64,
    verdicts: Verdicts,
}

impl<'a, S: Store> Judge<'a, S> {
    pub(super) fn new(store: &'a S, lane: &'a Lane, outbound: &'a Outbound, block_time_ns: u64) -> Self {
        Judge { store, lane, outbound, block_time_ns, verdicts: Verdicts::default() }
    }

    pub(super) fn finish(self) -> Verdicts {
        self.verdicts
    }

    /// Decides the messages of a released run; gives those that are not delivered. Where nothing can
    /// have changed since the run arrived, no message is read.
    pub(super) fn decide_run(
        &mut self,
        run: &StagedRun,
        journal: &Journal,
    ) -> Result<Vec<(u64, Tombstone)>, StoreError> {
        if self.block_time_ns < run.deadline_min_ns && run.tombstones.is_empty() && !run.has_results {
            return Ok(Vec::new());
        }
        let (lane, store) = (self.lane, self.store);
        let mut tombstones = Vec::new();
        let mut judge = |nonce: u64, bytes: &[u8]| {
            let known = run.tombstones.binary_search_by_key(&nonce, |(buried, _)| *buried);
            let known = known.ok().map(|at| run.tombstones[at].1);
            tombstones.extend(self.decide(nonce, bytes, known)?.map(|reason| (nonce, reason)));
            Ok(())
        };
        if let Some(messages) = journal.appended(lane, run.first_nonce) {
            (run.first_nonce..run.end).zip(messages.messages()).try_for_each(|(nonce, bytes)| judge(nonce, bytes))?;
        } else {
            LaneTree { store, lane }.for_each(run.first_nonce, run.end, judge)?;
        }
        Ok(tombstones)
    }

    /// Why a message is not delivered, if it isn't; `known` is what was found when it arrived.
    fn decide(&mut self, nonce: u64, bytes: &[u8], known: Option<Tombstone>) -> Result<Option<Tombstone>, StoreError> {
        let decision = match known {
            Some(reason) => Decision::Bury(reason),
            None => match decide(bytes, &self.lane.source, &self.lane.destination, self.block_time_ns) {
                Ok(decision) => decision,
                // The lane has stopped before a message of an unknown version.
                Err(_) => return Ok(None),
            },
        };
        match decision {
            Decision::Bury(reason) => Ok(Some(self.bury(nonce, bytes, reason))),
            Decision::Deliver(Message { body: Body::Result(result), .. }) => {
                Ok((!self.settle(nonce, &result)?).then_some(Tombstone::UnexpectedResult))
            }
            Decision::Deliver(_) => Ok(None),
        }
    }

    fn bury(&mut self, nonce: u64, bytes: &[u8], reason: Tombstone) -> Tombstone {
        let message = Message::decode(bytes).ok();
        if !message.as_ref().is_some_and(Message::is_result) {
            let sender = message.map(|message| message.sender).filter(|sender| self.lane.source.owns(sender));
            self.verdicts.tombstones.push(Buried { nonce, reason, sender });
        }
        reason
    }

    /// Settles the request that a result is for. Whether one was awaiting it.
    fn settle(&mut self, result_nonce: u64, result: &RequestResult) -> Result<bool, StoreError> {
        let nonce = result.request_nonce;
        let Outbound { record, settlement, .. } = self.outbound;
        if nonce >= record.acknowledged || self.verdicts.settled.contains_key(&nonce) {
            return Ok(false);
        }
        if settlement.outcome(&record.lane, nonce, self.store)?.is_some() {
            return Ok(false);
        }
        let awaited = settlement.record.open_calls.contains_key(&nonce);
        let outcome = match &result.outcome {
            Outcome::Success(_) => OutcomeKind::Success,
            Outcome::Failure(_) => OutcomeKind::Failure,
            Outcome::Tombstone(reason) => OutcomeKind::Tombstone(*reason),
        };
        if !awaited {
            let may_be_buried = nonce >= settlement.record.reached && !self.is_result(nonce)?;
            let expired_by = self.outbound.expired_by(nonce, None, self.store)?;
            match (&outcome, expired_by) {
                (OutcomeKind::Success, Some(expired_by)) => {
                    let contradiction = Contradiction { request_nonce: nonce, result_nonce, expired_by };
                    self.verdicts.contradiction = Some(contradiction);
                    return Ok(false);
                }
                (OutcomeKind::Tombstone(_), None) if may_be_buried => {}
                _ => return Ok(false),
            }
        }
        self.verdicts.settled.insert(nonce, OutcomeRecord { result_nonce, outcome });
        Ok(true)
    }

    /// Whether a message of the reverse lane is a result itself. One that isn't kept any more counts
    /// as a request.
    fn is_result(&self, nonce: u64) -> Result<bool, StoreError> {
        let Outbound { record, settlement, .. } = self.outbound;
        if settlement.record.notes.result_bytes == 0 || nonce < settlement.record.pruned {
            return Ok(false);
        }
        let bytes = self.store.message(&record.lane, nonce)?;
        Ok(bytes.is_some_and(|bytes| Message::decode(&bytes).is_ok_and(|message| message.is_result())))
    }
}

impl<S: Store> Engine<S> {
    /// Does what a delivered batch says about requests, and answers those that were buried.
    ///
    /// # Errors
    /// [`Refusal::Contradiction`] after all is done, if a result says that an expired request ran.
    pub(super) fn apply_verdicts(&mut self, peer: &ShardId, verdicts: Verdicts) -> Result<(), Refusal> {
        let Some(outbound) = self.outbound.get_mut(peer) else { return Ok(()) };
        let Verdicts { tombstones, settled, contradiction } = verdicts;
        for (nonce, outcome) in settled {
            outbound.settlement.settle(nonce, outcome);
        }
        if let Some(inbound) = self.inbound.get(peer) {
            outbound.settlement.handle_reached(inbound.record.log.size());
        }
        for Buried { nonce, reason, sender } in tombstones {
            let result = RequestResult { request_nonce: nonce, outcome: Outcome::Tombstone(reason) };
            let message = Message {
                version: MESSAGE_VERSION,
                salt: self.config.salt_secret.message(&outbound.record.lane, outbound.record.log.size()),
                sender: own_account(&self.config.shard),
                receiver: sender.unwrap_or_else(|| own_account(peer)),
                deadline_ns: None,
                body: Body::Result(result),
            };
            let note = Note { kind: NoteKind::Result, deadline_ns: None };
            outbound.enqueue(&message.encode(), note, &mut self.journal);
        }
        let Some(Contradiction { request_nonce, result_nonce, expired_by }) = contradiction else { return Ok(()) };
        let height = expired_by.attestation.checkpoint.height;
        self.journal.put(expiry_evidence_key(&outbound.record.lane, request_nonce), &(result_nonce, expired_by));
        Err(Refusal::Contradiction(
            Direction::Outbound,
            format!(
                "attested in result {result_nonce} that request {request_nonce} ran, which its head at height {height} \
                 proves expired"
            ),
        ))
    }
}

/// The account that speaks for the shard itself.
fn own_account(shard: &ShardId) -> AccountId {
    shard.as_str().parse().expect("a shard's name is a top-level account id")
}
