//! Idempotency keys: whoever tries again under the same key gets the same message.

use super::io::{EnqueueError, Ticket};
use super::journal::Journal;
use super::records::{KEY, KEY_COUNT, KEY_TIME, KeyRecord, decode_record, read_record};
use crate::digest::{Hash, Native, leaf};
use crate::message::Message;
use crate::store::{Store, StoreError};
use std::fmt;
use std::str::FromStr;

/// Longest key, in bytes: room for a UUID, a hash in hex, or a name with a counter.
pub const KEY_BYTES_MAX: usize = 128;

/// How long a key is kept, in nanoseconds: longer than any caller goes on trying, and than most
/// outages of it.
pub const KEY_KEPT_NS: u64 = 86_400_000_000_000;

/// How many keys are kept: some 11 each second for [`KEY_KEPT_NS`], in about 200 MB.
pub const KEYS_MAX: u64 = 1_000_000;

/// Keys that one turn forgets at most, so that a turn stays short; more than any turn's share of
/// what a day brings.
const FORGOTTEN_PER_TURN_MAX: usize = 256;

/// A caller's own name for one message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

/// Not 1 to [`KEY_BYTES_MAX`] visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("idempotency key {0:?} is not 1 to {KEY_BYTES_MAX} visible ASCII characters")]
pub struct IdempotencyKeyError(String);

impl IdempotencyKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(IdempotencyKey(text.to_owned())) } else { Err(IdempotencyKeyError(text.to_owned())) }
    }
}

impl<'de> serde::Deserialize<'de> for IdempotencyKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Invariant: `count` is the number of rows under [`KEY`], those of the open turn included.
#[derive(Debug)]
pub(super) struct Keys {
    count: u64,
    dirty: bool,
    /// When the oldest key is old enough, on the node's clock; nothing is before.
    forget_at_ns: u64,
}

/// What makes two requests under one key the same: sender, receiver and body. A relative deadline
/// becomes another one with each try, so that it doesn't count.
pub(super) fn content_of(message: &Message) -> Hash {
    leaf::<Native>(&Message { salt: Hash::ZERO, deadline_ns: None, ..message.clone() }.encode())
}

impl Keys {
    pub(super) fn open(store: &impl Store) -> Result<Self, StoreError> {
        Ok(Keys { count: read_record(store, "number of keys", KEY_COUNT)?.unwrap_or(0), dirty: false, forget_at_ns: 0 })
    }

    /// The message that was accepted under a key.
    ///
    /// # Errors
    /// [`EnqueueError::KeyReused`] if it was another message; [`EnqueueError::KeysFull`] if there is
    /// none and no room for one.
    pub(super) fn find<S: Store>(
        &self,
        key: &IdempotencyKey,
        content: Hash,
        store: &S,
        journal: &Journal,
    ) -> Result<Result<Option<Ticket>, EnqueueError>, StoreError> {
        let row = row_key(key);
        let record: Option<KeyRecord> = match journal.pending(&row) {
            Some(bytes) => Some(decode_record("idempotency key", bytes)?),
            None => read_record(store, "idempotency key", &row)?,
        };
        Ok(match record {
            Some(record) if record.content != content => {
                Err(EnqueueError::KeyReused { key: key.clone(), peer: record.peer, nonce: record.nonce })
            }
            Some(KeyRecord { peer, nonce, turn, .. }) => Ok(Some(Ticket { peer, nonce, turn })),
            None if self.count >= KEYS_MAX => Err(EnqueueError::KeysFull),
            None => Ok(None),
        })
    }

    /// Remembers the message that is accepted under a key at this time of the node's clock.
    pub(super) fn remember(
        &mut self,
        key: &IdempotencyKey,
        ticket: &Ticket,
        content: Hash,
        time_ns: u64,
        journal: &mut Journal,
    ) {
        let Ticket { peer, nonce, turn } = ticket.clone();
        journal.put(row_key(key), &KeyRecord { peer, nonce, turn, content });
        journal.put(time_key(time_ns, key), &());
        self.count += 1;
        self.dirty = true;
    }

    /// Forgets keys that are old enough, and writes the number of the others if it changed.
    pub(super) fn flush<S: Store>(
        &mut self,
        time_ns: Option<u64>,
        store: &S,
        journal: &mut Journal,
    ) -> Result<(), StoreError> {
        if let Some(time_ns) = time_ns.filter(|time_ns| self.count > 0 && *time_ns >= self.forget_at_ns) {
            let rows = store.scan(KEY_TIME, KEY_TIME, FORGOTTEN_PER_TURN_MAX)?;
            self.forget_at_ns = if rows.len() < FORGOTTEN_PER_TURN_MAX { time_ns + KEY_KEPT_NS } else { 0 };
            for (row, _) in rows {
                let (at_ns, key) = split_time_key(&row)?;
                if at_ns.saturating_add(KEY_KEPT_NS) > time_ns {
                    self.forget_at_ns = at_ns + KEY_KEPT_NS;
                    break;
                }
                journal.delete([KEY, key].concat());
                journal.delete(row.clone());
                self.count = self.count.saturating_sub(1);
                self.dirty = true;
            }
        }
        if std::mem::take(&mut self.dirty) {
            journal.put(KEY_COUNT.to_vec(), &self.count);
        }
        Ok(())
    }
}

fn row_key(key: &IdempotencyKey) -> Vec<u8> {
    [KEY, key.as_str().as_bytes()].concat()
}

fn time_key(time_ns: u64, key: &IdempotencyKey) -> Vec<u8> {
    [KEY_TIME, &time_ns.to_be_bytes(), key.as_str().as_bytes()].concat()
}

pub(super) fn split_time_key(row: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let parts = row.strip_prefix(KEY_TIME).and_then(|rest| rest.split_first_chunk());
    let (time, key) = parts.ok_or_else(|| StoreError::Damaged("an idempotency key has no time".to_owned()))?;
    Ok((u64::from_be_bytes(*time), key))
}
