//! A store that outlives its engine, as a disk outlives a process.

use queue::ids::Lane;
use queue::store::{Store, StoreError, Turn, TurnId};
use queue::stream::Stream;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// A disk; its clones are the same one.
#[derive(Clone, Default)]
pub struct Disk(Rc<RefCell<Contents>>);

#[derive(Default)]
struct Contents {
    visible: State,
    durable: State,
    /// Turns that are visible and not yet durable.
    written: Vec<Turn>,
}

#[derive(Clone, Default)]
struct State {
    turn: TurnId,
    keys: BTreeMap<Vec<u8>, Vec<u8>>,
    messages: BTreeMap<(Lane, u64), Vec<u8>>,
}

impl State {
    fn apply(&mut self, turn: Turn) {
        assert_eq!(turn.id, self.turn + 1, "turns come one after the other");
        self.turn = turn.id;
        for (lane, from) in turn.truncates {
            self.messages.retain(|(of, nonce), _| *of != lane || *nonce < from);
        }
        for appended in turn.messages {
            for (nonce, message) in (appended.first_nonce..).zip(appended.messages.messages()) {
                let known = self.messages.insert((appended.lane.clone(), nonce), message.to_vec());
                assert_eq!(known, None, "{} {nonce} was written twice", appended.lane);
            }
        }
        for (lane, below) in turn.prunes {
            self.messages.retain(|(of, nonce), _| *of != lane || *nonce >= below);
        }
        for key in turn.deletes {
            self.keys.remove(&key);
        }
        self.keys.extend(turn.puts);
    }
}

impl Disk {
    /// Makes all that was written durable.
    pub fn sync(&self) {
        let contents = &mut *self.0.borrow_mut();
        for turn in contents.written.drain(..) {
            contents.durable.apply(turn);
        }
    }

    /// Whether all that was written is durable.
    pub fn is_synced(&self) -> bool {
        self.0.borrow().written.is_empty()
    }

    /// Loses what isn't durable; gives the newest turn that is left.
    pub fn crash(&self) -> TurnId {
        let contents = &mut *self.0.borrow_mut();
        contents.written.clear();
        contents.visible = contents.durable.clone();
        contents.durable.turn
    }
}

impl Store for Disk {
    fn append(&mut self, turn: Turn) -> Result<(), StoreError> {
        let contents = &mut *self.0.borrow_mut();
        contents.visible.apply(turn.clone());
        contents.written.push(turn);
        Ok(())
    }

    fn poll_durable(&mut self) -> Result<TurnId, StoreError> {
        Ok(self.0.borrow().durable.turn)
    }

    fn read(&self, lane: &Lane, nonces: Range<u64>, bytes_max: usize) -> Result<Stream, StoreError> {
        let contents = self.0.borrow();
        let mut found = Stream::default();
        for nonce in nonces {
            let Some(message) = contents.visible.messages.get(&(lane.clone(), nonce)) else { break };
            if !found.append_within(&Stream::of([message]), bytes_max, u64::MAX) {
                break;
            }
        }
        Ok(found)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.borrow().visible.keys.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Rows, StoreError> {
        let contents = self.0.borrow();
        let rows = contents.visible.keys.range(prefix.max(from).to_vec()..);
        let inside = rows.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(inside.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
