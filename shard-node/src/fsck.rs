//! Checks a home whose node is stopped: its store as files, and what its engine keeps in them.

use crate::home::{Home, HomeError};
use crate::store::{self, OpenError, StoreReport};
use queue::engine::{AuditReport, Expectation, Finding, audit};
use queue::ids::ShardId;
use queue::trust::TrustRootError;
use serde::Serialize;

/// What was found. Sound if there are no findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The home's shard.
    pub shard: ShardId,
    /// The store's files.
    pub store: StoreReport,
    /// What the engine keeps in them; `None` if the state can't be built from the files.
    pub engine: Option<AuditReport>,
}

impl Verdict {
    /// All that is damaged.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.store.findings.iter().chain(self.engine.iter().flat_map(|engine| &engine.findings))
    }

    /// Whether all adds up.
    pub fn is_sound(&self) -> bool {
        self.engine.is_some() && self.findings().next().is_none()
    }

    /// Whether the next start mends all that was found: only the index doesn't add up.
    pub fn is_mended_by_a_start(&self) -> bool {
        self.engine.is_some() && self.findings().all(|finding| finding.place == "index")
    }
}

/// Why a home can't be checked.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    /// The home can't be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The store can't be read at all, or has another format.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The pinned trust root contradicts itself.
    #[error("the home's configuration: {0}")]
    Trust(#[from] TrustRootError),
}

/// How far checking is: bytes of the log that were read, and then bytes of messages that were hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes of the log's records.
    pub read_bytes: u64,
    /// Bytes of messages.
    pub hashed_bytes: u64,
}

/// Checks `home`, which it locks meanwhile. `progress` is told how far it is, often. The secret of
/// the salts is used if the home has its keys.
///
/// # Errors
/// [`FsckError`]. Damage is no error: it is in the verdict.
pub fn fsck(home: &Home, mut progress: impl FnMut(Progress)) -> Result<Verdict, FsckError> {
    let _lock = home.lock()?;
    let config = home.read_config()?;
    let trust = config.trust.checked()?;
    let salts = if home.keys_path().exists() { Some(home.read_keys()?.salt_secret()) } else { None };
    let mut done = Progress::default();
    let checked = store::check(&home.store_path(), &mut |bytes| {
        done.read_bytes += bytes;
        progress(done);
    })?;
    let engine = checked.store.as_ref().map(|store| {
        let expectation = Expectation { shard: &config.shard, trust: &trust, salts: salts.as_ref() };
        audit(store, &expectation, &mut |bytes| {
            done.hashed_bytes += bytes;
            progress(done);
        })
    });
    Ok(Verdict { shard: config.shard, store: checked.report, engine })
}
