//! The open turn: what it will write, and the outputs that wait for it.

use super::io::Output;
use super::records::{NodeRecord, STORED_LEVEL_MIN, node_key};
use crate::codec;
use crate::digest::{Hash, Native};
use crate::ids::{Lane, ShardId};
use crate::log::CompactRange;
use crate::store::{Appended, Turn, TurnId};
use crate::stream::{Stream, stream_bytes};
use borsh::BorshSerialize;
use std::collections::{BTreeMap, VecDeque};

/// Invariant: outputs stand in the order of their turns.
#[derive(Debug)]
pub(super) struct Journal {
    committed: TurnId,
    durable: TurnId,
    messages: Vec<Appended>,
    puts: BTreeMap<Vec<u8>, Vec<u8>>,
    prunes: Vec<(Lane, u64)>,
    waiting: Vec<Output>,
    outputs: VecDeque<(TurnId, Output)>,
}

impl Journal {
    /// A journal whose store holds the turns up to `durable`.
    pub(super) fn new(durable: TurnId) -> Self {
        Journal {
            committed: durable,
            durable,
            messages: Vec::new(),
            puts: BTreeMap::new(),
            prunes: Vec::new(),
            waiting: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The turn that is open.
    pub(super) fn open_turn(&self) -> TurnId {
        self.committed + 1
    }

    /// The newest durable turn.
    pub(super) fn durable(&self) -> TurnId {
        self.durable
    }

    pub(super) fn put(&mut self, key: Vec<u8>, record: &impl BorshSerialize) {
        self.puts.insert(key, codec::encode(record));
    }

    pub(super) fn prune(&mut self, lane: &Lane, below: u64) {
        self.prunes.push((lane.clone(), below));
    }

    /// Emits an output that becomes visible once all that this turn writes is durable.
    pub(super) fn emit(&mut self, output: Output) {
        self.waiting.push(output);
    }

    /// Drops the frames for a peer that no connection has taken: they were for one that is gone.
    pub(super) fn forget_frames(&mut self, peer: &ShardId) {
        let keep = |output: &Output| !matches!(output, Output::Frame { peer: to, .. } if to == peer);
        self.waiting.retain(keep);
        self.outputs.retain(|(_, output)| keep(output));
    }

    /// Appends a message to a lane's log, by its leaf hash, with the tree nodes that it completes.
    pub(super) fn append(&mut self, lane: &Lane, log: &mut CompactRange, bytes: &mut u64, leaf: Hash, message: &[u8]) {
        let nonce = log.size();
        *bytes += stream_bytes(message);
        let bytes_end = *bytes;
        log.append_leaf::<Native>(leaf, |id, hash| {
            if id.level >= STORED_LEVEL_MIN {
                self.puts.insert(node_key(lane, id), codec::encode(&NodeRecord { hash, bytes_end }));
            }
        });
        let appended = match self.messages.iter_mut().find(|appended| appended.lane == *lane) {
            Some(appended) => appended,
            None => {
                self.messages.push_mut(Appended { lane: lane.clone(), first_nonce: nonce, messages: Stream::default() })
            }
        };
        appended.messages.push(message);
    }

    /// Closes the turn. `None` if it writes nothing: then its outputs wait for the turn before.
    pub(super) fn close(&mut self) -> Option<Turn> {
        let writes = !(self.messages.is_empty() && self.puts.is_empty() && self.prunes.is_empty());
        if writes {
            self.committed += 1;
        }
        let committed = self.committed;
        self.outputs.extend(self.waiting.drain(..).map(|output| (committed, output)));
        writes.then(|| Turn {
            id: committed,
            truncates: Vec::new(),
            messages: std::mem::take(&mut self.messages),
            puts: std::mem::take(&mut self.puts).into_iter().collect(),
            deletes: Vec::new(),
            prunes: std::mem::take(&mut self.prunes),
        })
    }

    /// The store made turns durable.
    pub(super) fn handle_durable(&mut self, turn: TurnId) {
        debug_assert!(self.durable <= turn && turn <= self.committed);
        self.durable = turn;
    }

    /// The next output that may be visible.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        let (turn, _) = self.outputs.front()?;
        if *turn > self.durable {
            return None;
        }
        self.outputs.pop_front().map(|(_, output)| output)
    }
}
