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
    while let Some((key, bytes)) = rows.next()? {
        let row_end = inbox_end(&key)?;
        let record: InboxRecord = decode_record("inbox", &bytes)?;
        let place = format!("inbox, run that ends at {row_end}");
        if record.count == 0 || row_end.checked_sub(record.count) != Some(end) {
            audit.find(&place, format!("it has {} messages, but begins at {end}", record.count));
        }
        if record.turn < turn {
            audit.find(&place, format!("it was delivered by turn {}, the run before by turn {turn}", record.turn));
        }
        let next = delivered.entry(record.lane.clone()).or_default();
        if record.first_nonce != *next {
            let expected = *next;
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
    audit.report.inbox_size = end;
    let size = audit.inbox_size()?;
    if size != end {
        audit.find("record inbox-size", format!("it says {size}, the inbox ends at {end}"));
    }
    for record in inbound {
        let (found, size) = (delivered.get(&record.lane).copied().unwrap_or(0), record.log.size());
        if found != size {
            audit.find("inbox", format!("it has {found} messages of lane {}, which has {size}", record.lane));
        }
    }
    Ok(())
}
