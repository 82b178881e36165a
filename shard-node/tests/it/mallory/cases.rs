//! What a table of hostile frames is, and how each of them has to end.

use super::props::Props;
use super::stage::{Node, inbound, outbound};
use super::wire::{closed, write};
use queue::ids::ShardId;
use quinn::VarInt;

/// QUIC application code of a broken protocol, as `specs/peer.md` lists it.
const PROTOCOL: u64 = 2;

/// As whom Mallory speaks, which says on which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// As the destination of the lane to her.
    Receiver,
    /// As the source of her lane.
    Sender,
}

/// What she does after her bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Keeps the stream open.
    Waits,
    /// Ends the stream.
    Finishes,
    /// Resets the stream.
    Resets,
    /// Refuses to read what the node writes.
    StopsReading,
}

/// One way to break the protocol.
pub struct Case {
    /// What it is.
    pub name: &'static str,
    /// As whom.
    pub role: Role,
    /// Bytes, written in this order.
    pub bytes: Vec<Vec<u8>>,
    /// What follows.
    pub then: Then,
    /// What the reason must say.
    pub reason: &'static str,
}

impl Case {
    pub fn receiver(name: &'static str, bytes: Vec<Vec<u8>>, reason: &'static str) -> Self {
        Case { name, role: Role::Receiver, bytes, then: Then::Waits, reason }
    }

    pub fn sender(name: &'static str, bytes: Vec<Vec<u8>>, reason: &'static str) -> Self {
        Case { name, role: Role::Sender, bytes, then: Then::Waits, reason }
    }

    pub fn then(self, then: Then) -> Self {
        Case { then, ..self }
    }
}

/// Plays every case on a connection of its own: each must end with code 2 and its reason, and
/// leave what is verified as it was.
pub async fn all_are_refused(props: &Props, target: &Node, cases: Vec<Case>) {
    assert!(!cases.is_empty());
    let before = verified(target, &props.mallory.shard).await;
    let mut failures = Vec::new();
    for case in cases {
        let name = case.name;
        let outcome = refused(props, case).await;
        let after = verified(target, &props.mallory.shard).await;
        if let Err(why) = outcome {
            failures.push(format!("{name}: {why}"));
        }
        if after != before {
            failures.push(format!("{name}: changed what is verified from {before:?} to {after:?}"));
            break;
        }
    }
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
}

async fn refused(props: &Props, case: Case) -> Result<(), String> {
    let mut session = props.mallory.connect().await;
    let expected = (props.delivered, props.sent.root_at(props.delivered));
    if session.held != expected {
        return Err(format!("the node opened at {:?}, expected {expected:?}", session.held));
    }
    let (send, recv) = match case.role {
        Role::Receiver => &mut session.as_receiver,
        Role::Sender => &mut session.as_sender,
    };
    for bytes in &case.bytes {
        write(send, bytes).await;
    }
    // The node may have closed the connection, and with it the stream, before.
    match case.then {
        Then::Waits => {}
        Then::Finishes => drop(send.finish()),
        Then::Resets => drop(send.reset(VarInt::from_u32(9))),
        Then::StopsReading => drop(recv.stop(VarInt::from_u32(9))),
    }
    let (code, reason) = closed(&session.connection).await?;
    if code != PROTOCOL || !reason.contains(case.reason) {
        return Err(format!("ended with code {code}, {reason:?}; expected code {PROTOCOL}, {:?}", case.reason));
    }
    Ok(())
}

/// What no unsigned byte may change: lanes with Mallory, as far as verified or attested, and the
/// inbox.
async fn verified(target: &Node, mallory: &ShardId) -> impl PartialEq + std::fmt::Debug {
    let status = target.until(|status| inbound(status, mallory).is_some_and(|lane| !lane.connected)).await;
    let (from, to) = (inbound(&status, mallory).expect("a lane"), outbound(&status, mallory).expect("a lane"));
    let from = (from.delivered, from.frozen.clone());
    let to = (to.accepted, to.sealed, to.attested, to.acknowledged, to.frozen.clone());
    (from, to, target.inbox_from(mallory).await)
}
