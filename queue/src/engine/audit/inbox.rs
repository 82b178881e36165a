//! The inbox: one order over all lanes, in which every delivered message stands once.

use super::{Audit, Rows};
use crate::engine::records::{INBOX, InboundRecord, InboxRecord, decode_record, inbox_end};
use crate::ids::Lane;
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;

/// Compares the inbox with the lanes that filled it.
pub(super) fn check<'a, S: Store>(
    audit: &mut Audit<'_, S>,
    inbound: impl Iterator<Item = &'a InboundRecord>,
) -> Result<(), StoreError> {
    let mut rows = Rows::new(audit.store, INBOX);
    let mut end = 0u64;
    let mut turn = 0;
    let mut delivered = BTreeMap::<Lane, u64>::new();
    // Positions without a run, and messages without one: both are those that were pruned.
    let (mut gaps, mut missing) = (0u64, 0u64);
    while let Some((key, bytes)) = rows.next()? {
        let row_end = inbox_end(&key)?;
        let record: InboxRecord = decode_record("inbox", &bytes)?;
        let place = format!("inbox, run that ends at {row_end}");
        match row_end.checked_sub(record.count).and_then(|begin| begin.checked_sub(end)) {
            Some(gap) if record.count > 0 => gaps = gaps.saturating_add(gap),
            _ => audit.find(&place, format!("it has {} messages, but begins at {end}", record.count)),
        }
        if record.turn < turn {
            audit.find(&place, format!("it was delivered by turn {}, the run before by turn {turn}", record.turn));
        }
        let expected = match delivered.get(&record.lane) {
            Some(next) => *next,
            None => {
                let kept_from = audit.kept_from(&record.lane)?;
                let pruned = record.first_nonce.min(kept_from);
                missing = missing.saturating_add(pruned);
                pruned
            }
        };
        if record.first_nonce != expected {
            audit.find(
                &place,
                format!("it begins with nonce {} of {}, expected {expected}", record.first_nonce, record.lane),
            );
        }
        let next_nonce = record.first_nonce.saturating_add(record.count);
        delivered.insert(record.lane.clone(), next_nonce);
        let buried = record.tombstones.iter().map(|(nonce, _)| *nonce);
        let is_inside = buried.clone().all(|nonce| (record.first_nonce..next_nonce).contains(&nonce));
        if !is_inside || !buried.is_sorted_by(|one, next| one < next) {
            audit.find(&place, "its tombstones are not among its messages, in their order");
        }
        (end, turn) = (row_end, record.turn);
    }
    for record in inbound {
        let size = record.log.size();
        let found = match delivered.get(&record.lane) {
            Some(found) => *found,
            None => {
                let kept_from = audit.kept_from(&record.lane)?;
                missing = missing.saturating_add(kept_from);
                kept_from
            }
        };
        if found != size {
            audit.find("inbox", format!("it has {found} messages of lane {}, which has {size}", record.lane));
        }
    }
    let size = audit.inbox_size()?;
    audit.report.inbox_size = size;
    let gaps = size.checked_sub(end).map(|behind| gaps.saturating_add(behind));
    if gaps != Some(missing) {
        audit.find("record inbox-size", format!("it says {size}, the inbox ends at {end}; {missing} were pruned"));
    }
    Ok(())
}
