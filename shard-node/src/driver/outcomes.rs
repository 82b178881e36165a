//! What became of sent messages, told once that is durable.

use super::Driver;
use super::command::{Command, DriverHandle, Ended, SentMessage, WaitReply, answer};
use queue::engine::{Engine, MessageState, OutcomeError};
use queue::store::{Store, TurnId};
use tokio::sync::oneshot;

pub(super) type OutcomeReply = oneshot::Sender<Result<MessageState, OutcomeError>>;

/// Answers that wait for their turn to be durable.
#[derive(Debug, Default)]
pub(super) struct OutcomeReplies {
    states: Vec<(TurnId, MessageState, OutcomeReply)>,
    settled: Vec<(TurnId, WaitReply)>,
}

impl OutcomeReplies {
    /// Tells a caller who waits that the message is settled, once `turn` is durable.
    pub(super) fn push_settled(&mut self, turn: TurnId, reply: WaitReply) {
        self.settled.push((turn, reply));
    }

    /// Tells what became of a message, once `turn` is durable.
    pub(super) fn push_state(&mut self, turn: TurnId, state: Result<MessageState, OutcomeError>, reply: OutcomeReply) {
        match state {
            Ok(state) => self.states.push((turn, state, reply)),
            Err(error) => answer(reply, Err(error)),
        }
    }

    /// Answers all whose turn is durable.
    pub(super) fn answer(&mut self, durable: TurnId) {
        for (_, state, reply) in self.states.extract_if(.., |(turn, ..)| *turn <= durable) {
            answer(reply, Ok(state));
        }
        for (_, reply) in self.settled.extract_if(.., |(turn, _)| *turn <= durable) {
            answer(reply, Ok(()));
        }
    }
}

impl<S: Store> Driver<S> {
    pub(super) fn handle_outcome(&mut self, message: &SentMessage, reply: OutcomeReply) {
        // What the open turn brought has no turn to wait for yet. A failure comes again when the turn
        // is closed.
        let _ = self.engine.commit(self.clock.now());
        let SentMessage { peer, incarnation, nonce } = message;
        let outcome = match incarnation {
            Some(incarnation) => self.engine.past_outcome(peer, *incarnation, *nonce),
            None => self.engine.outcome(peer, *nonce),
        };
        self.outcome_replies.push_state(self.engine.committed(), outcome, reply);
    }
}

/// Whether a message is settled, as far as is known and perhaps not yet durable.
pub(super) fn is_settled<S: Store>(engine: &Engine<S>, message: &SentMessage) -> bool {
    matches!(engine.outcome(&message.peer, message.nonce), Ok(MessageState::Settled(_)))
}

impl DriverHandle {
    /// How far a sent message has come, as it will be after any crash.
    ///
    /// # Errors
    /// [`Ended`], or [`OutcomeError`].
    pub async fn outcome(&self, message: SentMessage) -> Result<Result<MessageState, OutcomeError>, Ended> {
        self.ask(|reply| Command::Outcome { message, reply }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queue::engine::Settled;

    #[tokio::test]
    async fn what_became_of_a_message_is_told_only_when_its_turn_is_durable() {
        let mut replies = OutcomeReplies::default();
        let (state_reply, mut state) = oneshot::channel();
        let (settled_reply, mut settled) = oneshot::channel();
        replies.states.push((2, MessageState::Settled(Settled::Expired), state_reply));
        replies.push_settled(3, settled_reply);
        replies.answer(1);
        assert!(state.try_recv().is_err() && settled.try_recv().is_err());
        replies.answer(2);
        assert_eq!(state.await.expect("answered"), Ok(MessageState::Settled(Settled::Expired)));
        assert!(settled.try_recv().is_err());
        replies.answer(3);
        assert_eq!(settled.await.expect("answered"), Ok(()));
    }
}
