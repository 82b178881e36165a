//! Peers that began anew: accepting them, and settling by hand what is unknown of before.

use super::Driver;
use super::command::{Command, DriverHandle, Ended, answer};
use queue::engine::{AcceptError, AcceptedIncarnation, OutcomeError, Ruling, RulingError, Unsettled};
use queue::ids::ShardId;
use queue::store::{Store, TurnId};
use std::collections::BTreeSet;
use tokio::sync::oneshot;

type Reply<T, E> = oneshot::Sender<Result<T, E>>;

/// Lanes with an incarnation of a peer that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastLane {
    /// The peer.
    pub peer: ShardId,
    /// Its incarnation.
    pub incarnation: u32,
}

/// What is asked of the driver about peers that began anew.
#[derive(Debug)]
pub(super) enum IncarnationCommand {
    Accept { peer: ShardId, incarnation: u32, reply: Reply<AcceptedIncarnation, AcceptError> },
    Unsettled { lane: PastLane, from: u64, limit: usize, reply: Reply<Unsettled, OutcomeError> },
    Rule { lane: PastLane, nonces: BTreeSet<u64>, ruling: Ruling, reply: Reply<(), RulingError> },
}

/// Answers that wait for their turn to be durable.
#[derive(Debug, Default)]
pub(super) struct IncarnationReplies {
    accepted: Vec<(TurnId, AcceptedIncarnation, Reply<AcceptedIncarnation, AcceptError>)>,
    unsettled: Vec<(TurnId, Unsettled, Reply<Unsettled, OutcomeError>)>,
    ruled: Vec<(TurnId, Reply<(), RulingError>)>,
}

impl IncarnationReplies {
    /// Answers all whose turn is durable.
    pub(super) fn answer(&mut self, durable: TurnId) {
        for (_, accepted, reply) in self.accepted.extract_if(.., |(turn, ..)| *turn <= durable) {
            answer(reply, Ok(accepted));
        }
        for (_, unsettled, reply) in self.unsettled.extract_if(.., |(turn, ..)| *turn <= durable) {
            answer(reply, Ok(unsettled));
        }
        for (_, reply) in self.ruled.extract_if(.., |(turn, _)| *turn <= durable) {
            answer(reply, Ok(()));
        }
    }
}

impl<S: Store> Driver<S> {
    pub(super) fn handle_incarnation(&mut self, command: IncarnationCommand) {
        // What is told must be committed. A failure comes again when the turn is closed.
        let now = self.clock.now();
        let _ = self.engine.commit(now);
        match command {
            IncarnationCommand::Accept { peer, incarnation, reply } => {
                match self.engine.handle_accept_incarnation(&peer, incarnation, now) {
                    Ok(accepted) => {
                        self.begin_stream_anew(&peer, "an operator accepted an incarnation: the streams begin anew");
                        self.incarnation_replies.accepted.push((accepted.turn, accepted, reply));
                    }
                    Err(error) => answer(reply, Err(error)),
                }
            }
            IncarnationCommand::Unsettled { lane, from, limit, reply } => {
                match self.engine.unsettled(&lane.peer, lane.incarnation, from, limit) {
                    Ok(unsettled) => {
                        self.incarnation_replies.unsettled.push((self.engine.committed(), unsettled, reply));
                    }
                    Err(error) => answer(reply, Err(error)),
                }
            }
            IncarnationCommand::Rule { lane, nonces, ruling, reply } => {
                match self.engine.handle_ruling(&lane.peer, lane.incarnation, &nonces, ruling) {
                    Ok(turn) => self.incarnation_replies.ruled.push((turn, reply)),
                    Err(error) => answer(reply, Err(error)),
                }
            }
        }
    }
}

impl DriverHandle {
    /// Accepts that a peer began an incarnation. Answers once that is durable.
    ///
    /// # Errors
    /// [`Ended`], or [`AcceptError`].
    pub async fn accept_incarnation(
        &self,
        peer: ShardId,
        incarnation: u32,
    ) -> Result<Result<AcceptedIncarnation, AcceptError>, Ended> {
        self.ask(|reply| Command::Incarnation(IncarnationCommand::Accept { peer, incarnation, reply })).await
    }

    /// Requests from nonce `from` on, at most `limit`, of which it is unknown what became.
    ///
    /// # Errors
    /// [`Ended`], or [`OutcomeError`].
    pub async fn unsettled(
        &self,
        lane: PastLane,
        from: u64,
        limit: usize,
    ) -> Result<Result<Unsettled, OutcomeError>, Ended> {
        self.ask(|reply| Command::Incarnation(IncarnationCommand::Unsettled { lane, from, limit, reply })).await
    }

    /// Settles requests by hand. Answers once that is durable.
    ///
    /// # Errors
    /// [`Ended`], or [`RulingError`].
    pub async fn rule(
        &self,
        lane: PastLane,
        nonces: BTreeSet<u64>,
        ruling: Ruling,
    ) -> Result<Result<(), RulingError>, Ended> {
        self.ask(|reply| Command::Incarnation(IncarnationCommand::Rule { lane, nonces, ruling, reply })).await
    }
}
