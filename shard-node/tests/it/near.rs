//! The node's NEAR side against an embedded network: attesting and watching.

use crate::fleet::until_there_is;
use crate::localnet::{Network, post};
use ed25519_dalek::SigningKey;
use queue::checkpoint::{CHECKPOINT_VERSION, Checkpoint};
use queue::derivation::derive_public_key;
use queue::digest::{Hash, Native};
use queue::engine::AttestFailure;
use queue::ids::ShardId;
use queue::trust::TrustRoot;
use shard_node::home::Home;
use shard_node::init;
use shard_node::keys::Keys;
use shard_node::near::{Actor, AttestMode, Attestor, NearClient, NearEvent, watch};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// A registered shard, as its node sees it.
struct Alpha {
    trust: TrustRoot,
    client: NearClient,
    keys: Keys,
    owner: queue::ids::AccountId,
    shard: ShardId,
}

impl Alpha {
    async fn register(network: &Network, home: &Path) -> Self {
        let made = init::init(network.init_options(home, "alpha"), |_| ()).await.expect("registered");
        let trust = init::read_trust(&network.trust).expect("a trust root");
        let keys = Home::at(home).read_keys().expect("keys");
        Alpha { client: network.client(), trust, keys, owner: made.owner, shard: made.shard }
    }

    fn attestor(&self, member: SigningKey) -> Attestor {
        let actor = Actor::new(self.client.clone(), &self.owner, self.keys.near.clone());
        Attestor::new(actor, member, self.shard.clone(), AttestMode::Shard)
    }

    fn checkpoint(&self, height: u64, previous: Hash) -> Checkpoint {
        Checkpoint {
            version: CHECKPOINT_VERSION,
            domain: self.trust.domain.clone(),
            shard: self.shard.clone(),
            key_epoch: 0,
            epoch_first_height: 0,
            height,
            previous,
            heads_root: Hash([7; 32]),
            time_ns: 1,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attested_checkpoints_verify_offline_under_the_pinned_trust_root() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    let alpha = Alpha::register(&network, &folder.path().join("alpha")).await;
    let attestor = alpha.attestor(alpha.keys.member.clone());

    let mut previous = Hash::ZERO;
    for height in 0..3 {
        let checkpoint = alpha.checkpoint(height, previous);
        let attestation = attestor.attest(checkpoint.clone()).await.result.expect("attested");
        let again = attestor.attest(checkpoint.clone()).await.result.expect("asking again is safe");
        assert_eq!(again, attestation);
        previous = checkpoint.hash::<Native>();
        let signature = attestation.signature.clone();
        attestation.verify::<Native>(&alpha.trust, derive_public_key).expect("verifies offline");
        let tip = alpha.client.tip(&alpha.shard).await.expect("an answer").expect("a tip");
        assert_eq!((tip.hash, tip.signature), (previous, Some(signature)));
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_checkpoint_at_a_height_and_a_strangers_endorsement_are_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    let alpha = Alpha::register(&network, &folder.path().join("alpha")).await;
    let attestor = alpha.attestor(alpha.keys.member.clone());
    let checkpoint = alpha.checkpoint(0, Hash::ZERO);

    let mallory = alpha.attestor(SigningKey::from_bytes(&[66; 32]));
    let refused = mallory.attest(checkpoint.clone()).await.result.expect_err("mallory is no member");
    assert!(matches!(&refused, AttestFailure::Rejected(reason) if reason.contains("not a member")), "{refused}");

    attestor.attest(checkpoint.clone()).await.result.expect("attested");
    let second = Checkpoint { heads_root: Hash([8; 32]), ..checkpoint };
    let refused = attestor.attest(second).await.result.expect_err("the height is taken");
    assert!(matches!(&refused, AttestFailure::Rejected(reason) if reason.contains("taken")), "{refused}");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_does_not_answer_in_time_is_unavailable_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let an_hour_ms = 60 * 60 * 1000;
    let network = Network::start_with_delay(&folder.path().join("near"), an_hour_ms).await;
    let alpha = Alpha::register(&network, &folder.path().join("alpha")).await;
    let attestor = alpha.attestor(alpha.keys.member.clone());
    let checkpoint = alpha.checkpoint(0, Hash::ZERO);

    let attesting = tokio::spawn(async move { attestor.attest(checkpoint).await });
    until_there_is("a tip", async || alpha.client.tip(&alpha.shard).await.expect("an answer")).await;
    let forward = r#"{"jsonrpc":"2.0","id":1,"method":"sandbox_fast_forward","params":{"delta_height":300}}"#;
    assert_eq!(post(&network.rpc, "application/json", forward).await.0, 200);
    let failed = attesting.await.expect("no panic").result.expect_err("the request timed out");
    assert!(matches!(&failed, AttestFailure::Unavailable(reason) if reason.contains("timed out")), "{failed}");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_network_is_unavailable_not_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    let alpha = Alpha::register(&network, &folder.path().join("alpha")).await;
    network.stop().await;
    let attestor = alpha.attestor(alpha.keys.member.clone());
    let failed = attestor.attest(alpha.checkpoint(0, Hash::ZERO)).await.result.expect_err("nobody answers");
    assert!(
        matches!(&failed, AttestFailure::Unavailable(reason) if reason.contains("can't be reached") && reason.contains("refused")),
        "{failed}"
    );
}

#[test]
fn an_address_that_is_none_is_refused_with_what_is_expected() {
    let bridge = "bridge.test.near".parse().expect("an account");
    for url in ["", "127.0.0.1:3030", "ftp://near.example", "http://"] {
        let refused = NearClient::new(url, &bridge).expect_err("no address").to_string();
        assert!(refused.contains("expected http://host:port"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watcher_tells_time_shards_and_tip_and_outlives_an_outage() {
    let folder = tempfile::tempdir().expect("a folder");
    let near = folder.path().join("near");
    let network = Network::start(&near).await;
    let alpha = Alpha::register(&network, &folder.path().join("alpha")).await;
    let (events, mut seen) = mpsc::channel(16);
    let poll = Duration::from_millis(10);
    let watcher = watch(alpha.client.clone(), alpha.trust.clone(), alpha.shard.clone(), poll, events);

    assert!(matches!(seen.recv().await, Some(NearEvent::BlockTime(time_ns)) if time_ns > 0));
    assert_eq!(seen.recv().await, Some(NearEvent::Lanes(vec![])), "lanes come before shards");
    let Some(NearEvent::Registry(shards)) = seen.recv().await else { panic!("the registry comes third") };
    assert_eq!(shards.iter().map(|view| &view.shard).collect::<Vec<_>>(), [&alpha.shard]);
    watcher.fetch_tip();
    until(&mut seen, |event| *event == NearEvent::Tip(None)).await;

    network.stop().await;
    until(&mut seen, |event| matches!(event, NearEvent::Unreachable(_))).await;
    watcher.fetch_tip();
    let network = Network::start(&near).await;
    until(&mut seen, |event| *event == NearEvent::Tip(None)).await;

    init::init(network.init_options(&folder.path().join("beta"), "beta"), |_| ()).await.expect("registered");
    until(&mut seen, |event| matches!(event, NearEvent::Registry(shards) if shards.len() == 2)).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_bridge_ends_the_watch_before_anything_is_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    let mallory = Network::start(&folder.path().join("mallory")).await;
    let trust = init::read_trust(&network.trust).expect("a trust root");
    let (events, mut seen) = mpsc::channel(16);
    let shard = "alpha".parse().expect("a name");
    let _watcher = watch(mallory.client(), trust, shard, Duration::from_millis(10), events);
    assert!(matches!(seen.recv().await, Some(NearEvent::WrongTrust(reason)) if reason.contains("bridge instance")));
    assert_eq!(seen.recv().await, None);
    network.stop().await;
    mallory.stop().await;
}

async fn until(seen: &mut mpsc::Receiver<NearEvent>, wanted: impl Fn(&NearEvent) -> bool) {
    while let Some(event) = seen.recv().await {
        if wanted(&event) {
            return;
        }
    }
    panic!("the watcher has ended");
}
