//! The network between honest nodes: addresses that change, that are dead, and somebody who listens.

use super::*;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::net::UdpSocket;

/// Alpha dials beta at an address; gives beta's link to alpha, and alpha's to beta.
async fn connected(alpha: &mut Node, beta: &mut Node, address: String) -> (Link, Link) {
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    alpha.transport.set_peers(vec![entry("beta", &BETA_SEED, vec![address])]);
    let (_, _, to_beta) = alpha.connected().await;
    let (_, _, to_alpha) = beta.connected().await;
    (to_alpha, to_beta)
}

/// One frame each way.
async fn exchange(alpha: &mut Node, beta: &mut Node, (to_alpha, to_beta): &(Link, Link), content: &[u8]) {
    to_beta.send(Direction::Inbound, frames(content));
    assert_eq!(beta.frame().await, (shard("alpha"), Direction::Outbound, content.to_vec()));
    to_alpha.send(Direction::Inbound, frames(content));
    assert_eq!(alpha.frame().await, (shard("beta"), Direction::Outbound, content.to_vec()));
}

impl Node {
    /// Where this node believes a peer to be.
    fn address_of(&self, peer: &str) -> SocketAddr {
        self.transport.shared.state().sessions[&shard(peer)].connection.remote_address()
    }
}

#[tokio::test]
async fn a_peer_whose_address_changes_goes_on_under_the_same_key_until_that_is_taken_off_the_list() {
    let (mut alpha, mut beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    let address = beta.address();
    let links = connected(&mut alpha, &mut beta, address).await;
    exchange(&mut alpha, &mut beta, &links, b"before").await;
    let before = beta.address_of("alpha");

    let moved = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let after = moved.local_addr().expect("a bound socket");
    alpha.transport.shared.endpoint.rebind(moved).expect("another socket");
    exchange(&mut alpha, &mut beta, &links, b"after").await;
    assert_ne!(before, after);
    assert_eq!(beta.address_of("alpha"), after);

    beta.transport.set_peers(vec![entry("alpha", &MALLORY_SEED, vec![])]);
    assert!(matches!(alpha.events.recv().await, Some(PeerEvent::Disconnected { .. })));
    assert!(matches!(beta.events.recv().await, Some(PeerEvent::Disconnected { .. })));
}

#[tokio::test]
async fn eve_who_replays_packets_from_another_address_changes_nothing() {
    let (mut alpha, mut beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    let beta_address = beta.transport.local_addr().expect("a bound socket");
    let (path, overheard) = eavesdropped_path(beta_address).await;
    let links = connected(&mut alpha, &mut beta, path.to_string()).await;
    for round in 0..10u8 {
        exchange(&mut alpha, &mut beta, &links, &[round]).await;
    }
    let before = beta.address_of("alpha");

    let eve = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let packets: Vec<Vec<u8>> = overheard.try_iter().collect();
    assert!(packets.len() >= 10, "only {} packets were overheard", packets.len());
    for packet in packets.iter().chain(packets.iter().rev()) {
        eve.send_to(packet, beta_address).await.expect("sent");
    }
    // Sent after Eve's packets, these arrive after them.
    for round in 10..20u8 {
        exchange(&mut alpha, &mut beta, &links, &[round]).await;
    }
    assert_eq!(beta.address_of("alpha"), before);
    assert!(beta.events.try_recv().is_err());
}

/// An address in front of `beyond`, and a copy of each packet that passes it in that direction.
async fn eavesdropped_path(beyond: SocketAddr) -> (SocketAddr, Receiver<Vec<u8>>) {
    let path = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = path.local_addr().expect("a bound socket");
    let (copies, overheard): (Sender<Vec<u8>>, _) = channel();
    tokio::spawn(async move {
        let (mut packet, mut near) = (vec![0; usize::from(u16::MAX)], None);
        while let Ok((length, from)) = path.recv_from(&mut packet).await {
            let to = if from == beyond { near } else { Some(beyond) };
            if from != beyond {
                near = Some(from);
                // The test may have heard enough.
                drop(copies.send(packet[..length].to_vec()));
            }
            if let Some(to) = to {
                path.send_to(&packet[..length], to).await.expect("sent");
            }
        }
    });
    (address, overheard)
}

#[tokio::test]
async fn a_peer_is_reached_at_the_one_of_its_addresses_that_works() {
    let (mut alpha, beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let dead = silent.local_addr().expect("a bound socket").to_string();
    let addresses = vec!["no address".to_owned(), "unknown.invalid:1".to_owned(), dead, beta.address()];
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    alpha.transport.set_peers(vec![entry("beta", &BETA_SEED, addresses)]);
    assert_eq!(alpha.connected().await.0, shard("beta"));
}

#[tokio::test]
async fn an_address_that_changes_on_the_list_is_dialed_without_a_restart() {
    let (mut alpha, mut beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    alpha.transport.set_peers(vec![entry("beta", &BETA_SEED, vec![])]);
    alpha.transport.set_peers(vec![entry("beta", &BETA_SEED, vec![beta.address()])]);
    assert_eq!(alpha.connected().await.0, shard("beta"));
    assert_eq!(beta.connected().await.0, shard("alpha"));
}

#[tokio::test]
async fn a_peer_that_leaves_the_list_and_comes_back_is_dialed_again() {
    let (mut alpha, mut beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    let address = beta.address();
    let links = connected(&mut alpha, &mut beta, address.clone()).await;
    alpha.transport.set_peers(vec![]);
    assert!(matches!(alpha.events.recv().await, Some(PeerEvent::Disconnected { .. })));
    assert!(matches!(beta.events.recv().await, Some(PeerEvent::Disconnected { .. })));
    drop(links);
    connected(&mut alpha, &mut beta, address).await;
}

#[tokio::test]
async fn two_nodes_that_know_each_others_addresses_hold_one_connection() {
    let (mut alpha, mut beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![alpha.address()])]);
    alpha.transport.set_peers(vec![entry("beta", &BETA_SEED, vec![beta.address()])]);
    let links = (beta.connected().await.2, alpha.connected().await.2);
    exchange(&mut alpha, &mut beta, &links, b"once").await;
    for node in [&alpha, &beta] {
        assert_eq!(node.transport.shared.endpoint.open_connections(), 1);
    }
}

#[tokio::test]
async fn a_key_taken_off_the_list_during_the_handshake_is_not_served() {
    let (alpha, beta) = (node("alpha", &ALPHA_SEED), node("beta", &BETA_SEED));
    beta.transport.set_peers(vec![entry("alpha", &ALPHA_SEED, vec![])]);
    let shared = &alpha.transport.shared;
    shared.allowlist.replace(vec![entry("beta", &BETA_SEED, vec![])]);
    let (key, connection) = dial::dial(shared, &shard("beta"), &beta.address()).await.expect("a listed key");
    shared.allowlist.replace(vec![entry("beta", &MALLORY_SEED, vec![])]);
    let served = shared.serve(shard("beta"), key, connection.clone(), None);
    tokio::time::timeout(IDLE_TIMEOUT, served).await.expect("the connection ends at once");
    assert!(matches!(connection.close_reason(), Some(ConnectionError::LocallyClosed)));
}
