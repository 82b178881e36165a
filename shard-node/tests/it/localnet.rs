//! The embedded network over its RPC, and the node's NEAR side against it.

use queue::contract::ShardStatus;
use queue::ids::ShardId;
use shard_node::home::Home;
use shard_node::init::{self, InitError};
use shard_node::localnet::{Localnet, LocalnetError, Options};
use shard_node::near::{NearClient, RegistrationError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A network that runs in this process until it is stopped.
pub struct Network {
    pub rpc: String,
    pub trust: PathBuf,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), LocalnetError>>,
}

impl Network {
    /// Starts the network of `home`, with a signer that answers at once.
    pub async fn start(home: &Path) -> Self {
        Self::start_with_delay(home, 0).await
    }

    /// Starts the network of `home`, with a signer that takes this long.
    pub async fn start_with_delay(home: &Path, signer_delay_ms: u64) -> Self {
        let options = Options { home: home.to_owned(), rpc_addr: any_port(), signer_delay_ms: Some(signer_delay_ms) };
        let localnet = Localnet::open(options).await.expect("the network starts");
        let (rpc, trust) = (localnet.rpc_url(), localnet.trust_path().to_owned());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(localnet.run(async {
            stopped.await.ok();
        }));
        Network { rpc, trust, stop, task }
    }

    pub async fn stop(self) {
        self.stop.send(()).expect("the network runs");
        self.task.await.expect("no panic").expect("an orderly end");
    }

    /// What `init` needs for a shard's node.
    pub fn init_options(&self, home: &Path, shard: &str) -> init::Options {
        init::Options {
            home: home.to_owned(),
            shard: shard.parse().expect("a name"),
            near_rpc: self.rpc.clone(),
            trust: self.trust.clone(),
            owner: None,
            credentials: None,
            p2p_addr: None,
            api_addr: None,
            addresses: Vec::new(),
            curve: None,
        }
    }

    pub fn client(&self) -> NearClient {
        let trust = init::read_trust(&self.trust).expect("a trust root");
        NearClient::new(&self.rpc, &trust.domain.bridge).expect("an address")
    }
}

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Posts a body to an RPC; gives HTTP status and text.
pub async fn post(rpc: &str, content_type: &str, body: &str) -> (u16, String) {
    let request = reqwest::Client::new().post(rpc).header("content-type", content_type).body(body.to_owned());
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rpc_answers_like_a_near_node() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(folder.path()).await;
    let json = "application/json";

    let (code, text) =
        post(&network.rpc, json, r#"{"jsonrpc":"2.0","id":7,"method":"gas_price","params":[null]}"#).await;
    assert_eq!((code, text.as_str()), (200, r#"{"id":7,"jsonrpc":"2.0","result":{"gas_price":"100000000"}}"#));
    let (code, text) = post(&network.rpc, json, "{bad").await;
    assert_eq!(code, 400);
    assert!(text.starts_with("Failed to parse the request body as JSON"), "{text}");
    let (code, _) = post(&network.rpc, "text/plain", "{}").await;
    assert_eq!(code, 415);
    let (code, text) = post(&network.rpc, json, r#"{"jsonrpc":"2.0","id":"x","method":"nope","params":[]}"#).await;
    assert_eq!(code, 400);
    assert!(text.contains("METHOD_NOT_FOUND"), "{text}");

    for (path, contains) in
        [("/status", "\"chain_id\":\"localnet\""), ("/health", "null"), ("/metrics", "near_block_height_head")]
    {
        let answer = reqwest::get(format!("{}{path}", network.rpc)).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let text = answer.text().await.expect("text");
        assert!(text.contains(contains), "{path}: {text}");
    }
    let preflight =
        reqwest::Client::new().request(reqwest::Method::OPTIONS, &network.rpc).send().await.expect("an answer");
    assert_eq!(preflight.status(), 200);
    assert_eq!(preflight.headers()["access-control-allow-headers"], "*");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_the_same_after_a_restart_on_the_same_port() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(folder.path()).await;
    let (rpc, client) = (network.rpc.clone(), network.client());
    let (trust, height) = (client.trust().await.expect("trust"), client.final_block().await.expect("a block").height);
    network.stop().await;

    let network = Network::start(folder.path()).await;
    assert_eq!(network.rpc, rpc);
    assert_eq!(client.trust().await.expect("trust"), trust);
    assert_eq!(client.final_block().await.expect("a block").height, height);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_networks_never_share_a_bridge_instance() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Network::start(&folder.path().join("first")).await;
    let second = Network::start(&folder.path().join("second")).await;
    let trust = |network: &Network| init::read_trust(&network.trust).expect("a trust root");
    assert_ne!(trust(&first).domain.instance, trust(&second).domain.instance);
    assert_ne!(trust(&first).secp256k1, trust(&second).secp256k1);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_a_used_home_and_a_foreign_trust_root_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("first")).await;
    let rpc_addr: SocketAddr = network.rpc.trim_start_matches("http://").parse().expect("an address");
    let open = |name: &str, rpc_addr, signer_delay_ms| {
        Localnet::open(Options { home: folder.path().join(name), rpc_addr, signer_delay_ms })
    };

    let taken = open("second", rpc_addr, None).await.err().expect("the port is taken").to_string();
    assert!(taken.contains(&format!("port {}", rpc_addr.port())) && taken.contains("--rpc-addr"), "{taken}");
    let used = open("first", any_port(), None).await.err().expect("the home is in use").to_string();
    assert!(used.contains("home in use"), "{used}");
    network.stop().await;

    let delay = open("first", any_port(), Some(5)).await.err().expect("the delay is fixed").to_string();
    assert!(delay.contains("after 0 ms"), "{delay}");
    let path = folder.path().join("first/trust.json");
    let pinned = std::fs::read_to_string(&path).expect("a trust root");
    std::fs::write(&path, pinned.replace("localnet", "testnet")).expect("written");
    assert!(matches!(open("first", any_port(), None).await, Err(LocalnetError::Trust { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn init_registers_a_shard_and_may_be_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    let options = network.init_options(&folder.path().join("alpha"), "alpha");
    let made = init::init(options.clone(), |_| ()).await.expect("registered");
    assert!(made.active);
    assert_eq!(made.owner.as_str(), "alpha.test.near");

    let alpha: ShardId = "alpha".parse().expect("a name");
    let view = network.client().shard(&alpha).await.expect("an answer").expect("registered");
    assert_eq!(view.status, ShardStatus::Active);
    assert_eq!(view.owner, made.owner);
    assert_eq!(view.addresses, [made.p2p_addr.to_string()]);
    assert_eq!(view.members, [made.member_key.parse().expect("a key")]);

    assert_eq!(init::init(options.clone(), |_| ()).await.expect("nothing to do"), made);
    // As after an interruption before the configuration was written: the keys are there.
    let home = Home::at(folder.path().join("alpha"));
    std::fs::remove_file(home.config_path()).expect("removed");
    let again = init::init(options, |_| ()).await.expect("finished");
    assert_eq!(again.member_key, made.member_key);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn init_refuses_a_taken_name_a_foreign_home_and_a_wrong_trust_root() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    let alpha = network.init_options(&folder.path().join("alpha"), "alpha");
    init::init(alpha.clone(), |_| ()).await.expect("registered");

    let squatter = network.init_options(&folder.path().join("squatter"), "alpha");
    let refused = init::init(squatter, |_| ()).await.expect_err("the name is taken");
    assert!(matches!(refused, InitError::Registration(RegistrationError::NameTaken { .. })), "{refused}");

    let mut other = alpha.clone();
    other.shard = "beta".parse().expect("a name");
    let refused = init::init(other, |_| ()).await.expect_err("the home is alpha's").to_string();
    assert!(refused.contains("its shard is alpha, not beta"), "{refused}");

    let second = Network::start(&folder.path().join("second")).await;
    let mut misled = network.init_options(&folder.path().join("misled"), "gamma");
    misled.near_rpc = second.rpc.clone();
    let refused = init::init(misled, |_| ()).await.expect_err("another bridge").to_string();
    assert!(refused.contains("wrong trust root") && refused.contains("instance"), "{refused}");
    assert!(!folder.path().join("misled").exists(), "a refused init leaves nothing behind");
    second.stop().await;

    let mut stranger = network.init_options(&folder.path().join("stranger"), "delta");
    let copy = folder.path().join("trust.json");
    std::fs::copy(&network.trust, &copy).expect("copied");
    stranger.trust = copy;
    let refused = init::init(stranger.clone(), |_| ()).await.expect_err("no owner");
    assert!(matches!(refused, InitError::NoOwner(_)), "{refused}");
    stranger.owner = Some("delta.test.near".parse().expect("an account"));
    let made = init::init(stranger, |_| ()).await.expect("a home without registration");
    assert!(!made.active);
    assert!(made.commands.iter().any(|command| command.contains(&made.near_key)), "{:?}", made.commands);
    network.stop().await;
}
