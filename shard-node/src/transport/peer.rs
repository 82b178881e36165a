//! One connection: two streams of frames, one per lane, each opened by the lane's destination.

use super::tls;
use bytes::Bytes;
use queue::engine::Direction;
use queue::frame::{EncodedFrame, FRAME_HEADER_BYTES, ReceiverFrame, decode_frame, frame_length};
use queue::ids::ShardId;
use quinn::{Connection, ReadExactError, RecvStream, SendStream, VarInt};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

/// Why a node closes a connection, as the peer sees it in QUIC's application error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseCode {
    /// The node shuts down.
    Shutdown = 0,
    /// A newer connection of the same peer is there.
    Replaced = 1,
    /// The peer broke the protocol; the reason says how.
    Protocol = 2,
    /// The peer's key isn't listed any more.
    Unlisted = 3,
    /// The peer dialed although it should be dialed.
    WrongDirection = 4,
    /// A lane's stream begins anew.
    Restart = 5,
}

impl CloseCode {
    pub(super) fn code(self) -> VarInt {
        VarInt::from_u32(self as u32)
    }

    pub(super) fn close(self, connection: &Connection, reason: &str) {
        connection.close(self.code(), reason.as_bytes());
    }
}

/// What a peer's connection does.
#[derive(Debug)]
pub enum PeerEvent {
    /// It is authenticated.
    Connected {
        /// The peer.
        peer: ShardId,
        /// Tells this connection from the peer's others; grows.
        session: u64,
        /// For sending frames to it.
        link: Link,
    },
    /// It brought a frame.
    Frame {
        /// The peer.
        peer: ShardId,
        /// The connection's session.
        session: u64,
        /// The lane whose stream it came on.
        lane: Direction,
        /// The frame without its length.
        body: Vec<u8>,
    },
    /// It ended.
    Disconnected {
        /// The peer.
        peer: ShardId,
        /// The connection's session.
        session: u64,
    },
}

/// Sends frames to one peer over one connection.
///
/// The queues are unbounded: the engine's flight limit bounds what it has under way per peer.
#[derive(Debug)]
pub struct Link {
    inbound: mpsc::UnboundedSender<Vec<EncodedFrame>>,
    outbound: mpsc::UnboundedSender<Vec<EncodedFrame>>,
    connection: Connection,
}

impl Link {
    /// Queues frames: as many at once as there are, because each call wakes another thread. Lost if the
    /// connection has ended.
    pub fn send(&self, lane: Direction, frames: Vec<EncodedFrame>) {
        let queue = match lane {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        };
        // A closed queue means that the connection has ended, which is reported as an event.
        let _ = queue.send(frames);
    }

    /// Closes the connection so that its streams begin anew.
    pub fn restart(&self, reason: &str) {
        CloseCode::Restart.close(&self.connection, reason);
    }

    /// Closes the connection because the peer broke the protocol.
    pub fn close(&self, reason: &str) {
        CloseCode::Protocol.close(&self.connection, reason);
    }
}

/// The stream that the peer opened, and the frame that was already read from it.
#[derive(Debug)]
pub(super) struct Stream {
    send: SendStream,
    recv: RecvStream,
    first: Vec<u8>,
}

/// For which shard the peer says that it speaks: the destination of the lane that it opens. Its
/// key must be listed by that shard, as the caller checks.
pub(super) async fn claimed_shard(connection: &Connection) -> Result<(ShardId, Stream), String> {
    let (send, mut recv) = connection.accept_bi().await.map_err(|error| error.to_string())?;
    let first = read_frame(&mut recv).await?;
    match decode_frame(&first) {
        Ok(ReceiverFrame::Open { lane, .. }) => Ok((lane.destination, Stream { send, recv, first })),
        Ok(_) => Err("the peer's first frame does not open its lane".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs a connection until it ends, then says so. Returns whether the peer sent any frame.
pub(super) async fn run(
    peer: ShardId,
    session: u64,
    connection: Connection,
    first: Option<Stream>,
    events: &mpsc::Sender<PeerEvent>,
) -> bool {
    let (inbound, inbound_frames) = mpsc::unbounded_channel();
    let (outbound, outbound_frames) = mpsc::unbounded_channel();
    let link = Link { inbound, outbound, connection: connection.clone() };
    tracing::info!(%peer, session, address = %connection.remote_address(), "peer connected");
    if events.send(PeerEvent::Connected { peer: peer.clone(), session, link }).await.is_err() {
        return false;
    }
    let own = Reader { peer: &peer, session, lane: Direction::Inbound, events, frames: 0 };
    let theirs = Reader { lane: Direction::Outbound, ..own.clone() };
    let mut readers = (own, theirs);
    let ended = tokio::try_join!(
        own_stream(&connection, inbound_frames, &mut readers.0),
        peer_stream(&connection, first, outbound_frames, &mut readers.1),
    );
    let stream_ended = ended.err().unwrap_or_else(|| "the peer closed its streams".to_owned());
    let reason = connection.close_reason().map_or(stream_ended, tls::explain);
    CloseCode::Protocol.close(&connection, &reason);
    tracing::info!(%peer, session, reason, "peer disconnected");
    // A receiver that is gone has no use for the news.
    let _ = events.send(PeerEvent::Disconnected { peer: peer.clone(), session }).await;
    readers.0.frames + readers.1.frames > 0
}

/// The stream of the lane from the peer: opened here, brings the peer's data.
async fn own_stream(
    connection: &Connection,
    frames: mpsc::UnboundedReceiver<Vec<EncodedFrame>>,
    reader: &mut Reader<'_>,
) -> Result<(), String> {
    let (send, recv) = connection.open_bi().await.map_err(|error| error.to_string())?;
    tokio::try_join!(write_frames(send, frames), reader.read_frames(recv)).map(|_| ())
}

/// The stream of the lane to the peer: opened by the peer, brings its acknowledgements.
async fn peer_stream(
    connection: &Connection,
    first: Option<Stream>,
    frames: mpsc::UnboundedReceiver<Vec<EncodedFrame>>,
    reader: &mut Reader<'_>,
) -> Result<(), String> {
    let (send, recv) = match first {
        Some(stream) => {
            reader.deliver(stream.first).await?;
            (stream.send, stream.recv)
        }
        None => connection.accept_bi().await.map_err(|error| error.to_string())?,
    };
    tokio::try_join!(write_frames(send, frames), reader.read_frames(recv)).map(|_| ())
}

async fn write_frames(
    mut stream: SendStream,
    mut frames: mpsc::UnboundedReceiver<Vec<EncodedFrame>>,
) -> Result<(), String> {
    while let Some(frames) = frames.recv().await {
        let parts = |EncodedFrame { head, data }| [Bytes::from(head), data.map_or(Bytes::new(), Bytes::from_owner)];
        let mut parts: Vec<Bytes> = frames.into_iter().flat_map(parts).collect();
        stream.write_all_chunks(&mut parts).await.map_err(|error| error.to_string())?;
    }
    Err("this node dropped the connection".to_owned())
}

#[derive(Debug, Clone)]
struct Reader<'a> {
    peer: &'a ShardId,
    session: u64,
    lane: Direction,
    events: &'a mpsc::Sender<PeerEvent>,
    frames: u64,
}

impl Reader<'_> {
    async fn read_frames(&mut self, mut stream: RecvStream) -> Result<(), String> {
        loop {
            let body = read_frame(&mut stream).await?;
            self.deliver(body).await?;
        }
    }

    /// Waits while the driver is busy: that is what slows a fast peer down.
    async fn deliver(&mut self, body: Vec<u8>) -> Result<(), String> {
        self.frames += 1;
        let event = PeerEvent::Frame { peer: self.peer.clone(), session: self.session, lane: self.lane, body };
        self.events.send(event).await.map_err(|_| "this node shuts down".to_owned())
    }
}

/// Why a stream has no further frame, or not all of one.
const ENDED: &str = "the stream ended";

/// Reads one frame's body. The length is checked before anything is allocated for it.
async fn read_frame(stream: &mut RecvStream) -> Result<Vec<u8>, String> {
    let told = |error: ReadExactError| match error {
        ReadExactError::FinishedEarly(_) => ENDED.to_owned(),
        ReadExactError::ReadError(error) => error.to_string(),
    };
    let mut header = [0; FRAME_HEADER_BYTES];
    stream.read_exact(&mut header).await.map_err(told)?;
    let length = frame_length(header).map_err(|error| error.to_string())?;
    let mut body = Vec::with_capacity(length);
    stream.take(length as u64).read_to_end(&mut body).await.map_err(|error| error.to_string())?;
    if body.len() == length { Ok(body) } else { Err(ENDED.to_owned()) }
}
