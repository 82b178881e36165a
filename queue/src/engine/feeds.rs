//! Feeds: how much of each of a program's named sequences of messages was taken, so that after a
//! break nothing of it is taken twice.

use super::Engine;
use super::records::{FEED, FeedRecord, decode_record, feed_key};
use crate::store::{Store, StoreError, TurnId};
use std::fmt;
use std::str::FromStr;

/// Most feeds that are remembered: far above the programs that feed one node, and some 100 KiB. When
/// another one begins, the one that was longest without a message is forgotten.
pub const FEEDS_MAX: usize = 1_024;

/// Longest name of a feed, in bytes: room for a host's name and a topic.
pub const FEED_NAME_BYTES_MAX: usize = 128;

/// A feed's name: 1 to [`FEED_NAME_BYTES_MAX`] of `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct FeedName(String);

/// Not a feed's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a feed: use 1 to {FEED_NAME_BYTES_MAX} of a-z, A-Z, 0-9, dot, _ and -")]
pub struct FeedNameError(String);

impl FromStr for FeedName {
    type Err = FeedNameError;

    fn from_str(text: &str) -> Result<Self, FeedNameError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=FEED_NAME_BYTES_MAX).contains(&text.len()) || !text.bytes().all(is_allowed) {
            // A refused name may be of any length; what is shown of it may not.
            return Err(FeedNameError(text.chars().take(FEED_NAME_BYTES_MAX).collect()));
        }
        Ok(FeedName(text.to_owned()))
    }
}

impl<'de> serde::Deserialize<'de> for FeedName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for FeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FeedName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How far a feed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedState {
    /// How many of its messages were taken; 0 for a feed that isn't remembered.
    pub taken: u64,
    /// The turn that took the last one.
    pub turn: TurnId,
}

impl<S: Store> Engine<S> {
    /// How far a feed is. What it tells is durable once its turn is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn feed(&self, name: &FeedName) -> Result<FeedState, StoreError> {
        let key = feed_key(name);
        let bytes = match self.journal.pending(&key) {
            Some(bytes) => Some(bytes.to_vec()),
            None if self.journal.is_deleted(&key) => None,
            None => self.store.get(&key)?,
        };
        let record = bytes.map(|bytes| decode_record::<FeedRecord>("feed", &bytes)).transpose()?;
        Ok(record.map_or(FeedState::default(), |FeedRecord { taken, turn }| FeedState { taken, turn }))
    }

    /// Notes that `taken` messages of a feed were taken, in the turn that takes the last of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn handle_feed_taken(&mut self, name: &FeedName, taken: u64) -> Result<(), StoreError> {
        let turn = self.journal.open_turn();
        if self.feed(name)?.turn == 0 {
            self.forget_longest_silent_feed()?;
        }
        self.journal.put(feed_key(name), &FeedRecord { taken, turn });
        Ok(())
    }

    /// Makes room for one more. Feeds that begin in one turn aren't counted until it closes: at most
    /// as many as its inputs, they go with the next ones.
    fn forget_longest_silent_feed(&mut self) -> Result<(), StoreError> {
        let mut stored = self.store.scan(FEED, FEED, usize::MAX)?;
        stored.retain(|(key, _)| !self.journal.is_deleted(key));
        let too_many = (stored.len() + 1).saturating_sub(FEEDS_MAX);
        let mut silent = Vec::new();
        for (key, bytes) in stored.into_iter().filter(|(key, _)| self.journal.pending(key).is_none()) {
            let record: FeedRecord = decode_record("feed", &bytes)?;
            silent.push((record.turn, key));
        }
        silent.sort();
        for (_, key) in silent.into_iter().take(too_many) {
            self.journal.delete(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_is_named_by_what_needs_no_escape_anywhere() {
        for good in ["a", "orders", "Host-7.orders_v2", &"x".repeat(FEED_NAME_BYTES_MAX)] {
            assert_eq!(good.parse::<FeedName>().expect("a name").as_str(), good);
        }
        for bad in ["", "a b", "a/b", "ü", "a\n", &"x".repeat(FEED_NAME_BYTES_MAX + 1)] {
            let error = bad.parse::<FeedName>().expect_err("no name").to_string();
            assert!(error.contains("no name of a feed"), "{error}");
        }
    }
}
