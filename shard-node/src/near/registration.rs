//! Registers a shard: its owner's account, its name, its derived key. Every step looks first
//! whether it was done before, so that an interrupted registration is finished by the next.

use super::{Actor, NearClient, NearError, TransactError, near_account};
use near_crypto::{PublicKey as NearPublicKey, SecretKey};
use near_primitives::account::{AccessKey, AccessKeyPermission, FunctionCallPermission};
use near_primitives::action::{Action, AddKeyAction, CreateAccountAction, TransferAction};
use near_primitives::types::Balance;
use queue::contract::{ReserveArgs, ShardArgs, ShardStatus, ShardView, method};
use queue::ids::{AccountId, ShardId};
use queue::trust::Curve;
use std::time::Duration;

/// Attached to `reserve`. The contract keeps the price of a shard's storage, some 0.1 NEAR, and a
/// million yoctoNEAR for the signer; the rest comes back.
pub const RESERVE_DEPOSIT: Balance = Balance::from_millinear(250);

/// Gas for `reserve`, which writes a few records, in Tgas.
pub const RESERVE_TGAS: u64 = 30;

/// Gas for `activate`, which has the signer derive a key, in Tgas.
pub const ACTIVATE_TGAS: u64 = 60;

/// How often the signer is asked for the derived key before giving up.
const ACTIVATIONS_MAX: u32 = 20;

/// Pause between two of them.
const ACTIVATION_PAUSE: Duration = Duration::from_secs(1);

/// Methods that the node's access key may call. None moves money, members or addresses: whoever
/// steals the key can spend the owner's gas, and nothing else.
pub const NODE_METHODS: [&str; 4] = [method::ATTEST, method::SUBMIT, method::CLOSE, method::ACTIVATE];

/// Why a shard isn't registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// NEAR can't be asked.
    #[error(transparent)]
    Near(#[from] NearError),
    /// A transaction has no outcome.
    #[error(transparent)]
    Transact(#[from] TransactError),
    /// The name belongs to others.
    #[error("shard name {shard} is taken by {owner}, and names are never given twice: choose another --shard")]
    NameTaken {
        /// The name.
        shard: ShardId,
        /// Who has it.
        owner: AccountId,
    },
    /// The owner's account belongs to others.
    #[error(
        "account {0} exists, and neither this home nor the key file has a key to it: choose another --owner, or give its --key-file"
    )]
    OwnerTaken(AccountId),
    /// A transaction was executed and failed.
    #[error("{step} failed: {reason}")]
    Failed {
        /// What was being done.
        step: &'static str,
        /// The network's or the contract's reason.
        reason: String,
    },
    /// The signer gives no key.
    #[error("shard {0} is reserved, but NEAR's signer has not given its key yet: run init again later")]
    NotActivated(ShardId),
}

/// A key with which accounts are made, as NEAR's tools keep it.
#[derive(Debug, Clone)]
pub struct Sponsor {
    /// The account that pays.
    pub account: AccountId,
    /// One of its full-access keys.
    pub key: SecretKey,
}

/// A shard to be registered.
#[derive(Debug)]
pub struct Registration {
    /// The network and the bridge.
    pub client: NearClient,
    /// The account that shall own the shard.
    pub owner: AccountId,
    /// The public half of the node's NEAR access key.
    pub node_key: NearPublicKey,
    /// What the owner's account is given if it has to be made.
    pub owner_balance: Balance,
    /// What `reserve` is called with.
    pub args: ReserveArgs,
}

impl Registration {
    /// The arguments with which a node registers: one member, one TLS key.
    pub fn args(
        shard: ShardId,
        member: queue::trust::PublicKey,
        transport: queue::trust::PublicKey,
        addresses: Vec<String>,
        curve: Curve,
    ) -> ReserveArgs {
        ReserveArgs { shard, members: vec![member], threshold: 1, curve, transport_keys: vec![transport], addresses }
    }

    /// The registered shard, if the name is this node's.
    ///
    /// # Errors
    /// [`RegistrationError::NameTaken`] if it is somebody else's.
    pub async fn registered(&self) -> Result<Option<ShardView>, RegistrationError> {
        let Some(view) = self.client.shard(&self.args.shard).await? else { return Ok(None) };
        if !self.args.members.iter().all(|member| view.members.contains(member)) {
            return Err(RegistrationError::NameTaken { shard: view.shard, owner: view.owner });
        }
        Ok(Some(view))
    }

    /// Makes the owner's account if it isn't there, and gives the node its access key to it.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub async fn ensure_owner(&self, sponsor: &Sponsor) -> Result<(), RegistrationError> {
        let owner = near_account(&self.owner);
        if self.client.nonce(&owner, &self.node_key).await?.is_some() {
            return Ok(());
        }
        let node_key = self.node_access();
        if self.client.balance(&self.owner).await?.is_none() {
            let actor = Actor::new(self.client.clone(), &sponsor.account, sponsor.key.clone());
            let actions = vec![
                Action::CreateAccount(CreateAccountAction {}),
                Action::Transfer(TransferAction { deposit: self.owner_balance }),
                add_key(sponsor.key.public_key(), AccessKey::full_access()),
                node_key,
            ];
            return self.transact(&actor, "creating the owner's account", actions).await;
        }
        if self.client.nonce(&owner, &sponsor.key.public_key()).await?.is_none() {
            return Err(RegistrationError::OwnerTaken(self.owner.clone()));
        }
        let actor = Actor::new(self.client.clone(), &self.owner, sponsor.key.clone());
        self.transact(&actor, "adding the node's access key", vec![node_key]).await
    }

    /// Takes the shard's name for its owner.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub async fn reserve(&self, sponsor: &Sponsor) -> Result<(), RegistrationError> {
        let actor = Actor::new(self.client.clone(), &self.owner, sponsor.key.clone());
        let outcome = actor.call_bridge(method::RESERVE, json(&self.args), RESERVE_TGAS, RESERVE_DEPOSIT).await?;
        match outcome.result {
            Ok(_) => Ok(()),
            // Somebody else may have taken the name meanwhile: then that is the answer.
            Err(reason) => match self.registered().await? {
                Some(_) => Ok(()),
                None => Err(RegistrationError::Failed { step: "reserving the name", reason }),
            },
        }
    }

    /// Has the contract fetch the shard's derived key, with the node's access key.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub async fn activate(&self, node_key: &SecretKey) -> Result<ShardView, RegistrationError> {
        let actor = Actor::new(self.client.clone(), &self.owner, node_key.clone());
        let args = json(&ShardArgs { shard: self.args.shard.clone() });
        for _ in 0..ACTIVATIONS_MAX {
            if let Some(view) = self.registered().await?.filter(|view| view.status == ShardStatus::Active) {
                return Ok(view);
            }
            let outcome = actor.call_bridge(method::ACTIVATE, args.clone(), ACTIVATE_TGAS, Balance::ZERO).await?;
            match outcome.result.as_deref() {
                Ok(b"null") => tokio::time::sleep(ACTIVATION_PAUSE).await,
                Ok(_) => {}
                Err(reason) => {
                    return Err(RegistrationError::Failed { step: "activating the shard", reason: reason.clone() });
                }
            }
        }
        Err(RegistrationError::NotActivated(self.args.shard.clone()))
    }

    /// What the owner has to run where its credentials are, for near-cli.
    pub fn near_cli_commands(&self, network: &str) -> Vec<String> {
        let Registration { client, owner, node_key, args, .. } = self;
        let bridge = client.bridge();
        let methods = NODE_METHODS.join(", ");
        let reserve = String::from_utf8_lossy(&json(args)).into_owned();
        let activate = String::from_utf8_lossy(&json(&ShardArgs { shard: args.shard.clone() })).into_owned();
        let send = format!("network-config {network} sign-with-keychain send");
        vec![
            format!(
                "near account add-key {owner} grant-function-call-access --allowance unlimited \
                 --contract-account-id {bridge} --function-names '{methods}' \
                 use-manually-provided-public-key {node_key} {send}"
            ),
            format!(
                "near contract call-function as-transaction {bridge} {} json-args '{reserve}' \
                 prepaid-gas '{RESERVE_TGAS} Tgas' attached-deposit '{} yoctoNEAR' sign-as {owner} {send}",
                method::RESERVE,
                RESERVE_DEPOSIT.as_yoctonear()
            ),
            format!(
                "near contract call-function as-transaction {bridge} {} json-args '{activate}' \
                 prepaid-gas '{ACTIVATE_TGAS} Tgas' attached-deposit '0 NEAR' sign-as {owner} {send}",
                method::ACTIVATE
            ),
        ]
    }

    fn node_access(&self) -> Action {
        let permission = FunctionCallPermission {
            allowance: None,
            receiver_id: self.client.bridge().to_string(),
            method_names: NODE_METHODS.map(str::to_owned).to_vec(),
        };
        let permission = AccessKeyPermission::FunctionCall(permission);
        add_key(self.node_key.clone(), AccessKey { nonce: 0, permission })
    }

    async fn transact(&self, actor: &Actor, step: &'static str, actions: Vec<Action>) -> Result<(), RegistrationError> {
        let outcome = actor.transact(near_account(&self.owner), actions).await?;
        outcome.result.map(|_| ()).map_err(|reason| RegistrationError::Failed { step, reason })
    }
}

fn add_key(public_key: NearPublicKey, access_key: AccessKey) -> Action {
    Action::AddKey(Box::new(AddKeyAction { public_key, access_key }))
}

fn json(args: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(args).expect("the arguments have string keys only")
}
