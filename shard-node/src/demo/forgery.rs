//! Mallory's own bridge: the same code on an account of hers, on the same network, signed for by
//! the same signer. Her file is true in every signature and hash, and yet proves nothing to whoever
//! pins the real bridge.

use crate::near::{Actor, AttestMode, Attestor, NearClient};
use anyhow::{Context as _, anyhow, ensure};
use ed25519_dalek::SigningKey;
use near_crypto::SecretKey;
use near_primitives::account::{AccessKey, AccessKeyPermission};
use near_primitives::action::{
    AddKeyAction, CreateAccountAction, DeployContractAction, FunctionCallAction, TransferAction,
};
use near_primitives::transaction::Action;
use near_primitives::types::{Balance, Gas};
use queue::checkpoint::{CHECKPOINT_VERSION, Checkpoint};
use queue::contract::{InitArgs, ReserveArgs, ShardArgs, method};
use queue::digest::{Hash, Native, empty_root};
use queue::heads::{Head, HeadTrie};
use queue::ids::{AccountId, ShardId};
use queue::log::CompactRange;
use queue::message::{Body, MESSAGE_VERSION, Message};
use queue::proof::{HeadProof, MESSAGE_PROOF_FORMAT, MessageProof};
use queue::trust::{Curve, PublicKey, TrustRoot};
use serde::Serialize;

/// What the account of Mallory's bridge gets: enough to store the contract and reserve a name.
const FUNDS: Balance = Balance::from_near(20);

/// Gas of each call that sets the bridge up, in Tgas.
const SETUP_TGAS: u64 = 200;

/// Makes a file in which shard `alpha` says `text` to `receiver`, attested by a bridge of Mallory's
/// own. `funder` pays for it; `wasm` is the bridge contract.
///
/// # Errors
/// NEAR can't be reached or refuses.
pub async fn forge(
    funder: &Actor,
    key: SecretKey,
    pinned: &TrustRoot,
    wasm: &[u8],
    receiver: &str,
    text: &str,
) -> anyhow::Result<MessageProof> {
    let bridge: AccountId = format!("mallory.{}", funder.account()).parse()?;
    let client = NearClient::new(funder.client().url(), &bridge)?;
    let mallory = Actor::new(client.clone(), &bridge, key.clone());
    create(funder, &mallory, &key).await?;
    deploy(&mallory, pinned, wasm).await?;
    let member = SigningKey::from_bytes(&crate::keys::random()?);
    let alpha: ShardId = "alpha".parse()?;
    register(&mallory, &alpha, &member).await?;
    let trust = client.trust().await?;

    let (message, log) = one_message(&alpha, receiver, text)?;
    let (checkpoint, head) = checkpoint_over(&trust, &alpha, &log, &client).await?;
    let attestor = Attestor::new(mallory, member, alpha, AttestMode::Shard);
    let attestation = attestor.attest(checkpoint).await.result?;
    let head = HeadProof { head, path: Vec::new(), attestation };
    let inclusion = Vec::new();
    Ok(MessageProof { format: MESSAGE_PROOF_FORMAT.to_owned(), trust, nonce: 0, message, inclusion, head })
}

async fn create(funder: &Actor, mallory: &Actor, key: &SecretKey) -> anyhow::Result<()> {
    let access_key = AccessKey { nonce: 0, permission: AccessKeyPermission::FullAccess };
    let actions = vec![
        Action::CreateAccount(CreateAccountAction {}),
        Action::Transfer(TransferAction { deposit: FUNDS }),
        Action::AddKey(Box::new(AddKeyAction { public_key: key.public_key(), access_key })),
    ];
    let created = funder.transact(mallory.account().clone(), actions).await?;
    created.result.map_err(|reason| anyhow!("creating {}: {reason}", mallory.account()))?;
    Ok(())
}

async fn deploy(mallory: &Actor, pinned: &TrustRoot, wasm: &[u8]) -> anyhow::Result<()> {
    let init = InitArgs {
        network: pinned.domain.network.clone(),
        signer: crate::localnet::SIGNER_ACCOUNT.parse()?,
        admin: mallory.account().as_str().parse()?,
        open_registration: None,
    };
    let call = FunctionCallAction {
        method_name: method::INIT.to_owned(),
        args: serde_json::to_vec(&init)?,
        gas: Gas::from_teragas(SETUP_TGAS),
        deposit: Balance::ZERO,
    };
    let code = DeployContractAction { code: wasm.to_vec() };
    let actions = vec![Action::DeployContract(code), Action::FunctionCall(Box::new(call))];
    let deployed = mallory.transact(mallory.account().clone(), actions).await?;
    deployed.result.map_err(|reason| anyhow!("deploying to {}: {reason}", mallory.account()))?;
    setup(mallory, method::SYNC_SIGNER, &serde_json::json!({}), Balance::ZERO).await
}

async fn register(mallory: &Actor, alpha: &ShardId, member: &SigningKey) -> anyhow::Result<()> {
    let reserve = ReserveArgs {
        shard: alpha.clone(),
        members: vec![PublicKey::Ed25519(member.verifying_key().to_bytes())],
        threshold: 1,
        curve: Curve::Secp256k1,
        transport_keys: Vec::new(),
        addresses: Vec::new(),
    };
    setup(mallory, method::RESERVE, &reserve, Balance::from_near(1)).await?;
    setup(mallory, method::ACTIVATE, &ShardArgs { shard: alpha.clone() }, Balance::ZERO).await
}

async fn setup(mallory: &Actor, name: &'static str, args: &impl Serialize, deposit: Balance) -> anyhow::Result<()> {
    let called = mallory.call_bridge(name, serde_json::to_vec(args)?, SETUP_TGAS, deposit).await?;
    called.result.map_err(|reason| anyhow!("{name} on {}: {reason}", mallory.account()))?;
    Ok(())
}

fn one_message(alpha: &ShardId, receiver: &str, text: &str) -> anyhow::Result<(Vec<u8>, CompactRange)> {
    let message = Message {
        version: MESSAGE_VERSION,
        salt: Hash(crate::keys::random()?),
        sender: alpha.as_str().parse()?,
        receiver: receiver.parse()?,
        deadline_ns: None,
        body: Body::Data(text.as_bytes().to_vec()),
    };
    let encoded = message.encode();
    let mut log = CompactRange::default();
    log.append::<Native>(&encoded, |_, _| {});
    Ok((encoded, log))
}

async fn checkpoint_over(
    trust: &TrustRoot,
    alpha: &ShardId,
    log: &CompactRange,
    client: &NearClient,
) -> anyhow::Result<(Checkpoint, Head)> {
    let registered = client.shard(alpha).await?.context("the shard was registered above")?;
    ensure!(registered.public_key.is_some(), "the signer gave no key for {alpha} of {}", trust.domain.bridge);
    let head = Head {
        peer: "beta".parse()?,
        own_incarnation: 0,
        peer_incarnation: 0,
        sent_size: log.size(),
        sent_root: log.root::<Native>(),
        received_size: 0,
        received_root: empty_root::<Native>(),
        salt: Hash(crate::keys::random()?),
    };
    let trie = HeadTrie::new::<Native>(std::slice::from_ref(&head))?;
    let checkpoint = Checkpoint {
        version: CHECKPOINT_VERSION,
        domain: trust.domain.clone(),
        shard: alpha.clone(),
        key_epoch: registered.key_epoch,
        epoch_first_height: registered.epoch_first_height,
        height: 0,
        previous: Hash::ZERO,
        // A trie of one head is that head's leaf: it has no empty side.
        heads_root: trie.root::<Native>(&|_| Hash::ZERO),
        time_ns: client.final_block().await?.time_ns,
    };
    Ok((checkpoint, head))
}
