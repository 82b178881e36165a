//! What each input means to the engine and to those who wait.

use super::command::{Command, Outgoing, SentMessage, answer};
use super::{AttestOutcome, Driver, Input, NearState, NodeState, NodeStop, Request, read_inbox};
use crate::near::{Attempt, NearEvent};
use crate::transport::PeerEvent;
use queue::contract::{ShardStatus, ShardView};
use queue::engine::{Direction, EnqueueError, Now, RegisteredShard, Stop, Ticket};
use queue::ids::{Route, ShardId, route};
use queue::store::Store;
use std::collections::BTreeMap;

impl<S: Store> Driver<S> {
    pub(super) fn handle(&mut self, input: Input) -> Result<(), NodeStop> {
        match input {
            Input::Command(command) => self.handle_command(command),
            Input::Peer(event) => self.handle_peer(event),
            Input::Near(event) => self.handle_near(event)?,
            Input::Attested(AttestOutcome { checkpoint, attempt: Attempt { result, spent }, took }) => {
                match &result {
                    Ok(_) => self.near.attested.add(spent.gas, took),
                    Err(failure) => tracing::warn!(%checkpoint, %failure, "a checkpoint has no signature yet"),
                }
                self.engine.handle_attest_result(checkpoint, result, spent.cost(), self.clock.now());
            }
            Input::Wake => {}
        }
        Ok(())
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Enqueue { requests, reply } => {
                let results = self.enqueue(requests);
                self.replies.push(results, reply);
            }
            Command::EnqueueBatch { batch, reply } => self.take_batch(batch, reply),
            Command::Status { reply } => {
                let state = NodeState { engine: self.engine.status(), near: self.near.clone() };
                answer(reply, state);
            }
            Command::Inbox { range, reply } => match read_inbox(&self.engine, &self.times, range) {
                Ok(messages) if messages.is_empty() && range.wait => self.waiters.add_inbox(range, reply),
                result => answer(reply, result),
            },
            Command::Wait { message, milestone, reply } => self.waiters.add_milestone(message, milestone, reply),
            Command::Outcome { message, reply } => self.handle_outcome(&message, reply),
            Command::Prove { message: SentMessage { peer, incarnation, nonce }, reply } => {
                answer(reply, self.engine.prove(&peer, incarnation, nonce));
            }
            Command::SettlementProof(command) => self.handle_proof(command),
            Command::Files(command) => self.handle_files(command),
            Command::Incarnation(command) => self.handle_incarnation(command),
            Command::RefreshRegistry { reply } => {
                self.request(Request::RefreshRegistry);
                self.refreshes.retain(|reply| !reply.is_closed());
                self.refreshes.push(reply);
            }
            Command::CloseLanes { closed, reply } => {
                self.engine.handle_closed_lanes(closed);
                if let Some(registered) = self.registered.clone() {
                    // What it says of incarnations was handled before.
                    let _ = self.handle_registered(registered);
                }
                answer(reply, ());
            }
            // `run` ends before it gets here.
            Command::Shutdown => {}
        }
    }

    /// Enqueues in order: a lane that refuses a message as full takes none of those behind it,
    /// however short they are.
    fn enqueue(&mut self, requests: Vec<Outgoing>) -> Vec<Result<Ticket, EnqueueError>> {
        let now = self.clock.now();
        let mut full = BTreeMap::<ShardId, EnqueueError>::new();
        let mut results = Vec::with_capacity(requests.len());
        for request in requests {
            let busy = match route(&self.own, &request.message.receiver) {
                Route::Shard(peer) => full.get(&peer).cloned(),
                Route::Local | Route::Near => None,
            };
            let result = busy.map_or_else(|| self.enqueue_one(request, now), Err);
            if let Err(busy @ EnqueueError::Busy { peer, .. }) = &result {
                full.insert(peer.clone(), busy.clone());
            }
            results.push(result);
        }
        results
    }

    fn enqueue_one(&mut self, request: Outgoing, now: Now) -> Result<Ticket, EnqueueError> {
        let Outgoing { mut message, expires_in_ms } = request;
        if let Some(ms) = expires_in_ms {
            let time_ns = self.engine.time_ns(now).ok_or(EnqueueError::NoTime)?;
            message.deadline_ns = Some(time_ns.saturating_add(ms.saturating_mul(1_000_000)));
        }
        self.engine.handle_enqueue(message, now)
    }

    fn handle_peer(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Connected { peer, session, link } => {
                if self.sessions.get(&peer).is_some_and(|(newer, _)| *newer > session) {
                    return;
                }
                if self.sessions.insert(peer.clone(), (session, link)).is_some() {
                    self.engine.handle_disconnected(&peer);
                }
                self.engine.handle_connected(&peer);
            }
            PeerEvent::Frame { peer, session, lane, body } => {
                if !self.is_current(&peer, session) {
                    return;
                }
                let result = match lane {
                    Direction::Outbound => self.engine.handle_receiver_frame(&peer, &body),
                    Direction::Inbound => self.engine.handle_sender_frame(&peer, &body, self.clock.now()),
                };
                if let Err(error) = result {
                    tracing::warn!(%error, "dropping the connection");
                    if let Some((_, link)) = self.sessions.remove(&peer) {
                        link.close(&error.reason);
                    }
                    self.engine.handle_disconnected(&peer);
                }
            }
            PeerEvent::Disconnected { peer, session } => {
                if self.is_current(&peer, session) {
                    self.sessions.remove(&peer);
                    self.engine.handle_disconnected(&peer);
                }
            }
        }
    }

    fn is_current(&self, peer: &ShardId, session: u64) -> bool {
        self.sessions.get(peer).is_some_and(|(current, _)| *current == session)
    }

    fn handle_near(&mut self, event: NearEvent) -> Result<(), NodeStop> {
        match event {
            NearEvent::BlockTime(block_time_ns) => {
                if !self.near.reachable {
                    tracing::info!("NEAR is reachable");
                }
                let attested = self.near.attested;
                self.near =
                    NearState { reachable: true, final_block_time_ns: Some(block_time_ns), last_error: None, attested };
                self.engine.handle_near_time(block_time_ns, self.clock.now());
            }
            NearEvent::Lanes(lanes) => self.handle_lanes(lanes),
            NearEvent::Registry(mut shards) => {
                shards.retain(was_active);
                self.registered = Some(shards.clone());
                self.handle_registered(shards)?;
                self.answer_refreshes();
            }
            NearEvent::Tip(tip) => self.engine.handle_tip(tip, self.clock.now())?,
            NearEvent::Unreachable(reason) => {
                if self.near.reachable || self.near.last_error.is_none() {
                    tracing::warn!(reason, "NEAR is not reachable; the node stays up and keeps trying");
                }
                self.near.reachable = false;
                self.near.last_error = Some(reason);
                self.answer_refreshes();
            }
            NearEvent::WrongTrust(reason) => return Err(NodeStop::WrongTrust(reason)),
        }
        Ok(())
    }

    /// Gives each registered shard the lanes that the configuration leaves open, and then peers.
    fn handle_registered(&mut self, shards: Vec<ShardView>) -> Result<(), Stop> {
        self.engine.handle_registry(shards.iter().map(registered).collect())?;
        self.request(Request::SetPeers(shards));
        Ok(())
    }

    fn answer_refreshes(&mut self) {
        for reply in self.refreshes.drain(..) {
            answer(reply, ());
        }
    }
}

/// Whether a shard has ever been able to attest: then it has lanes, whatever became of it.
fn was_active(shard: &ShardView) -> bool {
    shard.status != ShardStatus::Reserved || shard.key_epoch > 0
}

fn registered(shard: &ShardView) -> RegisteredShard {
    RegisteredShard {
        shard: shard.shard.clone(),
        incarnation: shard.incarnation,
        key_epoch: shard.key_epoch,
        epoch_first_height: shard.epoch_first_height,
    }
}
