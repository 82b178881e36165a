//! Real sockets on port 0. Adversaries hold real keys and speak QUIC by hand.

mod flood;
mod network;

use super::tuning::IDLE_TIMEOUT;
use super::*;
use queue::engine::Direction;
use queue::frame::{EncodedFrame, FRAME_HEADER_BYTES, ReceiverFrame, encode_frame};
use queue::ids::Lane;
use quinn::{ApplicationClose, ClientConfig, ConnectionError};

const ALPHA_SEED: [u8; 32] = [1; 32];
const BETA_SEED: [u8; 32] = [2; 32];
const MALLORY_SEED: [u8; 32] = [3; 32];

struct Node {
    transport: Transport,
    events: mpsc::Receiver<PeerEvent>,
}

fn shard(name: &str) -> ShardId {
    name.parse().expect("a valid shard name")
}

fn node(name: &str, seed: &[u8; 32]) -> Node {
    node_at("127.0.0.1:0".parse().expect("an address"), name, seed)
}

fn node_at(address: SocketAddr, name: &str, seed: &[u8; 32]) -> Node {
    let (sender, events) = mpsc::channel(4);
    Node { transport: Transport::bind(address, shard(name), seed, sender).expect("a free port"), events }
}

fn entry(name: &str, seed: &[u8; 32], addresses: Vec<String>) -> PeerEntry {
    PeerEntry { shard: shard(name), keys: vec![public(seed)], addresses }
}

fn public(seed: &[u8; 32]) -> TransportKey {
    ed25519_dalek::SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

impl Node {
    fn address(&self) -> String {
        self.transport.local_addr().expect("a bound socket").to_string()
    }

    /// A connection by hand, under this node's key.
    async fn raw(&self, to: &Node, peer: &str) -> Connection {
        let shared = &self.transport.shared;
        self.transport.shared.allowlist.replace(vec![entry(peer, &BETA_SEED, vec![])]);
        let config = ClientConfig::new(Arc::new(shared.tls.client(&shard(peer)).expect("a client")));
        let address = to.transport.local_addr().expect("a bound socket");
        shared
            .endpoint
            .connect_with(config, address, "peer.invalid")
            .expect("dials")
            .await
            .expect("the listener's key is listed")
    }

    async fn connected(&mut self) -> (ShardId, u64, Link) {
        match self.events.recv().await {
            Some(PeerEvent::Connected { peer, session, link }) => (peer, session, link),
            other => panic!("expected a connection, found {other:?}"),
        }
    }

    async fn frame(&mut self) -> (ShardId, Direction, Vec<u8>) {
        match self.events.recv().await {
            Some(PeerEvent::Frame { peer, lane, body, .. }) => (peer, lane, body),
            other => panic!("expected a frame, found {other:?}"),
        }
    }
}

fn frames(content: &[u8]) -> Vec<EncodedFrame> {
    vec![frame(content).into()]
}

fn frame(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).expect("short").to_le_bytes()[..], content].concat()
}

fn opening(source: &str, destination: &str) -> Vec<u8> {
    let lane = Lane {
        source: shard(source),
        destination: shard(destination),
        source_incarnation: 0,
        destination_incarnation: 0,
    };
    let root = queue::digest::Hash::ZERO;
    encode_frame(&ReceiverFrame::Open { lane, size: 0, root, staged_size: 0, staged_root: root })
}

async fn close_code(connection: &Connection) -> u64 {
    match connection.closed().await {
        ConnectionError::ApplicationClosed(ApplicationClose { error_code, .. }) => error_code.into_inner(),
        other => panic!("expected the peer to close the connection, found {other}"),
    }
}

fn code(code: CloseCode) -> u64 {
    code.code().into_inner()
}

#[tokio::test]
async fn two_honest_nodes_exchange_frames_on_both_lanes() {
    let (mut alpha, mut beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    alpha.transport.set_peers(vec![entry("beta", &BETA_SEED, vec!["127.0.0.1:1".to_owned(), beta.address()])]);
    let (peer_of_alpha, _, to_beta) = alpha.connected().await;
    let (peer_of_beta, _, to_alpha) = beta.connected().await;
    assert_eq!((peer_of_alpha, peer_of_beta), (shard("beta"), shard("alpha")));

    to_beta.send(Direction::Inbound, frames(b"open beta to alpha"));
    assert_eq!(beta.frame().await, (shard("alpha"), Direction::Outbound, b"open beta to alpha".to_vec()));
    to_alpha.send(Direction::Outbound, frames(b"data of beta"));
    assert_eq!(alpha.frame().await, (shard("beta"), Direction::Inbound, b"data of beta".to_vec()));
    to_alpha.send(Direction::Inbound, frames(b"open alpha to beta"));
    assert_eq!(alpha.frame().await, (shard("beta"), Direction::Outbound, b"open alpha to beta".to_vec()));
    to_beta.send(Direction::Outbound, frames(b""));
    assert_eq!(beta.frame().await, (shard("alpha"), Direction::Inbound, Vec::new()));

    alpha.transport.close().await;
    assert!(matches!(beta.events.recv().await, Some(PeerEvent::Disconnected { .. })));
}

#[tokio::test]
async fn mallory_with_an_unlisted_key_is_refused_in_the_handshake() {
    let (mallory, mut beta) = (node("alpha", &MALLORY_SEED), node("beta", &BETA_SEED));
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    let connection = mallory.raw(&beta, "beta").await;
    let refused = connection.closed().await;
    assert!(matches!(refused, ConnectionError::ConnectionClosed(_)), "{refused}");
    assert!(beta.events.try_recv().is_err());
}

#[tokio::test]
async fn mallory_listening_at_a_peers_address_is_not_taken_for_the_peer() {
    let (alpha, mut mallory) = (node("alpha", &ALPHA_SEED), node("beta", &MALLORY_SEED));
    mallory.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    let honest = [entry("beta", &BETA_SEED, vec![]), entry("mallory", &MALLORY_SEED, vec![])];
    alpha.transport.shared.allowlist.replace(honest.to_vec());
    let refused = dial::dial(&alpha.transport.shared, &shard("beta"), &mallory.address()).await;
    assert!(refused.is_err());
    assert!(mallory.events.try_recv().is_err());
}

#[tokio::test]
async fn mallory_announcing_a_huge_frame_is_dropped_before_its_body() {
    let (mallory, mut beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    let connection = mallory.raw(&beta, "beta").await;
    let (mut send, _recv) = connection.open_bi().await.expect("one stream is allowed");
    send.write_all(&[0xff; FRAME_HEADER_BYTES]).await.expect("the header fits the window");
    assert_eq!(close_code(&connection).await, code(CloseCode::Protocol));
    let _link = beta.connected().await;
    assert!(matches!(beta.events.recv().await, Some(PeerEvent::Disconnected { .. })));
}

#[tokio::test]
async fn a_second_stream_of_a_peer_is_refused() {
    let (mallory, mut beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    let connection = mallory.raw(&beta, "beta").await;
    let (mut send, _recv) = connection.open_bi().await.expect("one stream is allowed");
    let _link = beta.connected().await;
    tokio::select! {
        biased;
        _ = connection.open_bi() => panic!("a second stream was opened"),
        _ = connection.open_uni() => panic!("a one-way stream was opened"),
        () = async {
            for round in 0..100u8 {
                send.write_all(&frame(&[round])).await.expect("the first stream works");
                assert_eq!(beta.frame().await.2, [round]);
            }
        } => {}
    }
}

#[tokio::test]
async fn a_newer_connection_of_a_peer_replaces_its_older_one() {
    let (alpha, mut beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    let older = alpha.raw(&beta, "beta").await;
    let (_, older_session, _link) = beta.connected().await;
    let newer = alpha.raw(&beta, "beta").await;
    assert_eq!(close_code(&older).await, code(CloseCode::Replaced));
    let mut newer_session = None;
    let mut ended = None;
    while newer_session.is_none() || ended.is_none() {
        match beta.events.recv().await {
            Some(PeerEvent::Connected { session, .. }) => newer_session = Some(session),
            Some(PeerEvent::Disconnected { session, .. }) => ended = Some(session),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(ended, Some(older_session));
    assert!(newer_session > ended);
    assert!(newer.close_reason().is_none());
}

#[tokio::test]
async fn a_key_that_is_no_longer_listed_loses_its_connection() {
    let (alpha, mut beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    let connection = alpha.raw(&beta, "beta").await;
    let _link = beta.connected().await;
    beta.transport.set_peers(vec![entry("alpha", &MALLORY_SEED, vec![])]);
    assert_eq!(close_code(&connection).await, code(CloseCode::Unlisted));
}

#[tokio::test]
async fn a_peer_with_the_larger_name_is_dialed_and_may_not_dial() {
    let (zeta, mut beta) = (node("zeta", &ALPHA_SEED), node("beta", &BETA_SEED));
    beta.transport.set_peers(vec![entry("zeta", &ALPHA_SEED, vec![])]);
    let connection = zeta.raw(&beta, "beta").await;
    assert_eq!(close_code(&connection).await, code(CloseCode::WrongDirection));
    assert!(beta.events.try_recv().is_err());
}

#[tokio::test]
async fn a_peer_whose_key_mallory_lists_too_says_for_whom_it_speaks() {
    let (alpha, mut zeta) = (node("alpha", &ALPHA_SEED), node("zeta", &BETA_SEED));
    zeta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![]), entry("mallory", &ALPHA_SEED, vec![])]);
    let connection = alpha.raw(&zeta, "zeta").await;
    let (mut send, _recv) = connection.open_bi().await.expect("one stream is allowed");
    let open = opening("zeta", "alpha");
    send.write_all(&open).await.expect("the frame fits the window");
    let (peer, _, _link) = zeta.connected().await;
    assert_eq!(peer, shard("alpha"));
    assert_eq!(zeta.frame().await, (shard("alpha"), Direction::Outbound, open[FRAME_HEADER_BYTES..].to_vec()));
}

#[tokio::test]
async fn a_peer_that_was_killed_and_started_again_is_noticed_before_the_idle_timeout() {
    let (alpha_entry, first_life) =
        (entry("alpha", &ALPHA_SEED, vec![]), tokio::runtime::Runtime::new().expect("a runtime"));
    let beta = first_life.spawn(async { node("beta", &BETA_SEED) }).await.expect("beta starts");
    beta.transport.set_peers(vec![alpha_entry.clone()]);
    let address = beta.transport.local_addr().expect("a bound socket");
    let mut alpha = node("alpha", &ALPHA_SEED);
    alpha.transport.set_peers(vec![entry("beta", &BETA_SEED, vec![beta.address()])]);
    let (_, first_session, link) = alpha.connected().await;

    // Tasks that never run again send nothing, as after SIGKILL.
    let ended = tokio::task::spawn_blocking(move || first_life.shutdown_timeout(IDLE_TIMEOUT));
    ended.await.expect("the first life ends");
    drop(beta);
    let mut beta = node_at(address, "beta", &BETA_SEED);
    beta.transport.set_peers(vec![alpha_entry]);
    let start = std::time::Instant::now();
    link.send(Direction::Inbound, vec![opening("beta", "alpha").into()]);
    assert!(
        matches!(alpha.events.recv().await, Some(PeerEvent::Disconnected { session, .. }) if session == first_session)
    );
    assert_eq!(beta.connected().await.0, shard("alpha"));
    assert!(start.elapsed() < IDLE_TIMEOUT, "only the idle timeout told, after {:?}", start.elapsed());
}
