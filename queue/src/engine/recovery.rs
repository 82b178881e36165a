//! A shard that lost its data begins anew: an empty store becomes the beginning of its new
//! incarnation. Specified in `specs/recovery.md`.

use super::open::home_record;
use super::records::{ATTESTOR, AttestorRecord, BLOCK_TIME, HOME, INCARNATION, read_record};
use super::{Config, RegisteredShard};
use crate::codec;
use crate::contract::TipView;
use crate::digest::Native;
use crate::store::{KeyValue, Store, StoreError, Turn, TurnId};

/// Why a store doesn't become the beginning of an incarnation. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// There is something in the store.
    #[error("the store is not empty, and does not begin with incarnation {0}: set it aside first")]
    NotEmpty(u32),
    /// The shard is in its first incarnation.
    #[error("the bridge contract has shard in its first incarnation: its owner opens another one first")]
    NotOpened,
    /// What the contract tells of the shard and of its tip doesn't fit together.
    #[error(
        "the bridge contract's newest key epoch begins at height {first_height}, but its tip has height {tip:?}: \
         something attests for this shard already; stop it, then open another incarnation"
    )]
    MovedOn {
        /// First height of the newest key epoch.
        first_height: u64,
        /// Height of the tip, if there is one.
        tip: Option<u64>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins the incarnation that the contract has for the shard, `own`, in an empty store: the next
/// checkpoint follows `tip`, the contract's newest, and all lanes are empty. A store that begins so
/// already is left as it is. Gives the turn that has to become durable.
///
/// # Errors
/// [`RecoveryError`].
pub fn begin_incarnation(
    config: &Config,
    store: &mut impl Store,
    own: &RegisteredShard,
    tip: Option<&TipView>,
) -> Result<TurnId, RecoveryError> {
    let durable = store.poll_durable()?;
    if own.incarnation == 0 {
        return Err(RecoveryError::NotOpened);
    }
    let attested = tip.map(|tip| tip.checkpoint.clone());
    let follows = attested.as_ref().map_or(Some(0), |tip| tip.height.checked_add(1));
    let is_known = tip.is_none_or(|tip| tip.checkpoint.hash::<Native>() == tip.hash);
    if follows != Some(own.epoch_first_height) || !is_known {
        let (first_height, tip) = (own.epoch_first_height, attested.map(|tip| tip.height));
        return Err(RecoveryError::MovedOn { first_height, tip });
    }
    // Times never fall, whatever the machine's clock says.
    let time_ns = attested.as_ref().map_or(0, |tip| tip.time_ns);
    let attestor = AttestorRecord { attested, pending: None };
    if store.get(HOME)?.is_some() {
        let begun: Option<u32> = read_record(store, "incarnation", INCARNATION)?;
        let found: Option<AttestorRecord> = read_record(store, "attestor", ATTESTOR)?;
        let is_begun = begun == Some(own.incarnation) && found == Some(attestor);
        return if is_begun { Ok(durable) } else { Err(RecoveryError::NotEmpty(own.incarnation)) };
    }
    let put = |key: &[u8], value: Vec<u8>| -> KeyValue { (key.to_vec(), value) };
    let puts = vec![
        put(ATTESTOR, codec::encode(&attestor)),
        put(BLOCK_TIME, codec::encode(&time_ns)),
        put(HOME, codec::encode(&home_record(config))),
        put(INCARNATION, codec::encode(&own.incarnation)),
    ];
    store.append(Turn { id: durable + 1, puts, ..Turn::default() })?;
    Ok(durable + 1)
}
