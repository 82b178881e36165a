//! What is staged of a lane: runs without a gap, marks among them, and what was found of each message
//! when it arrived.

use super::{Audit, Rows};
use crate::engine::records::{InboundRecord, StagedRun, decode_record, staged_key, staged_prefix};
use crate::engine::tree::LaneTree;
use crate::ids::Lane;
use crate::message::{decide, plain_deadline_ns};
use crate::store::{Store, StoreError};

impl<S: Store> Audit<'_, S> {
    /// Compares the staged runs of a lane with its messages and its record. Their roots are compared
    /// with those of the lane.
    pub(super) fn check_staged(&mut self, place: &str, record: &InboundRecord) -> Result<(), StoreError> {
        let (verified, staged) = (record.log.size(), &record.staged);
        let marks: Vec<u64> = staged.marks.iter().map(|mark| mark.log.size()).collect();
        let is_inside = marks.iter().all(|size| (verified..=staged.log.size()).contains(size));
        if !is_inside || !marks.is_sorted() {
            self.find(place, "its staged marks are not among what is staged, in their order");
        }
        let prefix = staged_prefix(&record.lane);
        let mut rows = Rows::new(self.store, &prefix);
        let mut end = verified;
        while let Some((key, bytes)) = rows.next()? {
            let run: StagedRun = decode_record("staged run", &bytes)?;
            if key != staged_key(&record.lane, run.end) || run.first_nonce != end || run.end <= run.first_nonce {
                let (first, last) = (run.first_nonce, run.end);
                self.find(place, format!("a staged run is from {first} to {last}, the one before ends at {end}"));
                return Ok(());
            }
            end = run.end;
            if run != self.judged(&record.lane, run.first_nonce, run.end)? {
                self.find(place, format!("the staged run that ends at {end} says something else than its messages"));
            }
        }
        if end != staged.log.size() {
            self.find(place, format!("its staged runs end at {end}, its record says {}", staged.log.size()));
        }
        Ok(())
    }

    /// What is found of these messages when they arrive.
    fn judged(&self, lane: &Lane, first_nonce: u64, end: u64) -> Result<StagedRun, StoreError> {
        let mut run = StagedRun { end, ..StagedRun::new(first_nonce) };
        LaneTree { store: self.store, lane }.for_each(first_nonce, end, |nonce, message| {
            match plain_deadline_ns(message, &lane.source, &lane.destination) {
                Some(deadline_ns) => run.note_deadline(deadline_ns),
                None => run.note(nonce, decide(message, &lane.source, &lane.destination, 0)),
            }
            Ok(())
        })?;
        Ok(run)
    }
}
