//! How far lanes from peers are pruned.

use super::{Audit, Rows};
use crate::engine::records::{InboundRecord, PRUNED, PrunedRecord, decode_record, pruned_key, read_record};
use crate::engine::tree::{LaneTree, prune_point};
use crate::ids::Lane;
use crate::store::{Store, StoreError};

impl<S: Store> Audit<'_, S> {
    /// First message of a lane from a peer that is kept.
    pub(super) fn kept_from(&self, lane: &Lane) -> Result<u64, StoreError> {
        let record: Option<PrunedRecord> = read_record(self.store, "pruned lane", &pruned_key(lane))?;
        Ok(record.map_or(0, |record| record.below))
    }

    /// Compares what the records say with the lanes. That what is kept is there, and nothing else,
    /// is seen as the lanes are read.
    pub(super) fn pruned<'a>(
        &mut self,
        inbound: impl Iterator<Item = &'a InboundRecord> + Clone,
    ) -> Result<(), StoreError> {
        let mut rows = Rows::new(self.store, PRUNED);
        while let Some((key, bytes)) = rows.next()? {
            let PrunedRecord { below, bytes } = decode_record("pruned lane", &bytes)?;
            let Some(back) = inbound.clone().find(|back| pruned_key(&back.lane) == key) else {
                self.find(String::from_utf8_lossy(&key), "it is of a lane that is not there");
                continue;
            };
            let place = format!("lane {}", back.lane);
            if below == 0 || prune_point(below) != below || below > back.log.size() {
                let size = back.log.size();
                self.find(&place, format!("pruned up to {below}: not in blocks of 64 of {size} delivered"));
                continue;
            }
            let found = LaneTree { store: self.store, lane: &back.lane }.ending_at(below)?.bytes_end;
            if found != bytes {
                self.find(&place, format!("its pruned messages have {found} bytes, but {bytes} by the record"));
            }
        }
        Ok(())
    }
}
