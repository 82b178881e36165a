//! Begins a shard anew whose data are lost: its owner opens an incarnation in the bridge contract, and
//! an empty store becomes the beginning of it.
//!
//! Every step looks first whether it was done before, and what is meant is written down before the
//! contract is asked: a recovery that is cut anywhere is finished by the next run, and opens no second
//! incarnation.

use crate::config::Config;
use crate::daemon::engine_config;
use crate::home::{self, HOME_FORMAT, Home, HomeError, HomeLock};
use crate::keys::Keys;
use crate::near::{ACTIVATE_TGAS, Actor, NearClient, NearError, TransactError, disagreement};
use crate::store::{DiskStore, OpenError};
use near_primitives::types::Balance;
use queue::contract::{ShardArgs, ShardView, TipView, method};
use queue::engine::{Engine, Now, RegisteredShard, Stop, begin_incarnation};
use queue::ids::ShardId;
use queue::store::{Store as _, StoreError};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

/// How often the signer is asked for the new epoch's key before giving up.
const ACTIVATIONS_MAX: u32 = 20;

/// Pause between two of them.
const ACTIVATION_PAUSE: Duration = Duration::from_secs(1);

/// How long the disk may take to make the first turn durable.
const SYNC_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a shard doesn't begin anew.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The home can't be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file or folder of the home can't be used.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What failed.
        error: std::io::Error,
    },
    /// NEAR can't be asked.
    #[error(transparent)]
    Near(#[from] NearError),
    /// A transaction has no outcome.
    #[error(transparent)]
    Transact(#[from] TransactError),
    /// The server is of another bridge.
    #[error("{reason} ({url}); check near_rpc and trust in the home's configuration")]
    WrongTrust {
        /// What differs.
        reason: String,
        /// The server's address.
        url: String,
    },
    /// The shard isn't registered.
    #[error("shard {0} is not registered with the bridge: there is nothing to recover, `shard-node init` registers it")]
    NotRegistered(ShardId),
    /// The home's node could not attest.
    #[error(
        "the member key {key} of this home is not a member of shard {shard}: \
         have its owner replace the members first, with `shard-node shard rotate`"
    )]
    NoMember {
        /// The shard.
        shard: ShardId,
        /// The home's member key.
        key: String,
    },
    /// Nothing is lost.
    #[error(
        "this home has the bridge contract's tip of shard {shard}: nothing is lost, start its node with `shard-node run`"
    )]
    NothingLost {
        /// The shard.
        shard: ShardId,
    },
    /// Somebody else has recovered the shard meanwhile.
    #[error(
        "shard {shard} is in incarnation {found}, this home was about to begin {expected}: it began anew elsewhere. \
         Start the node that did; or remove {file}, and recover once more"
    )]
    Overtaken {
        /// The shard.
        shard: ShardId,
        /// The contract's incarnation.
        found: u32,
        /// The one that was meant.
        expected: u32,
        /// What was written down.
        file: PathBuf,
    },
    /// The owner has not opened the incarnation.
    #[error("the bridge contract has shard {shard} in incarnation {found}: its owner has to open {expected} first")]
    NotOpened {
        /// The shard.
        shard: ShardId,
        /// The contract's incarnation.
        found: u32,
        /// The one that is meant.
        expected: u32,
    },
    /// The signer gives no key.
    #[error("incarnation {0} is open, but NEAR's signer has not given its key yet: run this again later")]
    NotActivated(u32),
    /// The contract refuses the key epoch's activation.
    #[error("activating the key epoch failed: {0}")]
    Activation(String),
    /// The store can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store can't become the beginning of the incarnation.
    #[error(transparent)]
    Begin(#[from] queue::engine::RecoveryError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was decided, as `recovery.json` in the home keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Intent {
    format: u32,
    /// The incarnation that begins.
    incarnation: u32,
}

/// A home whose shard is to begin anew. No other process can use it meanwhile.
#[derive(Debug)]
pub struct Recovery {
    home: Home,
    config: Config,
    keys: Keys,
    client: NearClient,
    view: ShardView,
    tip: Option<TipView>,
    intent: Option<Intent>,
    _lock: HomeLock,
}

/// A shard that has begun anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// The shard.
    pub shard: ShardId,
    /// Its incarnation.
    pub incarnation: u32,
    /// The height of its next checkpoint.
    pub first_height: u64,
    /// Where the store of before was set aside, if there was one.
    pub set_aside: Option<PathBuf>,
}

impl Recovery {
    /// Looks at a home and at what the bridge contract has.
    ///
    /// # Errors
    /// [`RecoveryError`], also if nothing is lost.
    pub async fn open(home: Home) -> Result<Self, RecoveryError> {
        let lock = home.lock()?;
        let (config, keys) = (home.read_config()?, home.read_keys()?);
        let client = NearClient::new(&config.near_rpc, &config.trust.domain.bridge)?;
        if let Some(reason) = disagreement(&config.trust, &client.trust().await?) {
            return Err(RecoveryError::WrongTrust { reason, url: client.url().to_owned() });
        }
        let (view, tip) = look(&client, &config.shard).await?;
        let own = keys.member_public();
        if !view.members.contains(&own) {
            return Err(RecoveryError::NoMember { shard: view.shard, key: own.to_string() });
        }
        let path = intent_path(&home);
        let intent: Option<Intent> = if path.exists() { Some(home::read_json(&path)?) } else { None };
        let recovery = Recovery { home, config, keys, client, view, tip, intent, _lock: lock };
        match &recovery.intent {
            Some(intent) if recovery.view.incarnation > intent.incarnation => Err(RecoveryError::Overtaken {
                shard: recovery.view.shard,
                found: recovery.view.incarnation,
                expected: intent.incarnation,
                file: path,
            }),
            None if recovery.has_tip()? => Err(RecoveryError::NothingLost { shard: recovery.view.shard }),
            _ => Ok(recovery),
        }
    }

    /// The shard, as the contract has it.
    pub fn shard(&self) -> &ShardView {
        &self.view
    }

    /// The network and the bridge.
    pub fn client(&self) -> &NearClient {
        &self.client
    }

    /// The network's name.
    pub fn network(&self) -> &str {
        self.config.trust.domain.network.as_str()
    }

    /// Height of the contract's tip.
    pub fn tip_height(&self) -> Option<u64> {
        self.tip.as_ref().map(|tip| tip.checkpoint.height)
    }

    /// The incarnation that is to begin.
    pub fn incarnation(&self) -> u32 {
        self.intent.as_ref().map_or(self.view.incarnation.saturating_add(1), |intent| intent.incarnation)
    }

    /// Whether the owner has opened it.
    pub fn is_opened(&self) -> bool {
        self.intent.is_some() && self.view.incarnation == self.incarnation()
    }

    /// Writes down, durably, which incarnation is to begin. Only then may the owner open it.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn intend(&mut self) -> Result<(), RecoveryError> {
        let intent = Intent { format: HOME_FORMAT, incarnation: self.incarnation() };
        home::write_json(&intent_path(&self.home), &intent)?;
        self.intent = Some(intent);
        Ok(())
    }

    /// Once the owner has opened the incarnation: fetches its key, sets the store of before aside,
    /// and makes an empty one begin behind the contract's tip. `step` is told what is being done.
    ///
    /// # Errors
    /// [`RecoveryError`]; to be tried again.
    pub async fn finish(mut self, step: impl Fn(&str)) -> Result<Recovered, RecoveryError> {
        let expected = self.incarnation();
        step("waiting for the signer's key");
        self.activate(expected).await?;
        step("beginning the store anew");
        let own = RegisteredShard {
            shard: self.view.shard.clone(),
            incarnation: self.view.incarnation,
            key_epoch: self.view.key_epoch,
            epoch_first_height: self.view.epoch_first_height,
        };
        let set_aside = match self.begin(&own) {
            Err(error) if is_of_before(&error) => {
                let aside = self.set_aside()?;
                self.begin(&own)?;
                Some(aside)
            }
            begun => begun.map(|()| None)?,
        };
        let path = intent_path(&self.home);
        fs::remove_file(&path).map_err(|error| RecoveryError::Io { path, error })?;
        let (shard, incarnation) = (own.shard, own.incarnation);
        Ok(Recovered { shard, incarnation, first_height: own.epoch_first_height, set_aside })
    }

    /// Has the contract fetch the new epoch's key, with the node's own access key.
    async fn activate(&mut self, expected: u32) -> Result<(), RecoveryError> {
        let actor = Actor::new(self.client.clone(), &self.config.owner, self.keys.near.clone());
        let args = ShardArgs { shard: self.config.shard.clone() };
        let args = serde_json::to_vec(&args).map_err(|error| RecoveryError::Activation(error.to_string()))?;
        for attempt in 0..ACTIVATIONS_MAX {
            (self.view, self.tip) = look(&self.client, &self.config.shard).await?;
            if self.view.incarnation != expected {
                let (shard, found) = (self.view.shard.clone(), self.view.incarnation);
                return Err(RecoveryError::NotOpened { shard, found, expected });
            }
            if self.view.public_key.is_some() {
                return Ok(());
            }
            if attempt > 0 {
                tokio::time::sleep(ACTIVATION_PAUSE).await;
            }
            let outcome = actor.call_bridge(method::ACTIVATE, args.clone(), ACTIVATE_TGAS, Balance::ZERO).await?;
            outcome.result.map_err(RecoveryError::Activation)?;
        }
        Err(RecoveryError::NotActivated(expected))
    }

    /// Whether the home's store is the newest: the contract's tip is in it.
    fn has_tip(&self) -> Result<bool, RecoveryError> {
        if !self.home.store_path().exists() || self.tip.is_none() {
            return Ok(false);
        }
        let (store, _) = match self.open_store() {
            Err(error) if is_of_before(&error) => return Ok(false),
            opened => opened?,
        };
        let now = Now { mono_ns: 0, unix_ns: 0 };
        match Engine::open(self.engine_config()?, store, now) {
            Ok(mut engine) => Ok(engine.handle_tip(self.tip.clone(), now).is_ok()),
            Err(Stop::Store(StoreError::Medium(reason))) => Err(StoreError::Medium(reason).into()),
            Err(_) => Ok(false),
        }
    }

    /// Makes the store begin with the incarnation, durably, if it is empty or does so already.
    fn begin(&self, own: &RegisteredShard) -> Result<(), RecoveryError> {
        let (mut store, durable) = self.open_store()?;
        let turn = begin_incarnation(&self.engine_config()?, &mut store, own, self.tip.as_ref())?;
        while store.poll_durable()? < turn {
            if durable.recv_timeout(SYNC_TIMEOUT).is_err() {
                return Err(StoreError::Medium(format!("it syncs nothing within {SYNC_TIMEOUT:?}")).into());
            }
        }
        Ok(())
    }

    /// Opens the store; the channel tells whenever more is durable.
    fn open_store(&self) -> Result<(DiskStore, mpsc::Receiver<()>), RecoveryError> {
        let (sender, durable) = mpsc::channel();
        // Nobody listens any more once the store is being closed.
        let notify = move || {
            let _ = sender.send(());
        };
        Ok((DiskStore::open(&self.home.store_path(), Box::new(notify))?, durable))
    }

    fn engine_config(&self) -> Result<queue::engine::Config, RecoveryError> {
        let trust = self.config.trust.clone();
        let path = self.home.store_path();
        engine_config(&self.home, &self.config, &self.keys, &trust).map_err(|error| RecoveryError::Io { path, error })
    }

    /// Moves the store of before out of the way.
    fn set_aside(&self) -> Result<PathBuf, RecoveryError> {
        let (root, incarnation) = (self.home.root(), self.view.incarnation);
        let names = (0..).map(|times| match times {
            0 => format!("store.before-incarnation-{incarnation}"),
            times => format!("store.before-incarnation-{incarnation}.{times}"),
        });
        let free = names.map(|name| root.join(name)).find(|path| !path.exists());
        let aside = free.expect("there are more names than files");
        let store = self.home.store_path();
        let moved = fs::rename(&store, &aside).and_then(|()| File::open(root)?.sync_all());
        moved.map_err(|error| RecoveryError::Io { path: store, error })?;
        Ok(aside)
    }
}

/// The shard and its tip, each at `final`.
async fn look(client: &NearClient, shard: &ShardId) -> Result<(ShardView, Option<TipView>), RecoveryError> {
    let view = client.shard(shard).await?.ok_or_else(|| RecoveryError::NotRegistered(shard.clone()))?;
    Ok((view, client.tip(shard).await?))
}

/// Whether the store holds something else than the beginning of the incarnation, sound or not.
fn is_of_before(error: &RecoveryError) -> bool {
    use queue::engine::RecoveryError::NotEmpty;
    matches!(
        error,
        RecoveryError::Begin(NotEmpty(_))
            | RecoveryError::Open(OpenError::Damaged { .. } | OpenError::OtherFormat { .. })
    )
}

fn intent_path(home: &Home) -> PathBuf {
    home.root().join("recovery.json")
}
