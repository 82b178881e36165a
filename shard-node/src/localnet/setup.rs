//! What a new network begins with: accounts, the signer, and the bridge contract, deployed by
//! transactions as on any other network. Every step is skipped if it was done before.

use super::{Ledger, LocalnetError, unix_ns};
use crate::home::{self, Home};
use crate::keys;
use crate::near::{Credentials, near_account, sign_transaction};
use chain::near_crypto::{PublicKey, SecretKey};
use chain::near_primitives::account::AccessKey;
use chain::near_primitives::action::{
    Action, AddKeyAction, CreateAccountAction, DeleteKeyAction, DeployContractAction, FunctionCallAction,
    TransferAction,
};
use chain::near_primitives::types::{AccountId, Balance, Gas};
use chain::near_primitives::views::{ExecutionStatusView, FinalExecutionStatus, TxExecutionStatus};
use chain::{DEFAULT_BLOCK_INTERVAL_NS, Genesis, GenesisAccount, PROTOCOL_VERSION, SignerGenesis};
use queue::contract::{InitArgs, method};
use queue::trust::TrustRoot;

/// Name of the network, as in its credentials' path.
const NETWORK: &str = "localnet";

/// The funded account under which all others are made.
pub const ROOT_ACCOUNT: &str = "test.near";

/// The bridge contract's account.
const BRIDGE_ACCOUNT: &str = "bridge.test.near";

/// The chain-signature signer's account, named as on mainnet.
pub const SIGNER_ACCOUNT: &str = "v1.signer";

/// Balance of the root account: no test runs out of it.
const ROOT_BALANCE: Balance = Balance::from_near(1_000_000_000);

/// What the bridge's account is given: its code takes some 2 NEAR of storage, shards pay for their own.
const BRIDGE_BALANCE: Balance = Balance::from_near(100);

/// Gas for `init`, which draws the instance id and writes one record, in Tgas.
const INIT_TGAS: u64 = 30;

/// Gas for `sync_signer`, which asks the signer for four keys at 20 each, in Tgas.
const SYNC_SIGNER_TGAS: u64 = 200;

/// The built contract, as the repository keeps it.
pub const BRIDGE_WASM: &[u8] = include_bytes!("../../../bridge-contract/res/bridge_contract.wasm");

/// Opens the chain of `home`, and sees to it that it has the bridge contract.
pub(super) fn open(home: &Home, signer_delay_ms: u64) -> Result<(Ledger, TrustRoot), LocalnetError> {
    // The key is on disk before the chain that knows it.
    let root = root_key(home)?;
    let public_key = root.public_key();
    let mut ledger = Ledger::open(home, || genesis(public_key, signer_delay_ms))?;
    let mut deployer = Deployer { ledger: &mut ledger, root };
    let trust = deployer.ensure_bridge()?;
    Ok((ledger, trust))
}

fn root_key(home: &Home) -> Result<SecretKey, LocalnetError> {
    let path = Credentials::path(home.root(), NETWORK, ROOT_ACCOUNT);
    if path.exists() {
        let credentials: Credentials = serde_json::from_str(&home::read_bounded(&path)?)
            .map_err(|error| home::HomeError::Malformed { path, reason: error.to_string() })?;
        return Ok(credentials.private_key);
    }
    let private_key = keys::generate_near_key()?;
    let public_key = private_key.public_key();
    let credentials = Credentials { account_id: account(ROOT_ACCOUNT), public_key, private_key };
    home::write_json(&path, &credentials)?;
    Ok(credentials.private_key)
}

fn genesis(root: PublicKey, signer_delay_ms: u64) -> Result<Genesis, LocalnetError> {
    Ok(Genesis {
        chain_id: NETWORK.to_owned(),
        protocol_version: PROTOCOL_VERSION,
        time_ns: unix_ns(),
        seed: keys::random()?,
        accounts: vec![GenesisAccount {
            id: account(ROOT_ACCOUNT),
            balance_yocto: ROOT_BALANCE.as_yoctonear(),
            full_access_keys: vec![root],
            code: None,
        }],
        signer: Some(SignerGenesis {
            account_id: account(SIGNER_ACCOUNT),
            delay_ns: signer_delay_ms.saturating_mul(1_000_000),
        }),
        block_interval_ns: DEFAULT_BLOCK_INTERVAL_NS,
    })
}

/// Deploys the bridge contract with the root account's key.
struct Deployer<'a> {
    ledger: &'a mut Ledger,
    root: SecretKey,
}

impl Deployer<'_> {
    fn ensure_bridge(&mut self) -> Result<TrustRoot, LocalnetError> {
        let (root, bridge) = (account(ROOT_ACCOUNT), account(BRIDGE_ACCOUNT));
        if self.ledger.view().account(&bridge).is_none() {
            self.transact("creating its account", &root, self.creation())?;
        }
        if self.ledger.view().code(&bridge).is_none() {
            let deployment = self.deployment()?;
            self.transact("deploying its code", &bridge, deployment)?;
        }
        let trust = self.trust()?;
        if trust.secp256k1.is_some() && trust.ed25519.is_some() {
            return Ok(trust);
        }
        let sync = call(method::SYNC_SIGNER, b"{}".to_vec(), SYNC_SIGNER_TGAS);
        self.transact("asking the signer for its keys", &root, vec![sync])?;
        let trust = self.trust()?;
        if trust.secp256k1.is_none() || trust.ed25519.is_none() {
            return Err(failed("asking the signer for its keys", "the contract did not get them".to_owned()));
        }
        Ok(trust)
    }

    fn creation(&self) -> Vec<Action> {
        let public_key = self.root.public_key();
        vec![
            Action::CreateAccount(CreateAccountAction {}),
            Action::Transfer(TransferAction { deposit: BRIDGE_BALANCE }),
            Action::AddKey(Box::new(AddKeyAction { public_key, access_key: AccessKey::full_access() })),
        ]
    }

    /// The contract initialises itself in the transaction that deploys it, and nobody keeps a key
    /// to its account.
    fn deployment(&self) -> Result<Vec<Action>, LocalnetError> {
        let args = InitArgs {
            network: NETWORK.parse().expect("a network name of lower-case letters"),
            signer: SIGNER_ACCOUNT.parse().expect("an account id"),
            admin: ROOT_ACCOUNT.parse().expect("an account id"),
            open_registration: None,
        };
        let args = serde_json::to_vec(&args).map_err(|error| failed("deploying its code", error.to_string()))?;
        Ok(vec![
            Action::DeployContract(DeployContractAction { code: BRIDGE_WASM.to_vec() }),
            call(method::INIT, args, INIT_TGAS),
            Action::DeleteKey(Box::new(DeleteKeyAction { public_key: self.root.public_key() })),
        ])
    }

    fn trust(&self) -> Result<TrustRoot, LocalnetError> {
        let step = "reading its trust root";
        let answer = self.ledger.view().call(&account(BRIDGE_ACCOUNT), method::TRUST, b"{}");
        let answer = answer.map_err(|error| failed(step, error.to_string()))?;
        serde_json::from_slice(&answer).map_err(|error| failed(step, error.to_string()))
    }

    /// Executes `actions` of `signer` on the bridge's account, with all receipts.
    fn transact(&mut self, step: &'static str, signer: &AccountId, actions: Vec<Action>) -> Result<(), LocalnetError> {
        let view = self.ledger.view();
        let key = view.access_key(signer, &self.root.public_key());
        let nonce = key.ok_or_else(|| failed(step, format!("{signer} lacks the root key")))?.nonce + 1;
        let bridge = account(BRIDGE_ACCOUNT);
        let signed = sign_transaction(signer, &self.root, nonce, bridge, view.block_hash(), actions);
        let hash = self.ledger.submit(signed).map_err(|error| failed(step, error.to_string()))?;
        loop {
            let now_ns = unix_ns();
            let Some(due_ns) = self.ledger.next_block_at(now_ns) else {
                return Err(failed(step, "the transaction got no outcome".to_owned()));
            };
            self.ledger.make_block(now_ns.max(due_ns))?;
            let Some(status) = self.ledger.view().transaction_status(&hash) else { continue };
            if status.level != TxExecutionStatus::Final {
                continue;
            }
            if let FinalExecutionStatus::Failure(error) = status.outcome.status {
                return Err(failed(step, error.to_string()));
            }
            let receipts = status.outcome.receipts_outcome.into_iter();
            let failure = receipts.map(|receipt| receipt.outcome.status).find_map(|status| match status {
                ExecutionStatusView::Failure(error) => Some(error),
                _ => None,
            });
            return failure.map_or(Ok(()), |error| Err(failed(step, error.to_string())));
        }
    }
}

fn call(method: &str, args: Vec<u8>, tgas: u64) -> Action {
    Action::FunctionCall(Box::new(FunctionCallAction {
        method_name: method.to_owned(),
        args,
        gas: Gas::from_teragas(tgas),
        deposit: Balance::ZERO,
    }))
}

fn failed(step: &'static str, reason: String) -> LocalnetError {
    LocalnetError::Setup { step, reason }
}

/// One of the account ids above.
fn account(id: &str) -> AccountId {
    near_account(&id.parse().expect("the constants of this file are account ids"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does the first `steps` of the setup, as if the process had been killed after them.
    fn interrupted(home: &Home, steps: usize) {
        let root = root_key(home).expect("a key");
        let public_key = root.public_key();
        if steps == 0 {
            return;
        }
        let mut ledger = Ledger::open(home, || genesis(public_key, 0)).expect("a chain");
        let mut deployer = Deployer { ledger: &mut ledger, root };
        if steps > 1 {
            deployer.transact("creation", &account(ROOT_ACCOUNT), deployer.creation()).expect("created");
        }
        if steps > 2 {
            let deployment = deployer.deployment().expect("arguments");
            deployer.transact("deployment", &account(BRIDGE_ACCOUNT), deployment).expect("deployed");
        }
    }

    #[test]
    fn an_interrupted_setup_is_finished_by_the_next_start_and_then_left_alone() {
        for steps in 0..4 {
            let folder = tempfile::tempdir().expect("a folder");
            let home = Home::at(folder.path());
            interrupted(&home, steps);
            let (ledger, trust) = open(&home, 0).expect("finished");
            assert!(trust.secp256k1.is_some() && trust.ed25519.is_some(), "interrupted after {steps}");
            assert!(ledger.view().access_keys(&account(BRIDGE_ACCOUNT)).is_empty(), "nobody may replace the code");
            let height = ledger.view().height();
            drop(ledger);
            let (ledger, again) = open(&home, 0).expect("opened");
            assert_eq!((again, ledger.view().height()), (trust, height));
        }
    }
}
