//! What the contract keeps of the signer: its root keys, and the gas that it asks for.

use super::{ask, key_callback, takes_no_deposit};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::Refusal;
use crate::signer::Answer;
use near_plugins::pause;
use near_sdk::near;
use queue::attestation::round_path;
use queue::contract::method;
use queue::trust::Curve;

#[near]
impl Bridge {
    /// Asks the signer for its root keys, for the keys of rounds and for the gas that `sign`
    /// requires. Anyone may call it, again and again: a key that is known stays as it is, the gas
    /// follows the signer.
    #[pause]
    #[handle_result]
    pub fn sync_signer(&self) -> Result<(), Refusal> {
        takes_no_deposit(method::SYNC_SIGNER)?;
        for curve in [Curve::Secp256k1, Curve::Ed25519] {
            ask::public_key(self.signer.clone(), curve).then(key_callback().on_root_key(curve)).detach();
            let path = round_path(&self.domain, curve);
            let asked = ask::derived_public_key(self.signer.clone(), &path, curve);
            asked.then(key_callback().on_round_key(curve)).detach();
        }
        ask::config(self.signer.clone()).then(key_callback().on_config()).detach();
        Ok(())
    }

    #[private]
    pub fn on_root_key(&mut self, #[serializer(borsh)] curve: Curve) {
        let known = match curve {
            Curve::Secp256k1 => &mut self.secp256k1,
            Curve::Ed25519 => &mut self.ed25519,
        };
        if let (None, Answer::Given(key)) = (&known, ask::key_answer(curve)) {
            *known = Some(key);
        }
    }

    #[private]
    pub fn on_config(&mut self) {
        if let Answer::Given(tgas) = ask::sign_tgas_answer() {
            self.sign_tgas = tgas;
        }
    }
}
