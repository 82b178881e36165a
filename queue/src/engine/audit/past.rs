//! Incarnations: this shard's, those of peers that were not accepted, and the lanes of those that are
//! over, which are read like any others.

use super::parties::AllExpected;
use super::{Audit, Inbounds, Outbounds, Rows, Settlements, number};
use crate::checkpoint::Checkpoint;
use crate::engine::records::{
    INCARNATION, PAST, PastRecord, Ruling, SUCCESSOR, SuccessorRecord, decode_record, past_key, read_record,
    ruling_key, successor_key,
};
use crate::ids::ShardId;
use crate::store::{Store, StoreError};

impl<S: Store> Audit<'_, S> {
    /// The lanes are of this shard's incarnation, and a peer's that waits is later than its lanes'.
    pub(super) fn incarnations(&mut self, outbound: &Outbounds) -> Result<(), StoreError> {
        let own: u32 = read_record(self.store, "incarnation", INCARNATION)?.unwrap_or(0);
        for out in outbound.values().filter(|out| out.lane.source_incarnation != own) {
            let found = out.lane.source_incarnation;
            self.find(format!("lane {}", out.lane), format!("it is of incarnation {found}, this store of {own}"));
        }
        let mut rows = Rows::new(self.store, SUCCESSOR);
        while let Some((key, bytes)) = rows.next()? {
            let successor: SuccessorRecord = decode_record("successor", &bytes)?;
            let out = outbound.iter().find(|(peer, _)| successor_key(peer) == key);
            if out.is_none_or(|(_, out)| successor.incarnation <= out.lane.destination_incarnation) {
                self.find(String::from_utf8_lossy(&key), "it is of no lane, or not later than the lane's incarnation");
            }
        }
        Ok(())
    }

    /// The lanes that are over, by peer and incarnation.
    pub(super) fn past(&mut self) -> Result<Vec<PastRecord>, StoreError> {
        let mut records: Vec<PastRecord> = Vec::new();
        let mut rows = Rows::new(self.store, PAST);
        while let Some((key, bytes)) = rows.next()? {
            let record: PastRecord = decode_record("lanes that are over", &bytes)?;
            let (out, back) = (&record.outbound.lane, &record.inbound.lane);
            let place = format!("lane {out}, incarnation {}", out.destination_incarnation);
            let is_pair = (&out.source, &out.destination, out.source_incarnation, out.destination_incarnation)
                == (&back.destination, &back.source, back.destination_incarnation, back.source_incarnation);
            if key != past_key(&out.destination, out.destination_incarnation) || !is_pair {
                self.find(&place, "its record stands under another peer's key, or the lane back is another one");
            }
            if record.never_received_from.is_some_and(|from| from > record.outbound.log.size()) {
                self.find(&place, "it says that messages were never received which are not there");
            }
            self.check_staged(&place, &record.inbound)?;
            records.push(record);
        }
        Ok(records)
    }

    pub(super) fn past_all(
        &mut self,
        attested: Option<&Checkpoint>,
        past: &[PastRecord],
        progress: &mut dyn FnMut(u64),
    ) {
        for PastRecord { outbound, inbound, settlement, .. } in past {
            let peer: &ShardId = &outbound.lane.destination;
            let mut expected = AllExpected::new();
            self.pair(attested, outbound, inbound, &mut expected);
            let outbounds = Outbounds::from([(peer.clone(), outbound.clone())]);
            let inbounds = Inbounds::from([(peer.clone(), inbound.clone())]);
            let settlements = Settlements::from([(peer.clone(), settlement.clone())]);
            self.settled_all(&outbounds, &inbounds, &settlements);
            self.walk_all(&outbounds, &inbounds, &settlements, expected, progress);
            let place = format!("lane {}", outbound.lane);
            self.take(&place, |audit| audit.rulings(&place, outbound.log.size(), &ruling_key(&outbound.lane, None)));
        }
    }

    fn rulings(&mut self, place: &str, size: u64, prefix: &[u8]) -> Result<(), StoreError> {
        let mut rows = Rows::new(self.store, prefix);
        while let Some((key, bytes)) = rows.next()? {
            let nonce = number(&key, prefix)?;
            let _: Ruling = decode_record("ruling", &bytes)?;
            if nonce >= size {
                self.find(place, format!("a ruling is about message {nonce}, but the lane has {size}"));
            }
        }
        Ok(())
    }
}
