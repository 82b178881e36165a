//! Floods: of strangers who never finish a handshake, and of a peer who begins many.

use super::super::admission::HANDSHAKES_MAX;
use super::*;
use tokio::net::UdpSocket;

/// First packets of so many handshakes, each of another connection.
async fn first_packets(count: usize, mallory: &Node) -> Vec<Vec<u8>> {
    let sink = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let to = sink.local_addr().expect("a bound socket");
    let shared = &mallory.transport.shared;
    let mut packets = Vec::new();
    let mut packet = vec![0; usize::from(u16::MAX)];
    for _ in 0..count {
        let config = ClientConfig::new(Arc::new(shared.tls.client(&shard("beta")).expect("a client")));
        let connecting = shared.endpoint.connect_with(config, to, "peer.invalid").expect("dials");
        let (length, _) = sink.recv_from(&mut packet).await.expect("a first packet");
        packets.push(packet[..length].to_vec());
        drop(connecting);
    }
    packets
}

#[tokio::test]
async fn a_flood_of_handshakes_that_mallory_never_finishes_does_not_keep_a_peer_out() {
    let (mut alpha, mut beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    let mallory = node("mallory", &MALLORY_SEED);
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    let beta_address = beta.transport.local_addr().expect("a bound socket");
    let flood = first_packets(2 * HANDSHAKES_MAX, &mallory).await;
    let start = std::time::Instant::now();
    let forged = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    for packet in &flood {
        forged.send_to(packet, beta_address).await.expect("sent");
    }
    alpha.transport.set_peers(vec![entry("beta", &BETA_SEED, vec![beta.address()])]);
    assert_eq!(alpha.connected().await.0, shard("beta"));
    assert_eq!(beta.connected().await.0, shard("alpha"));
    let elapsed = start.elapsed();
    assert!(elapsed < accept::HANDSHAKE_TIMEOUT, "the flood's places had been given back, after {elapsed:?}");
}

#[tokio::test]
async fn a_listed_peer_that_connects_a_hundred_times_holds_one_connection() {
    let (mallory, beta) = (node("alpha", &MALLORY_SEED), node("beta", &BETA_SEED));
    beta.transport.set_peers(vec![entry("alpha", &MALLORY_SEED, vec![])]);
    let Node { transport, mut events } = beta;
    // A link that is dropped ends its connection.
    let kept = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Some(event) = events.recv().await {
            kept.push(event);
        }
    });
    let beta = Node { transport, events: mpsc::channel(1).1 };
    let mut older: Option<Connection> = None;
    for _ in 0..100 {
        let newer = mallory.raw(&beta, "beta").await;
        if let Some(older) = older.replace(newer) {
            assert_eq!(close_code(&older).await, code(CloseCode::Replaced));
        }
    }
    assert_eq!(beta.transport.shared.state().sessions.len(), 1);
    assert!(older.is_some_and(|newest| newest.close_reason().is_none()));
    kept.abort();
}
