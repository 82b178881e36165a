//! What is kept for those who enqueue: idempotency keys and feeds; and what attesting has cost.

use super::{Audit, Outbounds, Rows, Settlements};
use crate::engine::feeds::FeedName;
use crate::engine::keys::{IdempotencyKey, content_of, split_time_key};
use crate::engine::records::{
    FEED, FeedRecord, KEY, KEY_COUNT, KEY_TIME, KeyRecord, PastRecord, SPENT, SpentRecord, decode_record, read_record,
};
use crate::message::Message;
use crate::store::{Store, StoreError};
use std::str::FromStr;

impl<S: Store> Audit<'_, S> {
    /// Keys, their times and their number agree, and each is of the message that it says.
    pub(super) fn keys(
        &mut self,
        outbound: &Outbounds,
        settlements: &Settlements,
        past: &[PastRecord],
    ) -> Result<(), StoreError> {
        let mut rows = Rows::new(self.store, KEY);
        let mut keys = 0u64;
        while let Some((row, bytes)) = rows.next()? {
            keys += 1;
            let record: KeyRecord = decode_record("idempotency key", &bytes)?;
            let place = String::from_utf8_lossy(&row);
            if parsed::<IdempotencyKey>(&row, KEY).is_none() {
                self.find(&place, "it is no idempotency key");
            }
            let KeyRecord { peer, nonce, content, turn } = record;
            let of_past = |past: &&PastRecord| past.outbound.lane.destination == peer && turn <= past.last_turn;
            let (out, pruned) = match past.iter().find(of_past) {
                Some(past) => (Some(&past.outbound), past.settlement.pruned),
                None => (outbound.get(&peer), settlements.get(&peer).map_or(0, |record| record.pruned)),
            };
            let Some(out) = out.filter(|out| turn > 0 && nonce < out.log.size()) else {
                self.find(&place, format!("message {nonce} to {peer}, of turn {turn}, is not there"));
                continue;
            };
            if nonce >= pruned {
                let bytes = self.store.message(&out.lane, nonce)?;
                let message = bytes.and_then(|bytes| Message::decode(&bytes).ok());
                if message.map(|message| content_of(&message)) != Some(content) {
                    self.find(&place, format!("message {nonce} to {peer} is another one"));
                }
            }
        }
        let mut rows = Rows::new(self.store, KEY_TIME);
        let mut times = 0u64;
        while let Some((row, bytes)) = rows.next()? {
            times += 1;
            let (_, key) = split_time_key(&row)?;
            if !bytes.is_empty() || self.store.get(&[KEY, key].concat())?.is_none() {
                self.find(String::from_utf8_lossy(&row), "it has a value, or the key is missing");
            }
        }
        let count = read_record(self.store, "number of keys", KEY_COUNT)?.unwrap_or(0u64);
        if (keys, times) != (count, count) {
            self.find("record key-count", format!("it says {count}; there are {keys} keys and {times} times"));
        }
        Ok(())
    }

    pub(super) fn feeds(&mut self) -> Result<(), StoreError> {
        let mut rows = Rows::new(self.store, FEED);
        while let Some((row, bytes)) = rows.next()? {
            let FeedRecord { turn, .. } = decode_record("feed", &bytes)?;
            if turn == 0 || parsed::<FeedName>(&row, FEED).is_none() {
                self.find(String::from_utf8_lossy(&row), "it is no feed's name, or of no turn");
            }
        }
        Ok(())
    }

    pub(super) fn spent(&mut self) -> Result<(), StoreError> {
        read_record::<SpentRecord>(self.store, "spent budget", SPENT).map(drop)
    }
}

fn parsed<T: FromStr>(row: &[u8], prefix: &[u8]) -> Option<T> {
    std::str::from_utf8(row.strip_prefix(prefix)?).ok()?.parse().ok()
}
