//! The connection alone: two of the node's transports, mutual TLS, frames of full length.

use super::usage::own_cpu_ns;
use crate::cli::Output;
use crate::transport::{Link, PeerEntry, PeerEvent, Transport};
use anyhow::{Context as _, bail};
use queue::engine::Direction;
use queue::frame::FRAME_HEADER_BYTES;
use queue::ids::ShardId;
use queue::limits::FRAME_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::sync::mpsc;

/// The two ends: names and keys for this measurement only. The smaller name dials.
const SENDER: (&str, [u8; 32]) = ("alpha", [1; 32]);
/// See [`SENDER`].
const RECEIVER: (&str, [u8; 32]) = ("beta", [2; 32]);

/// Frames that the receiver takes between two acknowledgements: 1 MiB, as a batch has.
const FRAMES_PER_ACK: u64 = 16;

/// Frames sent and not yet acknowledged: the engine's flight limit.
const FRAMES_IN_FLIGHT: u64 = 128;

/// What one end spent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct End {
    /// Bytes of frames.
    pub(super) bytes: u64,
    /// Processor time of the whole process, in nanoseconds.
    pub(super) cpu_ns: u64,
    /// Time from the first frame to the last, in nanoseconds.
    pub(super) elapsed_ns: u64,
}

/// The receiving end: says where it listens, and what it spent once the sender is gone.
///
/// # Errors
/// The connection fails.
pub(super) async fn receive(output: &Output) -> anyhow::Result<()> {
    let (transport, mut events) = bind(RECEIVER, SENDER, None)?;
    output.finish("listening", &json!({ "p2p": transport.local_addr()? }));
    let link = connected(&mut events).await?;
    link.send(Direction::Inbound, vec![frame(1).into()]);
    let (mut frames, mut bytes, mut begun) = (0, 0, None);
    let mut end = None;
    while let Some(PeerEvent::Frame { body, .. }) = events.recv().await {
        let (started, cpu_ns) = match begun {
            Some(begun) => begun,
            None => *begun.insert((Instant::now(), own_cpu_ns())),
        };
        frames += 1;
        bytes += body.len() as u64;
        if frames % FRAMES_PER_ACK == 0 {
            link.send(Direction::Inbound, vec![frame(1).into()]);
            end = Some(End { bytes, cpu_ns: own_cpu_ns() - cpu_ns, elapsed_ns: elapsed_ns(started) });
        }
    }
    output.finish("received", &end.context("nothing was received")?);
    Ok(())
}

/// The sending end: says what it spent.
///
/// # Errors
/// The connection fails.
pub(super) async fn send(to: SocketAddr, bytes: u64, output: &Output) -> anyhow::Result<()> {
    let (transport, mut events) = bind(SENDER, RECEIVER, Some(to))?;
    let link = connected(&mut events).await?;
    acknowledged(&mut events).await?;
    let frames = bytes.div_ceil(FRAME_BYTES_MAX as u64).next_multiple_of(FRAMES_PER_ACK);
    let (started, cpu_ns) = (Instant::now(), own_cpu_ns());
    let mut open = 0;
    for _ in 0..frames {
        if open == FRAMES_IN_FLIGHT {
            acknowledged(&mut events).await?;
            open -= FRAMES_PER_ACK;
        }
        link.send(Direction::Outbound, vec![frame(FRAME_BYTES_MAX).into()]);
        open += 1;
    }
    for _ in 0..open / FRAMES_PER_ACK {
        acknowledged(&mut events).await?;
    }
    let cpu_ns = own_cpu_ns() - cpu_ns;
    let end = End { bytes: frames * FRAME_BYTES_MAX as u64, cpu_ns, elapsed_ns: elapsed_ns(started) };
    transport.close().await;
    output.finish("sent", &end);
    Ok(())
}

fn bind(
    own: (&str, [u8; 32]),
    peer: (&str, [u8; 32]),
    address: Option<SocketAddr>,
) -> anyhow::Result<(Transport, mpsc::Receiver<PeerEvent>)> {
    // As many as the daemon lets wait.
    let (sender, events) = mpsc::channel(64);
    let transport = Transport::bind("127.0.0.1:0".parse()?, own.0.parse()?, &own.1, sender)?;
    let key = ed25519_dalek::SigningKey::from_bytes(&peer.1).verifying_key().to_bytes();
    let shard: ShardId = peer.0.parse()?;
    let addresses = address.iter().map(SocketAddr::to_string).collect();
    transport.set_peers(vec![PeerEntry { shard, keys: vec![key], addresses }]);
    Ok((transport, events))
}

async fn connected(events: &mut mpsc::Receiver<PeerEvent>) -> anyhow::Result<Link> {
    match events.recv().await {
        Some(PeerEvent::Connected { link, .. }) => Ok(link),
        other => bail!("expected a connection, found {other:?}"),
    }
}

async fn acknowledged(events: &mut mpsc::Receiver<PeerEvent>) -> anyhow::Result<()> {
    match events.recv().await {
        Some(PeerEvent::Frame { .. }) => Ok(()),
        other => bail!("expected an acknowledgement, found {other:?}"),
    }
}

/// A frame with so many bytes behind its length. The transport doesn't look into frames.
fn frame(bytes: usize) -> Vec<u8> {
    let length = u32::try_from(bytes).expect("a frame is at most 256 KiB");
    let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + bytes);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.resize(FRAME_HEADER_BYTES + bytes, 0x5a);
    frame
}

fn elapsed_ns(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
