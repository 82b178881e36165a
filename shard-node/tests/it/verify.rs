//! `shard-node verify` as strangers run it: a process that has a proof, a trust root, nothing else.

use k256::elliptic_curve::PrimeField as _;
use k256::{Scalar, SecretKey, ecdsa::SigningKey};
use queue::attestation::{Attestation, AttestationKind, ChainSignature, attestation_digest, shard_path};
use queue::checkpoint::{CHECKPOINT_VERSION, Checkpoint};
use queue::derivation::tweak;
use queue::digest::{Hash, Native, empty_root, leaf};
use queue::heads::{Head, HeadTrie};
use queue::ids::BridgeDomain;
use queue::message::{Body, MESSAGE_VERSION, Message};
use queue::proof::{HeadProof, MESSAGE_PROOF_FORMAT, MessageProof};
use queue::trust::{Curve, PublicKey, TrustRoot};
use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder with `m.json` and `trust.json`.
struct Stranger {
    folder: tempfile::TempDir,
}

fn root_secret() -> Scalar {
    *SecretKey::from_slice(&[7; 32]).unwrap().to_nonzero_scalar()
}

pub fn trust(instance: u8) -> TrustRoot {
    let domain = BridgeDomain {
        network: "localnet".parse().unwrap(),
        bridge: "bridge.test.near".parse().unwrap(),
        instance: Hash([instance; 32]),
    };
    let point = SigningKey::from_bytes(&root_secret().to_repr()).unwrap().verifying_key().to_sec1_point(false);
    let key = PublicKey::Secp256k1(point.as_bytes()[1..].try_into().unwrap());
    TrustRoot { domain, secp256k1: Some(key), ed25519: None }
}

/// A proof that `ann.alpha` sent `text` to `bob.beta`, signed as the real signer would.
pub fn proof(trust: &TrustRoot, sender: &str, text: &str) -> MessageProof {
    let message = Message {
        version: MESSAGE_VERSION,
        salt: Hash([4; 32]),
        sender: sender.parse().unwrap(),
        receiver: "bob.beta".parse().unwrap(),
        deadline_ns: None,
        body: Body::Data(text.as_bytes().to_vec()),
    };
    let message = message.encode();
    let head = Head {
        peer: "beta".parse().unwrap(),
        own_incarnation: 0,
        peer_incarnation: 0,
        sent_size: 1,
        sent_root: leaf::<Native>(&message),
        received_size: 0,
        received_root: empty_root::<Native>(),
        salt: Hash([5; 32]),
    };
    let checkpoint = Checkpoint {
        version: CHECKPOINT_VERSION,
        domain: trust.domain.clone(),
        shard: "alpha".parse().unwrap(),
        key_epoch: 0,
        epoch_first_height: 0,
        height: 0,
        previous: Hash::ZERO,
        heads_root: HeadTrie::new::<Native>(std::slice::from_ref(&head)).unwrap().root::<Native>(&|_| Hash::ZERO),
        time_ns: 1_700_000_000_000_000_000,
    };
    let attestation = Attestation::of_shard(checkpoint.clone(), sign(&checkpoint));
    let head = HeadProof { head, path: vec![], attestation };
    MessageProof {
        format: MESSAGE_PROOF_FORMAT.to_owned(),
        trust: trust.clone(),
        nonce: 0,
        message,
        inclusion: vec![],
        head,
    }
}

fn sign(checkpoint: &Checkpoint) -> ChainSignature {
    let domain = &checkpoint.domain;
    let path = shard_path(domain, &checkpoint.shard, checkpoint.key_epoch);
    let tweak = Scalar::from_repr(tweak(domain.bridge.as_str(), &path).into()).unwrap();
    let key = SigningKey::from_bytes(&(root_secret() + tweak).to_repr()).unwrap();
    let root = checkpoint.hash::<Native>();
    let digest = attestation_digest::<Native>(AttestationKind::Shard, domain, &root, Curve::Secp256k1);
    let (signature, recovery_id) = key.sign_prehash_recoverable(&digest.0);
    ChainSignature::Secp256k1 { rs: signature.to_bytes().into(), recovery_id: recovery_id.to_byte() }
}

impl Stranger {
    fn with(proof: &MessageProof, pinned: &TrustRoot) -> Stranger {
        let stranger = Stranger { folder: tempfile::tempdir().unwrap() };
        stranger.write("m.json", &serde_json::to_vec(proof).unwrap());
        stranger.write("trust.json", &serde_json::to_vec(pinned).unwrap());
        stranger
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn verify(&self, more: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shard-node"));
        command.env_clear().current_dir(self.folder.path()).args(["verify", "m.json"]).args(more);
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

#[test]
fn an_honest_proof_says_who_said_what_to_whom() {
    let pinned = trust(9);
    let stranger = Stranger::with(&proof(&pinned, "ann.alpha", "hello\u{1b}[2J"), &pinned);
    let (code, stdout, _) = stranger.verify(&["--trust", "trust.json"]);
    assert_eq!(code, Some(0));
    for expected in ["verified", "ann.alpha", "bob.beta", "alpha → beta, nonce 0", "hello\\u{1b}[2J", "height 0"] {
        assert!(stdout.contains(expected), "{expected} is missing in {stdout}");
    }
    let (code, stdout, _) = stranger.verify(&["--trust", "trust.json", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(report["authenticated"], true);
    assert_eq!(report["payload_text"], "hello\u{1b}[2J");
}

#[test]
fn mallorys_own_bridge_is_consistent_and_not_authenticated() {
    let mallorys = trust(1);
    let stranger = Stranger::with(&proof(&mallorys, "ann.alpha", "hello"), &trust(9));
    let (code, stdout, _) = stranger.verify(&[]);
    assert_eq!(code, Some(3));
    assert!(stdout.contains("consistent, NOT authenticated (trust root taken from the file)"), "{stdout}");
    let (code, stdout, stderr) = stranger.verify(&["--trust", "trust.json"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("instance"), "{stderr}");
}

#[test]
fn a_flipped_bit_anywhere_in_the_message_is_refused() {
    let pinned = trust(9);
    let honest = proof(&pinned, "ann.alpha", "hello");
    for at in [0, 1, honest.message.len() / 2, honest.message.len() - 1] {
        let mut forged = honest.clone();
        forged.message[at] ^= 1;
        let (code, stdout, stderr) = Stranger::with(&forged, &pinned).verify(&["--trust", "trust.json"]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "byte {at}");
        assert!(stderr.contains("proves nothing"), "{stderr}");
    }
}

#[test]
fn mallory_cannot_have_alpha_attest_for_a_user_of_beta() {
    let pinned = trust(9);
    let (code, _, stderr) =
        Stranger::with(&proof(&pinned, "bob.beta", "hello"), &pinned).verify(&["--trust", "trust.json"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("bob.beta") && stderr.contains("alpha"), "{stderr}");
}

#[test]
fn files_that_are_missing_malformed_or_huge_are_refused_by_name() {
    let pinned = trust(9);
    let stranger = Stranger::with(&proof(&pinned, "ann.alpha", "hello"), &pinned);
    let (code, _, stderr) = stranger.verify(&["--trust", "none.json"]);
    assert!(code == Some(1) && stderr.contains("none.json"), "{stderr}");
    stranger.write("m.json", b"{}");
    let (code, _, stderr) = stranger.verify(&["--trust", "trust.json"]);
    assert!(code == Some(1) && stderr.contains("m.json"), "{stderr}");
    let huge = std::fs::File::create(stranger.path("m.json")).unwrap();
    huge.set_len(17 * 1024 * 1024).unwrap();
    let (code, _, stderr) = stranger.verify(&["--trust", "trust.json"]);
    assert!(code == Some(1) && stderr.contains("limit"), "{stderr}");
}
