//! The JSON that the signer's contract speaks.

use borsh::{BorshDeserialize, BorshSerialize};
use near_primitives::hash::CryptoHash;
use near_primitives::types::AccountId;
use serde::{Deserialize, Serialize};

/// Length limits of an ed25519 payload, in bytes, as in the signer's contract.
pub(crate) const EDDSA_PAYLOAD_BYTES: std::ops::RangeInclusive<usize> = 32..=1232;

/// Arguments of `sign`.
#[derive(Deserialize)]
pub(crate) struct SignArgs {
    pub(crate) request: SignRequest,
}

/// What a caller asks to be signed: the current form, or the one with a payload of numbers and a key version.
#[derive(Deserialize)]
pub(crate) struct SignRequest {
    pub(crate) path: String,
    #[serde(default)]
    payload_v2: Option<Payload>,
    #[serde(default)]
    payload: Option<[u8; 32]>,
    #[serde(default)]
    domain_id: Option<u64>,
    #[serde(default)]
    key_version: Option<u32>,
}

impl SignRequest {
    /// The payload and the domain; exactly one form of each must be given.
    pub(crate) fn payload_and_domain(self) -> Result<(String, Payload, u64), &'static str> {
        let payload = match (self.payload_v2, self.payload) {
            (Some(payload), None) => payload,
            (None, Some(bytes)) => Payload::Ecdsa(bytes),
            _ => return Err("MalformedPayload: give either payload_v2 or payload"),
        };
        let domain_id = match (self.domain_id, self.key_version) {
            (Some(domain_id), None) => domain_id,
            (None, Some(version)) => u64::from(version),
            _ => return Err("InvalidDomainId: give either domain_id or key_version"),
        };
        Ok((self.path, payload, domain_id))
    }
}

/// The bytes to be signed, by the kind of signature.
#[derive(BorshSerialize, BorshDeserialize, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Payload {
    /// A digest that is a scalar of secp256k1.
    Ecdsa(#[serde(with = "hex")] [u8; 32]),
    /// A message for ed25519.
    Eddsa(#[serde(with = "hex")] Vec<u8>),
}

/// A request as the signer's nodes see it: who asks and for which path has become the tweak.
#[derive(BorshSerialize, BorshDeserialize, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignatureRequest {
    pub(crate) tweak: [u8; 32],
    pub(crate) payload: Payload,
    pub(crate) domain_id: u64,
}

/// Arguments of `respond`.
#[derive(Serialize, Deserialize)]
pub(crate) struct RespondArgs {
    pub(crate) request: SignatureRequest,
    pub(crate) response: Response,
}

/// Arguments of `get_pending_request`.
#[derive(Deserialize)]
pub(crate) struct PendingArgs {
    pub(crate) request: SignatureRequest,
}

/// Arguments of `public_key`.
#[derive(Deserialize, Default)]
pub(crate) struct PublicKeyArgs {
    #[serde(default)]
    pub(crate) domain_id: Option<u64>,
}

/// Arguments of `derived_public_key`.
#[derive(Deserialize)]
pub(crate) struct DerivedKeyArgs {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) predecessor: Option<AccountId>,
    #[serde(default)]
    pub(crate) domain_id: Option<u64>,
}

/// Arguments of `latest_key_version`.
#[derive(Deserialize, Default)]
pub(crate) struct KeyVersionArgs {
    #[serde(default)]
    pub(crate) signature_scheme: Option<Scheme>,
}

#[derive(Clone, Copy, Deserialize)]
pub(crate) enum Scheme {
    Secp256k1,
    #[serde(alias = "Edwards25519")]
    Ed25519,
}

/// A signature as `sign` returns it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "scheme")]
pub(crate) enum Response {
    Secp256k1 { big_r: AffinePoint, s: Scalar, recovery_id: u8 },
    Ed25519 { signature: Vec<u8> },
}

/// A compressed point in hex.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AffinePoint {
    pub(crate) affine_point: String,
}

/// A scalar in hex.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scalar {
    pub(crate) scalar: String,
}

/// What `get_pending_request` answers.
#[derive(Serialize)]
pub(crate) struct YieldIndex {
    pub(crate) data_id: [u8; 32],
}

impl From<CryptoHash> for YieldIndex {
    fn from(data_id: CryptoHash) -> Self {
        Self { data_id: data_id.0 }
    }
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data becomes JSON")
}
