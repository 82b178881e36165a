//! How QUIC is set up: what was measured to be fast, and bounds on what a peer can make a node hold.

use super::admission::HANDSHAKES_MAX;
use super::reset;
use super::tls::Tls;
use quinn::udp::UdpSocketState;
use quinn::{EndpointConfig, MtuDiscoveryConfig, ServerConfig, TransportConfig, VarInt};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

/// A connection on which nothing arrives for this long is dead.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often an idle connection proves that it lives: three times within [`IDLE_TIMEOUT`].
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// Most bytes of a stream in flight: what a flow of 1 GB/s needs at 16 ms.
const STREAM_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// Most bytes of a connection in flight: a lane that waits for its reader leaves the other one room.
const CONNECTION_WINDOW_BYTES: u32 = 2 * STREAM_WINDOW_BYTES;

/// Largest UDP payload that is tried, where path and peer take it (the usual 1,452 everywhere else):
/// a packet's cost hardly depends on its length. Ten of them, which quinn hands over at once, must
/// stay below UDP's 64 KiB.
const UDP_PAYLOAD_BYTES_MAX: u16 = 6_000;

const _: () = assert!(UDP_PAYLOAD_BYTES_MAX as usize * 10 < u16::MAX as usize);

/// Size of the socket's buffers in the kernel, as far as it allows: its default of 208 KiB loses
/// packets of bulk flows.
const SOCKET_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Most bytes that wait for a handshake to begin, over all connections. Without early data a
/// handshake needs its first packets only, and it begins at once.
const INCOMING_BYTES_MAX: u64 = 1024 * 1024;

/// The same of one connection.
const INCOMING_BYTES_PER_CONNECTION_MAX: u64 = INCOMING_BYTES_MAX / 64;

/// For accepting.
pub(super) fn server_config(tls: &Tls, transport: Arc<TransportConfig>) -> Result<ServerConfig, rustls::Error> {
    let mut server = ServerConfig::with_crypto(Arc::new(tls.server()?));
    server
        .transport_config(transport)
        .max_incoming(HANDSHAKES_MAX)
        .incoming_buffer_size(INCOMING_BYTES_PER_CONNECTION_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_MAX);
    Ok(server)
}

/// For the socket of the node with the transport key of `seed`.
pub(super) fn endpoint_config(seed: &[u8; 32]) -> EndpointConfig {
    let mut config = reset::endpoint_config(seed);
    config.max_udp_payload_size(UDP_PAYLOAD_BYTES_MAX).expect("at least QUIC's smallest packet, at most UDP's largest");
    config
}

/// For connections, dialed and accepted.
pub(super) fn transport_config() -> TransportConfig {
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(UDP_PAYLOAD_BYTES_MAX);
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(IDLE_TIMEOUT.try_into().expect("10 s fit QUIC's milliseconds")))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(Some(mtu))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(u64::from(CONNECTION_WINDOW_BYTES));
    config
}

/// Gives a socket room for bulk flows.
pub(super) fn enlarge_buffers(socket: &UdpSocket) {
    let enlarged = UdpSocketState::new(socket.into()).and_then(|state| {
        state.set_recv_buffer_size(socket.into(), SOCKET_BUFFER_BYTES)?;
        state.set_send_buffer_size(socket.into(), SOCKET_BUFFER_BYTES)
    });
    if let Err(error) = enlarged {
        tracing::debug!(%error, "the kernel keeps its own UDP buffer sizes");
    }
}
