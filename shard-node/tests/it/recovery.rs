//! A shard that lost its data, with real processes: begun anew, accepted by its peer's operator, and
//! what was open settled.

use crate::fleet::{ALPHA, BETA, Bridge, in_time};
use ed25519_dalek::Signer as _;
use near_primitives::types::Balance;
use queue::contract::{Endorsement, Endorsements, RekeyArgs, method};
use queue::statement::{Statement, StatementScope};
use shard_node::api::types::StatusResponse;
use shard_node::demo::fleet::NEAR;
use shard_node::near::{Actor, KeyFile, NearClient};
use std::fs;
use std::path::{Path, PathBuf};

const OWNER_KEY: &str = "near/credentials/localnet/test.near.json";

impl Bridge {
    fn store(&self, shard: &str) -> PathBuf {
        self.home(shard).store_path()
    }

    /// The incarnations of the sources of what was delivered.
    async fn incarnations(&self, shard: &str) -> Vec<u64> {
        let inbox = self.done(&["inbox", "--home", shard]).await;
        let entries = inbox["entries"].as_array().expect("a list");
        entries.iter().map(|entry| entry["incarnation"].as_u64().expect("an incarnation")).collect()
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_lost_its_data_begins_anew_and_its_peer_accepts_it_and_settles_what_was_open() {
    in_time(async {
        let mut bridge = Bridge::start().await;
        bridge.send(ALPHA, "a0", Some("settled")).await;
        bridge.send(BETA, "b0", Some("delivered")).await;
        bridge.fleet.kill(BETA).await.expect("it ran");
        let lost = bridge.path("lost");
        copy_folder(&bridge.store(BETA), &lost);
        fs::remove_dir_all(bridge.store(BETA)).expect("lost");
        bridge.send(ALPHA, "a1", None).await;

        let stopped = bridge.refused(&["run", "--home", BETA]).await;
        assert!(stopped.contains("shard-node shard recover"), "{stopped}");
        begin_anew(&mut bridge).await;
        bridge.fleet.start_node(BETA).await.expect("a node that begins anew");
        bridge.until(BETA, "begins anew", |status| status.engine.resumed && status.engine.incarnation == 1).await;

        accept(&bridge).await;
        bridge.send(ALPHA, "a2", Some("delivered")).await;
        bridge.send(BETA, "b1", Some("delivered")).await;
        bridge.send(ALPHA, "a3", Some("settled")).await;
        assert_eq!(bridge.incarnations(BETA).await.len(), 2, "a1 is not sent again by itself");
        assert_eq!(bridge.incarnations(ALPHA).await, [0, 1], "what was received before stays");
        for home in [ALPHA, BETA] {
            bridge.fleet.kill(home).await.expect("it ran");
            let verdict = bridge.done(&["fsck", "--home", home]).await;
            assert_eq!(verdict["sound"].as_bool(), Some(true), "{verdict}");
        }
        the_lost_copy_stops(&bridge, &lost).await;
    })
    .await;
}

/// Cut after the intent, then finished, and then there is nothing more to recover.
async fn begin_anew(bridge: &mut Bridge) {
    let recover = ["shard", "recover", "--home", BETA];
    let explained = bridge.refused(&recover).await;
    assert!(explained.contains("incarnation 1") && explained.contains("--yes"), "{explained}");
    let nobody = [&recover[..], &["--yes", "--credentials-dir", "nowhere"]].concat();
    let no_key = bridge.refused(&nobody).await;
    assert!(no_key.contains("open_incarnation") && no_key.contains("nowhere"), "{no_key}");
    let with_key = [&recover[..], &["--yes", "--key-file", OWNER_KEY]].concat();
    bridge.fleet.kill(NEAR).await.expect("it ran");
    bridge.refused(&with_key).await;
    bridge.fleet.start_near().await.expect("the network again");
    let begun = bridge.done(&with_key).await;
    assert_eq!((begun["incarnation"].as_u64(), begun["set_aside"].is_string()), (Some(1), true), "{begun}");
    let again = bridge.refused(&with_key).await;
    assert!(again.contains("nothing is lost"), "{again}");
}

async fn accept(bridge: &Bridge) {
    let awaited = |status: &StatusResponse| status.engine.outbound[0].awaits_incarnation == Some(1);
    bridge.until(ALPHA, "sees that beta has begun anew", awaited).await;
    let over = bridge.refused(&["send", "--home", ALPHA, "--to", "bob.beta", "x"]).await;
    assert!(over.contains("shard-node lane accept-incarnation beta"), "{over}");
    let early = bridge.refused(&["lane", "unsettled", "beta", "--home", ALPHA]).await;
    assert!(early.contains("not accepted yet"), "{early}");
    let accept = ["lane", "accept-incarnation", "beta", "--home", ALPHA];
    let explained = bridge.refused(&accept).await;
    assert!(explained.contains("Of 2 messages to it 1 are settled"), "{explained}");
    let accepted = bridge.done(&[&accept[..], &["--yes"]].concat()).await;
    assert_eq!((accepted["past"].as_u64(), accepted["incarnation"].as_u64()), (Some(0), Some(1)), "{accepted}");
    let again = bridge.refused(&[&accept[..], &["--yes"]].concat()).await;
    assert!(again.contains("nothing to accept"), "{again}");

    // Whether beta's last head had reached alpha depends on when it was killed.
    let unsettled = bridge.done(&["lane", "unsettled", "beta", "--home", ALPHA]).await;
    let open = unsettled["messages"].as_array().expect("a list");
    let is_known = accepted["never_received_from"].as_u64() == Some(1);
    assert_eq!(open.len(), usize::from(!is_known), "{accepted}: {unsettled}");
    let settle = ["lane", "settle", "beta", "1", "--as", "failed", "--home", ALPHA];
    if is_known {
        let known = bridge.refused(&settle).await;
        assert!(known.contains("settled as never received"), "{known}");
    } else {
        bridge.done(&settle).await;
        bridge.done(&settle).await;
    }
    let settled = bridge.done(&["lane", "unsettled", "beta", "--home", ALPHA]).await;
    assert_eq!(settled["messages"].as_array().map(Vec::len), Some(0), "{settled}");
    let known = bridge.refused(&["lane", "settle", "beta", "0", "--as", "failed", "--home", ALPHA]).await;
    assert!(known.contains("settled as delivered"), "{known}");
}

/// A copy of the store from before the loss finds that the shard has begun anew.
async fn the_lost_copy_stops(bridge: &Bridge, lost: &Path) {
    fs::remove_dir_all(bridge.store(BETA)).expect("removed");
    copy_folder(lost, &bridge.store(BETA));
    let stopped = bridge.refused(&["run", "--home", BETA]).await;
    let says_so = stopped.contains("in incarnation 1") || stopped.contains("not the newest copy");
    assert!(says_so, "{stopped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_node_follows_a_new_key_epoch_of_its_shard_and_has_its_key_fetched() {
    in_time(async {
        let bridge = Bridge::start().await;
        bridge.send(ALPHA, "a0", Some("settled")).await;
        let home = bridge.home(ALPHA);
        let (config, keys) = (home.read_config().expect("read"), home.read_keys().expect("read"));
        let client = NearClient::new(&config.near_rpc, &config.trust.domain.bridge).expect("an address");
        let view = client.shard(&config.shard).await.expect("answered").expect("registered");
        let (key_epoch, curve) = (view.key_epoch + 1, view.curve);
        let scope = StatementScope {
            domain: config.trust.domain.clone(),
            shard: config.shard.clone(),
            members_version: view.members_version,
        };
        let signed = Statement::Rekey { key_epoch, curve }.signed_bytes(&scope);
        let endorsement = Endorsement { member: 0, signature: keys.member.sign(&signed).to_bytes() };
        let endorsements = Endorsements::try_from(vec![endorsement]).expect("one member");
        let args = RekeyArgs { shard: config.shard.clone(), curve, endorsements };
        let args = serde_json::to_vec(&args).expect("JSON");
        let payer = KeyFile::read(&bridge.path(OWNER_KEY)).expect("read");
        let actor = Actor::new(client.clone(), &payer.account.expect("named"), payer.key);
        let opened = actor.call_bridge(method::REKEY, args, 150, Balance::from_millinear(50)).await;
        opened.expect("executed").result.expect("agreed");

        for text in ["a1", "a2"] {
            bridge.send(ALPHA, text, Some("delivered")).await;
        }
        let tip = client.tip(&config.shard).await.expect("answered").expect("recorded").checkpoint;
        assert_eq!(tip.key_epoch, key_epoch);
        bridge.send(BETA, "b0", Some("settled")).await;
    })
    .await;
}
