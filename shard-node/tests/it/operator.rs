//! An operator at a shell: the real program, against an embedded network of this process.

use crate::localnet::Network;
use near_primitives::account::AccessKey;
use near_primitives::action::{Action, AddKeyAction, CreateAccountAction, TransferAction};
use near_primitives::types::Balance;
use queue::ids::AccountId;
use serde_json::Value;
use shard_node::near::{Actor, Credentials, near_account};
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The account under which all others are made.
pub const ROOT: &str = "test.near";

/// The network, and a folder for whatever the operator keeps.
pub struct Operator {
    pub network: Network,
    pub folder: tempfile::TempDir,
}

/// What a command printed, and how it ended.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        Ran { code: output.status.code(), stdout: output.stdout, stderr }
    }
}

impl fmt::Debug for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code {:?}, stdout {:?}, stderr {:?}", self.code, self.text(), self.stderr)
    }
}

impl Ran {
    /// What went to stdout, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The printed object of a command that succeeded.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The words of a command that failed.
    #[track_caller]
    pub fn refusal(&self) -> &str {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert_eq!(self.text(), "", "a refusal goes to stderr");
        &self.stderr
    }
}

impl Operator {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let network = Network::start(&folder.path().join("near")).await;
        Operator { network, folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of keys that the embedded network keeps.
    pub fn credentials(&self) -> PathBuf {
        self.path("near/credentials")
    }

    /// Runs the program with `--json`, where nothing but the arguments says where keys are.
    pub async fn run(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shard-node"));
        command.arg("--json").args(args).env("HOME", self.folder.path()).current_dir(self.folder.path());
        tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs").into()
    }

    /// The same, against the network's own bridge, with its keys at hand.
    pub async fn on_bridge(&self, args: &[&str]) -> Ran {
        let [trust, keys] = [self.network.trust.clone(), self.credentials()];
        let bridge = ["--near", &self.network.rpc, "--trust", trust.to_str().expect("UTF-8")];
        self.run(&[args, &bridge, &["--credentials-dir", keys.to_str().expect("UTF-8")]].concat()).await
    }

    /// The same, of what asks and signs nothing.
    pub async fn ask(&self, args: &[&str]) -> Ran {
        let trust = self.network.trust.clone();
        self.run(&[args, &["--near", &self.network.rpc, "--trust", trust.to_str().expect("UTF-8")]].concat()).await
    }

    /// Makes a home with a registered shard.
    pub async fn init(&self, shard: &str) -> Value {
        let trust = self.network.trust.clone();
        let args = ["init", "--home", shard, "--shard", shard, "--near", &self.network.rpc, "--trust"];
        self.run(&[&args[..], &[trust.to_str().expect("UTF-8")]].concat()).await.json()
    }

    /// Makes an account with a key, and gives both as near-cli would keep them.
    pub async fn make_account(&self, name: &str) -> Credentials {
        let root: Credentials = serde_json::from_slice(
            &std::fs::read(self.credentials().join(format!("localnet/{ROOT}.json"))).expect("a key file"),
        )
        .expect("a key");
        let account: AccountId = name.parse().expect("an account id");
        let private_key = shard_node::keys::generate_near_key().expect("randomness");
        let public_key = private_key.public_key();
        let actor = Actor::new(self.network.client(), &ROOT.parse().expect("an account id"), root.private_key);
        let actions = vec![
            Action::CreateAccount(CreateAccountAction {}),
            Action::Transfer(TransferAction { deposit: Balance::from_near(50) }),
            Action::AddKey(Box::new(AddKeyAction {
                public_key: public_key.clone(),
                access_key: AccessKey::full_access(),
            })),
        ];
        actor.transact(near_account(&account), actions).await.expect("sent").result.expect("made");
        Credentials { account_id: near_account(&account), public_key, private_key }
    }
}
