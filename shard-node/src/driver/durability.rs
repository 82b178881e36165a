//! When turns became durable, and who waits for it.

use super::command::{Accepted, answer};
use queue::engine::{EnqueueError, Ticket};
use queue::store::TurnId;
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// How many syncs are remembered with their time: a day at one per second, 1 MiB.
const SYNCS_MAX: usize = 65_536;

/// The times at which turns were seen to be durable.
///
/// Invariant: both turns and times of `syncs` grow.
#[derive(Debug, Default)]
pub(super) struct SyncTimes {
    /// Newest turn that was durable before the first of `syncs`.
    before: TurnId,
    syncs: VecDeque<(TurnId, u64)>,
}

impl SyncTimes {
    /// Starts when `durable` is the newest durable turn.
    pub(super) fn new(durable: TurnId) -> Self {
        SyncTimes { before: durable, syncs: VecDeque::new() }
    }

    /// Notes that turns up to `durable` are durable. Returns whether there are new ones.
    pub(super) fn note(&mut self, durable: TurnId, unix_ns: u64) -> bool {
        if durable <= self.newest() {
            return false;
        }
        if self.syncs.len() == SYNCS_MAX
            && let Some((turn, _)) = self.syncs.pop_front()
        {
            self.before = turn;
        }
        self.syncs.push_back((durable, unix_ns));
        true
    }

    /// When a turn was seen to be durable, in nanoseconds since the Unix epoch, if remembered.
    pub(super) fn of(&self, turn: TurnId) -> Option<u64> {
        if turn <= self.before {
            return None;
        }
        let at = self.syncs.partition_point(|(newest, _)| *newest < turn);
        self.syncs.get(at).map(|(_, unix_ns)| *unix_ns)
    }

    fn newest(&self) -> TurnId {
        self.syncs.back().map_or(self.before, |(turn, _)| *turn)
    }
}

type EnqueueReply = oneshot::Sender<Vec<Result<Accepted, EnqueueError>>>;

/// Answers to enqueue that wait for their turn.
///
/// Invariant: the turns don't fall.
#[derive(Debug, Default)]
pub(super) struct PendingReplies {
    replies: VecDeque<PendingReply>,
}

#[derive(Debug)]
struct PendingReply {
    /// The newest turn that the answer tells of.
    turn: TurnId,
    kind: Reply,
}

#[derive(Debug)]
enum Reply {
    /// Each message has an answer.
    Messages { results: Vec<Result<Ticket, EnqueueError>>, reply: EnqueueReply },
    /// A batch was answered before; this says when it was durable.
    Batch(oneshot::Sender<u64>),
}

impl PendingReplies {
    /// Takes the results of one command.
    pub(super) fn push(&mut self, results: Vec<Result<Ticket, EnqueueError>>, reply: EnqueueReply) {
        let newest = results.iter().flatten().map(|ticket| ticket.turn).max().unwrap_or(0);
        self.wait_for(newest, Reply::Messages { results, reply });
    }

    /// Tells `reply` when `turn` is durable.
    pub(super) fn push_batch(&mut self, turn: TurnId, reply: oneshot::Sender<u64>) {
        self.wait_for(turn, Reply::Batch(reply));
    }

    fn wait_for(&mut self, newest: TurnId, kind: Reply) {
        let turn = self.replies.back().map_or(newest, |before| before.turn.max(newest));
        self.replies.push_back(PendingReply { turn, kind });
    }

    /// Answers all whose turn is durable.
    pub(super) fn answer(&mut self, durable: TurnId, now_unix_ns: u64, times: &SyncTimes) {
        let ready = self.replies.partition_point(|pending| pending.turn <= durable);
        let durable_at_ns = |turn: TurnId| times.of(turn).unwrap_or(now_unix_ns);
        for PendingReply { turn, kind } in self.replies.drain(..ready) {
            let (results, reply) = match kind {
                Reply::Messages { results, reply } => (results, reply),
                Reply::Batch(reply) => {
                    answer(reply, durable_at_ns(turn));
                    continue;
                }
            };
            let accepted = |ticket: Ticket| Accepted {
                peer: ticket.peer,
                nonce: ticket.nonce,
                accepted_at_ns: durable_at_ns(ticket.turn),
            };
            answer(reply, results.into_iter().map(|result| result.map(accepted)).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_the_time_of_the_sync_that_covered_it() {
        let mut times = SyncTimes::new(3);
        assert!(times.note(5, 100));
        assert!(!times.note(5, 110));
        assert!(times.note(9, 200));
        let expected = [None, None, Some(100), Some(100), Some(200), Some(200), None];
        assert_eq!([0, 3, 4, 5, 6, 9, 10].map(|turn| times.of(turn)), expected);
    }

    #[test]
    fn old_times_are_forgotten_and_memory_stays_bounded() {
        let mut times = SyncTimes::new(0);
        for turn in 1..=100_000 {
            times.note(turn, turn);
        }
        assert_eq!(times.syncs.len(), SYNCS_MAX);
        assert_eq!(times.of(1), None);
        assert_eq!(times.of(100_000), Some(100_000));
    }

    #[tokio::test]
    async fn an_answer_waits_for_the_newest_of_its_turns() {
        let mut pending = PendingReplies::default();
        let mut times = SyncTimes::new(0);
        let ticket = |nonce, turn| Ok(Ticket { peer: "beta".parse().expect("valid"), nonce, turn });
        let (reply, mut answer) = oneshot::channel();
        pending.push(vec![ticket(0, 1), Err(EnqueueError::Starting), ticket(1, 2)], reply);
        times.note(1, 10);
        pending.answer(1, 10, &times);
        assert!(answer.try_recv().is_err());
        times.note(2, 20);
        pending.answer(2, 20, &times);
        let answer = answer.await.expect("answered");
        assert_eq!(answer[0].as_ref().map(|accepted| accepted.accepted_at_ns), Ok(10));
        assert_eq!(answer[1], Err(EnqueueError::Starting));
        assert_eq!(answer[2].as_ref().map(|accepted| accepted.accepted_at_ns), Ok(20));
    }
}
