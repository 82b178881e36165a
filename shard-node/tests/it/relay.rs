//! The relay between daemons: whom it talks to may change while it runs, and what keeps two nodes
//! apart is said.

use crate::fleet::until_there_is;
use crate::localnet::Network;
use crate::mallory::log_lines;
use crate::mallory::stage::{Node, TIME_LIMIT, inbound, outbound};
use crate::mallory::wire::{self, Session};
use ed25519_dalek::SigningKey;
use near_primitives::types::Balance;
use queue::contract::{SetTransportArgs, method};
use queue::ids::{AccountId, ShardId};
use queue::trust::PublicKey;
use rustix::process::{Pid, Signal, kill_process};
use shard_node::api::types::NewMessage;
use shard_node::client::{Client, ClientError};
use shard_node::config::Config;
use shard_node::home::Home;
use shard_node::init;
use shard_node::near::{Actor, Credentials};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_closed_lanes_of_a_changed_configuration_are_applied_on_sighup() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    // The contract lists an address where nobody answers.
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let mut options = network.init_options(&folder.path().join("bob"), "bob");
    options.addresses = vec![silent.local_addr().expect("a bound socket").to_string()];
    init::init(options, |_| ()).await.expect("registered");
    let bob = Node::run(Home::at(folder.path().join("bob"))).await;
    let alice = Process::start(&network, &folder.path().join("alice"), "alice").await;

    alice.send("bob", "found").await.expect("accepted");
    alice.reload(|config| {
        config.peers.entry(bob.shard.clone()).or_default().addresses = vec![bob.p2p.to_string()];
    });
    let arrived = |size| move |lane: &queue::engine::InboundStatus| lane.delivered == size;
    bob.until(|status| inbound(status, &alice.shard).is_some_and(arrived(1))).await;

    alice.reload(|config| config.lanes.closed = [bob.shard.clone()].into());
    bob.until(|status| inbound(status, &alice.shard).is_some_and(|lane| !lane.connected)).await;
    let refused = alice.send("bob", "closed").await;
    assert!(matches!(&refused, Err(ClientError::Refused(error)) if error.code == "lane_closed"), "{refused:?}");

    alice.reload(|config| config.lanes.closed.clear());
    bob.until(|status| inbound(status, &alice.shard).is_some_and(|lane| lane.connected)).await;
    alice.send("bob", "open again").await.expect("accepted");
    bob.until(|status| inbound(status, &alice.shard).is_some_and(arrived(2))).await;
    alice.stop().await;
    bob.stop().await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_read_changes_nothing_and_says_why() {
    log_lines::capture();
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    let home = Home::at(folder.path().join("carl"));
    let carl = Node::start(&network, home.root().to_owned(), "carl").await;
    let dora = Node::start(&network, folder.path().join("dora"), "dora").await;
    carl.until(|status| outbound(status, &dora.shard).is_some_and(|lane| lane.connected)).await;
    let config = home.read_config().expect("a configuration");

    std::fs::write(home.config_path(), r#"{"format": 1, "lanes": {"closed": ["dora"]}}"#).expect("written");
    carl.reload().await;
    let told = log_lines::until(|event| {
        event["fields"]["message"] == "the configuration was not read again, and stays as it was"
    });
    let error = told.await["fields"]["error"].to_string();
    assert!(error.contains("config.json") && error.contains("missing field"), "{error}");
    carl.send(&dora.shard, "goes on").await;
    dora.until(|status| inbound(status, &carl.shard).is_some_and(|lane| lane.delivered == 1)).await;

    let moved = SocketAddr::from(([127, 0, 0, 1], 1));
    home.write_config(&Config { p2p_addr: moved, backlog_bytes_max: Some(1), ..config }).expect("written");
    carl.reload().await;
    let told = log_lines::until(|event| {
        event["fields"]["message"].as_str().is_some_and(|text| text.ends_with("takes a restart"))
    });
    assert_eq!(told.await["fields"]["fields"], "backlog_bytes_max, p2p_addr");
    carl.stop().await;
    dora.stop().await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transport_key_replaced_in_the_contract_is_followed_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    let gina = Node::start(&network, folder.path().join("gina"), "gina").await;
    let edda = Stranger::register(&network, &folder.path().join("edda"), "edda", &gina).await;
    let (older, newer) = (edda.key.clone(), SigningKey::from_bytes(&[77; 32]));
    let session = edda.dial(&gina, wire::endpoint(any_port(), &older)).await;

    edda.set_transport(&network, &newer).await;
    let (code, reason) = wire::closed(&session.connection).await.expect("closed by the node");
    assert_eq!((code, reason.as_str()), (3, "transport key is no longer listed"));
    let session = edda.dial(&gina, wire::endpoint(any_port(), &newer)).await;
    assert_eq!(session.held.0, 0);
    gina.stop().await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_another_protocol_version_is_told_from_one_that_is_away() {
    log_lines::capture();
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    let hans = Node::start(&network, folder.path().join("hans"), "hans").await;
    let version_2 = [&b"private-shard-bridge/2"[..]];
    let older = Stranger::register(&network, &folder.path().join("greta"), "greta", &hans).await;
    let endpoint = wire::endpoint_speaking(&version_2, any_port(), &older.key);
    let refused = endpoint.connect(hans.p2p, "peer.invalid").expect("dials").await.expect_err("another version");
    assert!(refused.to_string().contains("120"), "no_application_protocol is alert 120: {refused}");
    let other_version = |event: &serde_json::Value, message: &str| {
        let fields = &event["fields"];
        fields["message"] == message
            && fields["reason"].as_str().is_some_and(|text| text.contains("does not speak private-shard-bridge/1"))
    };
    log_lines::until(|event| other_version(event, "refused a connection")).await;

    let newer = Stranger::register(&network, &folder.path().join("inga"), "inga", &hans).await;
    let listening = wire::endpoint_speaking(&version_2, newer.address, &newer.key);
    let accepting = tokio::spawn(async move {
        while let Some(incoming) = listening.accept().await {
            drop(incoming.await)
        }
    });
    log_lines::until(|event| {
        event["fields"]["peer"] == "inga" && other_version(event, "cannot reach the peer; trying again")
    })
    .await;
    accepting.abort();
    hans.stop().await;
    network.stop().await;
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A registered shard without a node.
struct Stranger {
    shard: ShardId,
    owner: AccountId,
    key: SigningKey,
    address: SocketAddr,
}

impl Stranger {
    /// Registers the shard, and waits until a node has lanes with it.
    async fn register(network: &Network, home: &Path, name: &str, node: &Node) -> Self {
        let made = init::init(network.init_options(home, name), |_| ()).await.expect("registered");
        let key = Home::at(home).read_keys().expect("keys").transport;
        node.until(|status| inbound(status, &made.shard).is_some()).await;
        Stranger { shard: made.shard, owner: made.owner, key, address: made.p2p_addr }
    }

    async fn dial(&self, node: &Node, endpoint: quinn::Endpoint) -> Session {
        // A node learns of a key some polls after the contract has it.
        let dialing = async {
            loop {
                let dialed = endpoint.connect(node.p2p, "peer.invalid").expect("dials");
                if let Ok(connection) = dialed.await
                    && let Some(session) = Session::try_begin(connection).await
                {
                    return session;
                }
            }
        };
        tokio::time::timeout(TIME_LIMIT, dialing).await.expect("the node lists the key")
    }

    /// Has the contract list another key in place of the shard's own.
    async fn set_transport(&self, network: &Network, key: &SigningKey) {
        let path = network.trust.with_file_name("credentials").join("localnet").join("test.near.json");
        let credentials: Credentials = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("a key");
        let args = SetTransportArgs {
            shard: self.shard.clone(),
            transport_keys: vec![PublicKey::Ed25519(key.verifying_key().to_bytes())],
            addresses: Vec::new(),
        };
        let owner = Actor::new(network.client(), &self.owner, credentials.private_key);
        let args = serde_json::to_vec(&args).expect("JSON");
        let outcome = owner.call_bridge(method::SET_TRANSPORT, args, 30, Balance::ZERO).await.expect("executed");
        outcome.result.expect("the owner may");
    }
}

/// A node as a process of its own, which signals reach.
pub struct Process {
    shard: ShardId,
    home: Home,
    pub client: Client,
    child: Child,
}

impl Process {
    pub async fn start(network: &Network, home: &Path, shard: &str) -> Self {
        let made = init::init(network.init_options(home, shard), |_| ()).await.expect("registered");
        let mut command = Command::new(env!("CARGO_BIN_EXE_shard-node"));
        command
            .args(["run", "--json", "--home"])
            .arg(home)
            .kill_on_drop(true)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        lines.next_line().await.expect("readable").expect("the ready line");
        let home = Home::at(home);
        let client = Client::of_home(&home).expect("a home");
        let process = Process { shard: made.shard, home, client, child };
        let resumed = async || process.client.status().await.expect("a status").engine.resumed.then_some(());
        until_there_is("the node resumes", resumed).await;
        process
    }

    pub async fn send(&self, to: &str, text: &str) -> Result<(), ClientError> {
        let to = format!("ann.{to}").parse().expect("an account");
        self.client.send(NewMessage::new(to, text.as_bytes().to_vec())).await.map(drop)
    }

    /// Changes the configuration file and tells the process.
    fn reload(&self, change: impl FnOnce(&mut Config)) {
        let mut config = self.home.read_config().expect("a configuration");
        change(&mut config);
        self.home.write_config(&config).expect("written");
        self.signal(Signal::HUP);
    }

    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        assert!(self.child.wait().await.expect("waited for").success());
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("the process runs");
        kill_process(id, signal).expect("signalled");
    }
}
