//! A store in memory that crashes and fails on command.

use super::{KeyValue, Store, StoreError, Turn, TurnId};
use crate::ids::Lane;
use crate::stream::Stream;
use std::collections::BTreeMap;
use std::ops::Range;

/// When a [`MemoryStore`] makes turns durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPlan {
    /// As soon as they are appended.
    Prompt,
    /// Only when [`MemoryStore::sync`] is called.
    Manual,
}

/// A store in memory. What was appended but isn't durable is lost by [`MemoryStore::crash`].
#[derive(Debug, Clone)]
pub struct MemoryStore {
    plan: CrashPlan,
    visible: State,
    durable: State,
    failure: Option<StoreError>,
}

#[derive(Debug, Clone, Default)]
struct State {
    turn: TurnId,
    keys: BTreeMap<Vec<u8>, Vec<u8>>,
    messages: BTreeMap<(Lane, u64), Vec<u8>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(plan: CrashPlan) -> Self {
        MemoryStore { plan, visible: State::default(), durable: State::default(), failure: None }
    }

    /// Makes all that was appended durable.
    pub fn sync(&mut self) {
        self.durable = self.visible.clone();
    }

    /// Loses what isn't durable, and gives the store as the next start finds it.
    #[must_use]
    pub fn crash(mut self) -> Self {
        self.visible = self.durable.clone();
        self.failure = None;
        self
    }

    /// Fails every call from now on, until a crash.
    pub fn fail(&mut self, reason: &str) {
        self.failure = Some(StoreError::Medium(reason.to_owned()));
    }

    fn check(&self) -> Result<(), StoreError> {
        self.failure.clone().map_or(Ok(()), Err)
    }
}

impl Store for MemoryStore {
    fn append(&mut self, turn: Turn) -> Result<(), StoreError> {
        self.check()?;
        let state = &mut self.visible;
        if turn.id != state.turn + 1 {
            return Err(StoreError::Damaged(format!("turn {} follows turn {}", turn.id, state.turn)));
        }
        state.turn = turn.id;
        for (lane, from) in turn.truncates {
            state.messages.retain(|(of, nonce), _| *of != lane || *nonce < from);
        }
        for appended in turn.messages {
            for (nonce, message) in (appended.first_nonce..).zip(appended.messages.messages()) {
                state.messages.insert((appended.lane.clone(), nonce), message.to_vec());
            }
        }
        for (lane, below) in turn.prunes {
            state.messages.retain(|(of, nonce), _| *of != lane || *nonce >= below);
        }
        for key in turn.deletes {
            state.keys.remove(&key);
        }
        state.keys.extend(turn.puts);
        if self.plan == CrashPlan::Prompt {
            self.sync();
        }
        Ok(())
    }

    fn poll_durable(&mut self) -> Result<TurnId, StoreError> {
        self.check()?;
        Ok(self.durable.turn)
    }

    fn read(&self, lane: &Lane, nonces: Range<u64>, bytes_max: usize) -> Result<Stream, StoreError> {
        self.check()?;
        let mut found = Stream::default();
        let start = (lane.clone(), nonces.start);
        for (expected, ((of, nonce), message)) in nonces.zip(self.visible.messages.range(start..)) {
            if of != lane || !found.append_within(&Stream::of([message]), bytes_max, u64::MAX) {
                break;
            }
            if *nonce != expected {
                return Err(StoreError::Damaged(format!("{lane} has no message {expected}")));
            }
        }
        Ok(found)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.check()?;
        Ok(self.visible.keys.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<KeyValue>, StoreError> {
        self.check()?;
        let start = prefix.max(from).to_vec();
        let inside = self.visible.keys.range(start..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(inside.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
