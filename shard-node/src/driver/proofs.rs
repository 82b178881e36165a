//! Proofs, for strangers, of what became of sent messages.

use super::Driver;
use super::command::{Command, DriverHandle, Ended, SentMessage, answer};
use queue::engine::SettlementProofError;
use queue::proof::{DeliveryProof, ExpiryProof};
use queue::store::{Store, TurnId};
use tokio::sync::oneshot;

type Reply<T> = oneshot::Sender<Result<Box<T>, SettlementProofError>>;

/// Which proof is asked for.
#[derive(Debug)]
pub(super) enum ProofCommand {
    Delivery { message: SentMessage, reply: Reply<DeliveryProof> },
    Expiry { message: SentMessage, reply: Reply<ExpiryProof> },
}

/// Proofs, and why there are none, that wait until what they say is durable: whoever was told that a
/// message never ran may act on it, so that no crash may take it back.
#[derive(Debug, Default)]
pub(super) struct ProofReplies {
    deliveries: Vec<Waiting<DeliveryProof>>,
    expiries: Vec<Waiting<ExpiryProof>>,
}

#[derive(Debug)]
struct Waiting<T> {
    turn: TurnId,
    result: Result<Box<T>, SettlementProofError>,
    reply: Reply<T>,
}

impl ProofReplies {
    /// Answers all whose turn is durable.
    pub(super) fn answer(&mut self, durable: TurnId) {
        answer_durable(&mut self.deliveries, durable);
        answer_durable(&mut self.expiries, durable);
    }
}

fn answer_durable<T>(waiting: &mut Vec<Waiting<T>>, durable: TurnId) {
    for Waiting { result, reply, .. } in waiting.extract_if(.., |waiting| waiting.turn <= durable) {
        answer(reply, result);
    }
}

impl<S: Store> Driver<S> {
    pub(super) fn handle_proof(&mut self, command: ProofCommand) {
        // Proofs are read from what is committed. A failure comes again when the turn is closed.
        let _ = self.engine.commit(self.clock.now());
        let turn = self.engine.committed();
        match command {
            ProofCommand::Delivery { message: SentMessage { peer, incarnation, nonce }, reply } => {
                let result = self.engine.prove_delivery(&peer, incarnation, nonce).map(Box::new);
                self.proof_replies.deliveries.push(Waiting { turn, result, reply });
            }
            ProofCommand::Expiry { message: SentMessage { peer, incarnation, nonce }, reply } => {
                let result = self.engine.prove_expiry(&peer, incarnation, nonce).map(Box::new);
                self.proof_replies.expiries.push(Waiting { turn, result, reply });
            }
        }
    }
}

impl DriverHandle {
    /// Proves that a sent message was delivered, or at least decided. Answers once that is durable.
    ///
    /// # Errors
    /// [`Ended`], or [`SettlementProofError`].
    pub async fn prove_delivery(
        &self,
        message: SentMessage,
    ) -> Result<Result<Box<DeliveryProof>, SettlementProofError>, Ended> {
        self.ask(|reply| Command::SettlementProof(ProofCommand::Delivery { message, reply })).await
    }

    /// Proves that a sent message never ran and never will. Answers once that is durable.
    ///
    /// # Errors
    /// [`Ended`], or [`SettlementProofError`].
    pub async fn prove_expiry(
        &self,
        message: SentMessage,
    ) -> Result<Result<Box<ExpiryProof>, SettlementProofError>, Ended> {
        self.ask(|reply| Command::SettlementProof(ProofCommand::Expiry { message, reply })).await
    }
}
