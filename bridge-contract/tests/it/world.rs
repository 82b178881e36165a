//! A chain with the bridge contract, the signer, and people.

use chain::near_crypto::{ED25519SecretKey, SecretKey};
use chain::near_primitives::action::{Action, DeployContractAction, FunctionCallAction};
use chain::near_primitives::hash::CryptoHash;
use chain::near_primitives::transaction::{SignedTransaction, Transaction, TransactionV0};
use chain::near_primitives::types::{AccountId, Balance, Gas};
use chain::near_primitives::views::{ExecutionOutcomeView, FinalExecutionOutcomeView, FinalExecutionStatus, StateItem};
use chain::rpc::Reply;
use chain::{
    Chain, ContractCache, DEFAULT_BLOCK_INTERVAL_NS, Diff, FilesystemContractRuntimeCache, Genesis, GenesisAccount,
    PROTOCOL_VERSION, SignerGenesis,
};
use ed25519_dalek::{Signer as _, SigningKey};
use queue::attestation::{Attestation, AttestationError, ChainSignature, VerifiedCheckpoint};
use queue::checkpoint::Checkpoint;
use queue::contract::{
    AttestArgs, AttestResult, Endorsement, Event, InitArgs, ReserveArgs, ShardArgs, ShardView, TipView, method,
};
use queue::derivation::derive_public_key;
use queue::digest::{Hash, Native};
use queue::ids::ShardId;
use queue::statement::{Statement, StatementScope};
use queue::trust::{Curve, PublicKey, TrustRoot};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

pub const BRIDGE: &str = "bridge";
pub const OTHER_BRIDGE: &str = "bridge-b";
pub const SIGNER: &str = "v1.signer";
pub const OWNER: &str = "owner";
pub const BETA_OWNER: &str = "beta-owner";
pub const ADMIN: &str = "admin";
pub const MALLORY: &str = "mallory";
pub const NEAR: u128 = 10u128.pow(24);
pub const CURVES: [Curve; 2] = [Curve::Secp256k1, Curve::Ed25519];

/// 2026-01-01, in nanoseconds since the Unix epoch.
const START_NS: u64 = 1_767_225_600_000_000_000;

/// Compiled contracts, in cargo's folder for files of tests: compiled once for all tests, and loaded
/// once in each run.
static COMPILED: LazyLock<ContractCache> = LazyLock::new(|| {
    const LOADED_CONTRACTS_MAX: usize = 8;
    const COMPILED_BYTES_MAX: u64 = 256 * 1024 * 1024;
    let cache = FilesystemContractRuntimeCache::with_memory_cache(
        Path::new(env!("CARGO_TARGET_TMPDIR")),
        None::<&Path>,
        "contracts",
        LOADED_CONTRACTS_MAX,
        None,
        COMPILED_BYTES_MAX,
        chain::noop_background_spawner(),
    );
    Arc::new(cache.unwrap())
});

pub struct World {
    pub chain: Chain,
    pub now_ns: u64,
    /// Everything that blocks have changed since the start: what anybody can read on the chain.
    pub diffs: Vec<Diff>,
    /// The nonce that each caller used last.
    nonces: BTreeMap<String, u64>,
}

/// The contract's Wasm: the rebuilt one if the environment names it, the kept one otherwise.
pub fn wasm() -> Vec<u8> {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/res/bridge_contract.wasm").into();
    let path = std::env::var_os("BRIDGE_CONTRACT_WASM").unwrap_or(kept);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The protocol that the tests run at: the oldest that the VM runs, unless the environment names
/// another. CI runs them once more at the newest.
pub fn protocol_version() -> u32 {
    std::env::var("BRIDGE_TEST_PROTOCOL").map_or(PROTOCOL_VERSION, |version| version.parse().unwrap())
}

/// The Wasm that had root state version 1, see tests/fixtures/README.md.
pub fn wasm_v1() -> Vec<u8> {
    include_bytes!("../fixtures/bridge_contract_v1.wasm").to_vec()
}

pub fn shard(name: &str) -> ShardId {
    name.parse().unwrap()
}

pub fn account(name: &str) -> AccountId {
    name.parse().unwrap()
}

/// An ed25519 key that belongs to whoever has this name.
pub fn key_of(name: &str) -> SigningKey {
    SigningKey::from_bytes(&<Native as queue::digest::Crypto>::sha256(&[name.as_bytes()]).0)
}

pub fn public_key_of(name: &str) -> PublicKey {
    PublicKey::Ed25519(key_of(name).verifying_key().to_bytes())
}

fn near_key_of(name: &str) -> SecretKey {
    SecretKey::ED25519(ED25519SecretKey(key_of(name).to_keypair_bytes()))
}

/// The key of the only member of the shard of this name.
pub fn member_of(shard: &str) -> SigningKey {
    key_of(&format!("member of {shard}"))
}

impl World {
    /// The code is deployed at both bridge accounts, and not initialised.
    pub fn deployed() -> Self {
        Self::with_code(wasm())
    }

    /// As [`World::deployed`], with this code.
    pub fn with_code(code: Vec<u8>) -> Self {
        let genesis_account = |name: &str| GenesisAccount {
            id: account(name),
            balance_yocto: 1_000 * NEAR,
            full_access_keys: vec![near_key_of(name).public_key()],
            code: name.starts_with(BRIDGE).then(|| code.clone()),
        };
        let (mut chain, diff) = Chain::from_genesis(Genesis {
            chain_id: "localnet".to_owned(),
            protocol_version: protocol_version(),
            time_ns: START_NS,
            seed: [42; 32],
            accounts: [BRIDGE, OTHER_BRIDGE, OWNER, BETA_OWNER, ADMIN, MALLORY].map(genesis_account).into(),
            signer: Some(SignerGenesis { account_id: account(SIGNER), delay_ns: 3_000_000_000 }),
            block_interval_ns: DEFAULT_BLOCK_INTERVAL_NS,
        })
        .unwrap();
        chain.set_contract_cache(COMPILED.clone());
        World { chain, now_ns: START_NS, diffs: vec![diff], nonces: BTreeMap::new() }
    }

    /// One bridge, with the signer's root keys known.
    pub fn initialised() -> Self {
        Self::initialised_on("localnet")
    }

    /// The same on a network of this name.
    pub fn initialised_on(network: &str) -> Self {
        let mut world = Self::deployed();
        world.init_on(network, BRIDGE, SIGNER).success();
        world.json(MALLORY, BRIDGE, method::SYNC_SIGNER, &json!({}), 0).success();
        world
    }

    /// One bridge with the active shard `alpha`.
    pub fn with_alpha() -> Self {
        Self::with_alpha_on(Curve::Secp256k1)
    }

    /// One bridge with the active shard `alpha`, whose key is on this curve.
    pub fn with_alpha_on(curve: Curve) -> Self {
        let mut world = Self::initialised();
        world.json(OWNER, BRIDGE, method::RESERVE, &ReserveArgs { curve, ..reservation("alpha") }, NEAR).success();
        world.activate("alpha").success();
        world
    }

    /// One bridge with the active shards `alpha` and `beta`, of two owners.
    pub fn with_alpha_and_beta() -> Self {
        let mut world = Self::with_alpha();
        world.json(BETA_OWNER, BRIDGE, method::RESERVE, &reservation("beta"), NEAR).success();
        world.activate("beta").success();
        world
    }

    pub fn init(&mut self, bridge: &str, signer: &str) -> Outcome {
        self.init_on("localnet", bridge, signer)
    }

    pub fn init_on(&mut self, network: &str, bridge: &str, signer: &str) -> Outcome {
        let args = InitArgs {
            network: network.parse().unwrap(),
            signer: signer.parse().unwrap(),
            admin: ADMIN.parse().unwrap(),
            open_registration: None,
        };
        self.json(bridge, bridge, method::INIT, &args, 0)
    }

    /// The admin gives a role.
    pub fn grant(&mut self, role: &str, to: &str) {
        let args = json!({ "role": role, "account_id": to });
        assert!(self.json(ADMIN, BRIDGE, method::ACL_GRANT_ROLE, &args, 0).value::<bool>());
    }

    /// The bridge account deploys code with its own key, and calls a method in the same transaction.
    pub fn deploy(&mut self, code: Vec<u8>, method: &str) -> Outcome {
        let deploy = Action::DeployContract(DeployContractAction { code });
        let hash = self.submit_actions(BRIDGE, BRIDGE, vec![deploy, function_call(method, b"{}".to_vec(), 0, 100)]);
        self.run_until_idle();
        self.outcome(&hash)
    }

    pub fn reserve(&mut self, name: &str) -> Outcome {
        self.json(OWNER, BRIDGE, method::RESERVE, &reservation(name), NEAR)
    }

    pub fn activate(&mut self, name: &str) -> Outcome {
        self.json(MALLORY, BRIDGE, method::ACTIVATE, &ShardArgs { shard: shard(name) }, 0)
    }

    /// A call with JSON arguments, 300 Tgas and `yocto` attached, and all that follows from it.
    pub fn json(
        &mut self,
        caller: &str,
        contract: &str,
        method: &str,
        args: &impl serde::Serialize,
        yocto: u128,
    ) -> Outcome {
        self.call(caller, contract, method, serde_json::to_vec(args).unwrap(), yocto, 300)
    }

    /// A call to `attest` by somebody who has nothing to do with the shard.
    pub fn attest(&mut self, checkpoint: &Checkpoint, endorsements: &[Endorsement]) -> Outcome {
        self.call(MALLORY, BRIDGE, method::ATTEST, attest_args(checkpoint, endorsements), 0, 60)
    }

    /// Attests a checkpoint that the shard's member endorses.
    pub fn attest_endorsed(&mut self, checkpoint: &Checkpoint) -> Outcome {
        self.attest(checkpoint, &[endorse(checkpoint)])
    }

    pub fn call(
        &mut self,
        caller: &str,
        contract: &str,
        method: &str,
        args: Vec<u8>,
        yocto: u128,
        tgas: u64,
    ) -> Outcome {
        let hash = self.submit(caller, contract, method, args, yocto, tgas);
        self.run_until_idle();
        self.outcome(&hash)
    }

    /// Submits a call without making a block.
    pub fn submit(
        &mut self,
        caller: &str,
        contract: &str,
        method: &str,
        args: Vec<u8>,
        yocto: u128,
        tgas: u64,
    ) -> CryptoHash {
        self.submit_actions(caller, contract, vec![function_call(method, args, yocto, tgas)])
    }

    /// Submits a transaction without making a block.
    pub fn submit_actions(&mut self, caller: &str, receiver: &str, actions: Vec<Action>) -> CryptoHash {
        let key = near_key_of(caller);
        let view = self.chain.view();
        let nonce = self.nonces.entry(caller.to_owned()).or_default();
        *nonce = view.access_key(&account(caller), &key.public_key()).unwrap().nonce.max(*nonce) + 1;
        let transaction = Transaction::V0(TransactionV0 {
            signer_id: account(caller),
            public_key: key.public_key(),
            nonce: *nonce,
            receiver_id: account(receiver),
            block_hash: view.block_hash(),
            actions,
        });
        let (hash, _) = transaction.get_hash_and_size();
        let signed = SignedTransaction::new(key.sign(hash.as_ref()), transaction);
        self.chain.submit(signed).unwrap()
    }

    /// Lets time pass, in nanoseconds.
    pub fn wait(&mut self, ns: u64) {
        self.now_ns += ns;
        self.diffs.push(self.chain.make_block(self.now_ns));
    }

    pub fn make_blocks(&mut self, blocks: u64) {
        for _ in 0..blocks {
            self.now_ns += DEFAULT_BLOCK_INTERVAL_NS;
            self.diffs.push(self.chain.make_block(self.now_ns));
        }
    }

    pub fn run_until_idle(&mut self) {
        self.diffs.extend(self.chain.run_until_idle(self.now_ns));
        self.now_ns = self.chain.view().block_time_ns();
    }

    pub fn outcome(&self, hash: &CryptoHash) -> Outcome {
        Outcome(self.chain.view().outcome(hash).unwrap())
    }

    pub fn view<T: DeserializeOwned>(&self, bridge: &str, method: &str, args: &impl serde::Serialize) -> T {
        let args = serde_json::to_vec(args).unwrap();
        let bytes = self.chain.view().call(&account(bridge), method, &args).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// A contract's whole storage, as NEAR's RPC lists it.
    pub fn storage(&self, contract: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "query", "params": {
            "request_type": "view_state", "finality": "final", "account_id": contract, "prefix_base64": "" } });
        let reply = chain::rpc::handle(&serde_json::to_vec(&request).unwrap(), &self.chain.view());
        let Reply::Answer { body, .. } = reply else { panic!("{reply:?}") };
        let items: Vec<StateItem> = serde_json::from_value(body["result"]["values"].clone()).unwrap();
        items.into_iter().map(|item| (item.key.into(), item.value.into())).collect()
    }

    pub fn trust(&self, bridge: &str) -> TrustRoot {
        self.view(bridge, method::TRUST, &json!({}))
    }

    pub fn shard(&self, name: &str) -> Option<ShardView> {
        self.view(BRIDGE, method::SHARD, &json!({ "shard": name }))
    }

    pub fn tip(&self, name: &str) -> Option<TipView> {
        self.view(BRIDGE, method::TIP, &json!({ "shard": name }))
    }

    pub fn balance_yocto(&self, name: &str) -> u128 {
        self.chain.view().account(&account(name)).unwrap().amount().as_yoctonear()
    }

    /// What reserving a shard takes.
    pub fn storage_price_yocto(&self) -> u128 {
        let yocto_per_byte = 10u128.pow(19);
        bridge_contract::registry::SHARD_STORAGE_BYTES_MAX * yocto_per_byte
    }

    /// The first checkpoint of a shard.
    pub fn first_checkpoint(&self, name: &str) -> Checkpoint {
        Checkpoint {
            version: 1,
            domain: self.trust(BRIDGE).domain,
            shard: shard(name),
            key_epoch: 0,
            epoch_first_height: 0,
            height: 0,
            previous: Hash::ZERO,
            heads_root: Hash([1; 32]),
            time_ns: self.now_ns,
        }
    }

    /// The signatures that stand in the arguments of the signer's `respond` calls, with or without
    /// success: what anybody can read on the chain.
    pub fn published_signatures(&self) -> Vec<ChainSignature> {
        let puts = self.diffs.iter().flat_map(|diff| &diff.puts);
        let transactions = puts.filter_map(|(_, value)| borsh::from_slice::<SignedTransaction>(value).ok());
        transactions
            .flat_map(|signed| signed.transaction.actions().to_vec())
            .filter_map(|action| match action {
                Action::FunctionCall(call) if call.method_name == "respond" => Some(call.args),
                _ => None,
            })
            .map(|args| {
                let args: Value = serde_json::from_slice(&args).unwrap();
                bridge_contract::signer::parse_signature(args["response"].to_string().as_bytes()).unwrap()
            })
            .collect()
    }
}

pub fn function_call(method: &str, args: Vec<u8>, yocto: u128, tgas: u64) -> Action {
    Action::FunctionCall(Box::new(FunctionCallAction {
        method_name: method.to_owned(),
        args,
        gas: Gas::from_teragas(tgas),
        deposit: Balance::from_yoctonear(yocto),
    }))
}

/// A shard with one member, `member of <name>`.
pub fn reservation(name: &str) -> ReserveArgs {
    ReserveArgs {
        shard: shard(name),
        members: vec![PublicKey::Ed25519(member_of(name).verifying_key().to_bytes())],
        threshold: 1,
        curve: Curve::Secp256k1,
        transport_keys: vec![public_key_of("transport")],
        addresses: vec!["alpha.example:3100".to_owned()],
    }
}

pub fn attest_args(checkpoint: &Checkpoint, endorsements: &[Endorsement]) -> Vec<u8> {
    let endorsements = endorsements.to_vec().try_into().unwrap();
    queue::codec::encode(&AttestArgs { checkpoint: checkpoint.clone(), endorsements })
}

pub fn successor(checkpoint: &Checkpoint) -> Checkpoint {
    Checkpoint {
        height: checkpoint.height + 1,
        previous: checkpoint.hash::<Native>(),
        heads_root: Hash([2; 32]),
        ..checkpoint.clone()
    }
}

/// The endorsement by the shard's only member.
pub fn endorse(checkpoint: &Checkpoint) -> Endorsement {
    sign_endorsement(&member_of(checkpoint.shard.as_str()), &scope_of(checkpoint), checkpoint)
}

pub fn scope_of(checkpoint: &Checkpoint) -> StatementScope {
    StatementScope { domain: checkpoint.domain.clone(), shard: checkpoint.shard.clone(), members_version: 0 }
}

pub fn sign_endorsement(key: &SigningKey, scope: &StatementScope, checkpoint: &Checkpoint) -> Endorsement {
    sign_statement(0, key, scope, &Statement::Endorse { checkpoint: checkpoint.hash::<Native>() })
}

pub fn sign_statement(member: u16, key: &SigningKey, scope: &StatementScope, statement: &Statement) -> Endorsement {
    Endorsement { member, signature: key.sign(&statement.signed_bytes(scope)).to_bytes() }
}

/// What a stranger checks offline.
pub fn verify(
    trust: &TrustRoot,
    checkpoint: &Checkpoint,
    signature: &ChainSignature,
) -> Result<VerifiedCheckpoint, AttestationError> {
    Attestation::of_shard(checkpoint.clone(), signature.clone()).verify::<Native>(trust, derive_public_key)
}

/// A transaction and everything that followed from it.
pub struct Outcome(FinalExecutionOutcomeView);

impl Outcome {
    #[track_caller]
    pub fn success(self) -> Self {
        assert!(matches!(self.0.status, FinalExecutionStatus::SuccessValue(_)), "{:?}", self.0.status);
        self
    }

    #[track_caller]
    pub fn value<T: DeserializeOwned>(&self) -> T {
        let FinalExecutionStatus::SuccessValue(bytes) = &self.0.status else { panic!("{:?}", self.0.status) };
        serde_json::from_slice(bytes).unwrap()
    }

    #[track_caller]
    pub fn signature(&self) -> ChainSignature {
        match self.value() {
            AttestResult::Attested { signature } => signature,
            AttestResult::Failed => panic!("no signature came: {:?}", self.events()),
        }
    }

    /// The reason of the failure.
    #[track_caller]
    pub fn failure(&self) -> String {
        self.try_failure().unwrap_or_else(|| panic!("{:?}", self.0.status))
    }

    /// The reason of the failure, if it is one.
    pub fn try_failure(&self) -> Option<String> {
        match &self.0.status {
            FinalExecutionStatus::Failure(error) => Some(error.to_string()),
            _ => None,
        }
    }

    pub fn events(&self) -> Vec<Event> {
        let logs = self.receipts().flat_map(|outcome| &outcome.logs);
        logs.filter_map(|log| log.strip_prefix("EVENT_JSON:"))
            .map(|event| serde_json::from_str(event).unwrap())
            .collect()
    }

    /// Who executed something.
    pub fn executors(&self) -> BTreeSet<String> {
        self.receipts().map(|outcome| outcome.executor_id.to_string()).collect()
    }

    /// Gas in Tgas that was burnt on one account.
    pub fn tgas_burnt_on(&self, name: &str) -> f64 {
        self.ggas_burnt_on(name) as f64 / 1000.0
    }

    /// Gas in Ggas that was burnt on one account.
    pub fn ggas_burnt_on(&self, name: &str) -> u64 {
        let burnt: u64 = self
            .receipts()
            .filter(|outcome| outcome.executor_id == name)
            .map(|outcome| outcome.gas_burnt.as_gas())
            .sum();
        Gas::from_gas(burnt).as_gigagas()
    }

    pub fn receipts(&self) -> impl Iterator<Item = &ExecutionOutcomeView> {
        self.0.receipts_outcome.iter().map(|receipt| &receipt.outcome)
    }
}
