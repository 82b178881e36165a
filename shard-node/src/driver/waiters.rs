//! Callers that wait for something to arrive or to happen.

use super::command::{
    Delivered, InboxError, InboxRange, InboxReply, Milestone, SentMessage, WaitError, WaitReply, answer,
};
use queue::engine::Status;

/// Most callers that wait at once. Each costs a connection to the local API.
const WAITERS_MAX: usize = 1_024;

/// The waiting callers. One that has gone away is dropped at the next look.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    inbox: Vec<(InboxRange, InboxReply)>,
    milestones: Vec<(SentMessage, Milestone, WaitReply)>,
}

impl Waiters {
    /// Whether somebody waits for a milestone.
    pub(super) fn wants_status(&self) -> bool {
        !self.milestones.is_empty()
    }

    /// Waits for a message at `range.from`.
    pub(super) fn add_inbox(&mut self, range: InboxRange, reply: InboxReply) {
        match self.room() {
            Ok(()) => self.inbox.push((range, reply)),
            Err(count) => answer(reply, Err(InboxError::TooMany(count))),
        }
    }

    /// Waits for a milestone.
    pub(super) fn add_milestone(&mut self, message: SentMessage, milestone: Milestone, reply: WaitReply) {
        match self.room() {
            Ok(()) => self.milestones.push((message, milestone, reply)),
            Err(count) => answer(reply, Err(WaitError::TooMany(count))),
        }
    }

    /// Answers those for whom `read` has something.
    pub(super) fn look_at_inbox(&mut self, read: impl Fn(InboxRange) -> Result<Vec<Delivered>, InboxError>) {
        for (range, reply) in std::mem::take(&mut self.inbox) {
            match read(range) {
                _ if reply.is_closed() => {}
                Ok(messages) if messages.is_empty() => self.inbox.push((range, reply)),
                result => answer(reply, result),
            }
        }
    }

    /// Answers those whose message has come far enough. Gives back those whose message is settled,
    /// which they may be told only when that is durable.
    pub(super) fn look_at_lanes(
        &mut self,
        status: &Status,
        is_settled: impl Fn(&SentMessage) -> bool,
    ) -> Vec<WaitReply> {
        let mut settled = Vec::new();
        for (message, milestone, reply) in std::mem::take(&mut self.milestones) {
            if reply.is_closed() {
                continue;
            }
            match (milestone.is_reached(status, &message), milestone) {
                (Ok(reached), Milestone::Settled) if reached || is_settled(&message) => settled.push(reply),
                (Ok(false), _) => self.milestones.push((message, milestone, reply)),
                (result, _) => answer(reply, result.map(|_| ())),
            }
        }
        settled
    }

    fn room(&mut self) -> Result<(), usize> {
        self.inbox.retain(|(_, reply)| !reply.is_closed());
        self.milestones.retain(|(_, _, reply)| !reply.is_closed());
        let count = self.inbox.len() + self.milestones.len();
        if count < WAITERS_MAX { Ok(()) } else { Err(count) }
    }
}
