//! What an engine tells about itself: status, inbox, proofs.

use super::Engine;
use super::inbound::Inbound;
use super::incarnation::waits_for_accept;
use super::io::{InboundStatus, InboxEntry, InboxError, OutboundStatus, ProveError, Status};
use super::outbound::Outbound;
use super::past::PastLanes;
use super::records::{INBOX, INBOX_SIZE, InboundRecord, InboxRecord, decode_record, inbox_end, inbox_key, read_record};
use super::tree::LaneTree;
use crate::ids::ShardId;
use crate::proof::{MESSAGE_PROOF_FORMAT, MessageProof};
use crate::store::Store;

impl<S: Store> Engine<S> {
    /// The node's state.
    pub fn status(&self) -> Status {
        Status {
            shard: self.config.shard.clone(),
            resumed: self.resumed,
            attested_height: self.attestor.record.attested.as_ref().map(|checkpoint| checkpoint.height),
            pending_height: self.attestor.pending().map(|checkpoint| checkpoint.height),
            attesting: self.attestor.waiting_for(),
            budget_until_ns: self.spending.held_until_ns(),
            outbound: self.outbound.values().map(|outbound| self.outbound_status(outbound)).collect(),
            inbound: self.inbound.values().map(|inbound| self.inbound_status(inbound)).collect(),
            inbox_size: self.inbox_size,
            incarnation: self.incarnation,
            past: self.past.values().map(PastLanes::status).collect(),
        }
    }

    /// The inbox from a position on: as many durable entries as fit `bytes_max`, but at least one
    /// if there is one. Entries that stand one behind the other: those of one lane.
    ///
    /// # Errors
    /// [`InboxError`].
    pub fn inbox(&self, from_position: u64, bytes_max: usize) -> Result<Vec<InboxEntry>, InboxError> {
        let Some(after) = from_position.checked_add(1) else { return Ok(Vec::new()) };
        let Some((key, bytes)) = self.store.scan(INBOX, &inbox_key(after), 1)?.pop() else {
            // The end of the inbox; or all that was in it is pruned.
            let first: u64 = read_record(&self.store, "inbox size", INBOX_SIZE)?.unwrap_or(0);
            let is_pruned = from_position < first;
            return if is_pruned { Err(InboxError::Pruned { position: from_position, first }) } else { Ok(Vec::new()) };
        };
        let record: InboxRecord = decode_record("inbox", &bytes)?;
        if record.turn > self.durable() {
            return Ok(Vec::new());
        }
        let first_position = inbox_end(&key)?.saturating_sub(record.count);
        let kept_from = self.kept_from(&record.lane)?;
        let first = first_position + kept_from.saturating_sub(record.first_nonce).min(record.count);
        if from_position < first {
            return Err(InboxError::Pruned { position: from_position, first });
        }
        let skipped = from_position - first_position;
        let first_nonce = record.first_nonce + skipped;
        let end = record.first_nonce + record.count;
        let messages = self.store.read(&record.lane, first_nonce..end, bytes_max)?;
        let entries = messages.messages().zip(0..).map(|(message, offset)| {
            let nonce = first_nonce + offset;
            let tombstone = record.tombstones.iter().find(|(buried, _)| *buried == nonce);
            InboxEntry {
                position: from_position + offset,
                peer: record.lane.source.clone(),
                incarnation: record.lane.source_incarnation,
                nonce,
                turn: record.turn,
                content: tombstone.map_or_else(|| Ok(message.to_vec()), |(_, reason)| Err(*reason)),
            }
        });
        Ok(entries.collect())
    }

    /// The file that proves message `nonce` from `source`, or from an incarnation of it that is over,
    /// to a stranger.
    ///
    /// # Errors
    /// [`ProveError`].
    pub fn prove(&self, source: &ShardId, incarnation: Option<u32>, nonce: u64) -> Result<MessageProof, ProveError> {
        let record = match incarnation {
            Some(incarnation) => self.past(source, incarnation).ok().map(|lanes| &lanes.record.inbound),
            None => self.inbound.get(source).map(|inbound| &inbound.record),
        };
        self.prove_received(record.ok_or_else(|| ProveError::NoLane(source.clone()))?, nonce)
    }

    /// The file that proves message `nonce` of a lane to this shard.
    pub(super) fn prove_received(&self, record: &InboundRecord, nonce: u64) -> Result<MessageProof, ProveError> {
        let (peer, size) = (record.lane.source.clone(), record.log.size());
        let Some(head) = record.head.clone().filter(|_| nonce < size) else {
            return Err(ProveError::NotThere { peer, nonce, size });
        };
        let first = self.kept_from(&record.lane)?;
        if nonce < first {
            return Err(ProveError::Pruned { peer, nonce, first });
        }
        let attested = head.head.sent_size;
        if attested > size {
            return Err(ProveError::CatchingUp { peer, size, attested });
        }
        let tree = LaneTree { store: &self.store, lane: &record.lane };
        let (message, inclusion) =
            if attested == size { tree.inclusion_in(nonce, &record.log)? } else { tree.inclusion(nonce, attested)? };
        Ok(MessageProof {
            format: MESSAGE_PROOF_FORMAT.to_owned(),
            trust: self.config.trust.clone(),
            nonce,
            message,
            inclusion,
            head,
        })
    }

    fn outbound_status(&self, outbound: &Outbound) -> OutboundStatus {
        let record = &outbound.record;
        let connected = self.connected.contains(outbound.peer());
        OutboundStatus {
            peer: outbound.peer().clone(),
            accepted: record.log.size(),
            sealed: record.sealed,
            attested: record.attested,
            delivered: outbound.delivered,
            acknowledged: record.acknowledged,
            settled: outbound.settlement.settled(),
            calls: u64::try_from(outbound.settlement.record.open_calls.len()).expect("a length fits 64 bits"),
            backlog_bytes: outbound.backlog_bytes(),
            connected,
            waiting_for: self.outbound_waits_for(outbound, connected),
            frozen: record.frozen.clone(),
            stopped: self.lanes.is_stopped(outbound.peer()),
            terms: self.lanes.terms(outbound.peer()).agreed().cloned(),
            peer_incarnation: record.lane.destination_incarnation,
            awaits_incarnation: self.successors.get(outbound.peer()).map(|successor| successor.incarnation),
        }
    }

    fn outbound_waits_for(&self, outbound: &Outbound, connected: bool) -> Option<String> {
        let record = &outbound.record;
        if let Some(successor) = self.successors.get(outbound.peer()) {
            return Some(format!("the operator: {}", waits_for_accept(outbound.peer(), successor)));
        }
        if record.acknowledged == record.log.size() {
            return None;
        }
        let peer = outbound.peer();
        if record.attested == record.log.size() {
            return Some(match (outbound.delivered == record.attested, connected) {
                (true, _) => format!("an attested acknowledgement by {peer}"),
                (false, true) => format!("{peer} to take what is attested"),
                (false, false) => format!("a connection to {peer}"),
            });
        }
        self.waits_to_attest().or_else(|| Some("the next checkpoint".to_owned()))
    }

    fn inbound_status(&self, inbound: &Inbound) -> InboundStatus {
        let record = &inbound.record;
        InboundStatus {
            peer: inbound.peer().clone(),
            delivered: record.log.size(),
            acknowledged: record.acknowledged,
            staged: inbound.staged_size(),
            staged_bytes: inbound.staged_bytes(),
            connected: self.connected.contains(inbound.peer()),
            waiting_for: inbound.stopped.clone().or_else(|| {
                let owes = record.acknowledged < record.log.size();
                owes.then(|| self.waits_to_attest().unwrap_or("the next checkpoint, to acknowledge".to_owned()))
            }),
            frozen: record.frozen.clone(),
            peer_incarnation: record.lane.source_incarnation,
            awaits_incarnation: self.successors.get(inbound.peer()).map(|successor| successor.incarnation),
        }
    }

    fn waits_to_attest(&self) -> Option<String> {
        if !self.resumed {
            return Some("NEAR, to find the bridge contract's tip in this node's records".to_owned());
        }
        if self.own.is_none() {
            return Some(format!("the bridge contract to list shard {}", self.config.shard));
        }
        if !self.clock.is_set() {
            return Some("a final NEAR block, to know the time".to_owned());
        }
        self.attestor.waiting_for().or_else(|| {
            let until_ns = self.spending.held_until_ns()?;
            Some(format!("the attestation budget of the next day, which begins at {until_ns} ns"))
        })
    }
}
