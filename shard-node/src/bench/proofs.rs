//! Proofs of single messages from a long lane: how long making and verifying them takes.

use crate::cli::Output;
use crate::daemon::engine_config;
use crate::home::Home;
use crate::store::DiskStore;
use anyhow::{Context as _, ensure};
use queue::derivation::derive_public_key;
use queue::digest::{Native, leaf};
use queue::engine::{Engine, Now};
use queue::ids::ShardId;
use queue::log::root_from_inclusion;
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Messages that are proved, spread over the lane.
const SAMPLES: u64 = 1_000;

/// Medians, in nanoseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Proved {
    /// Messages of the lane.
    pub(super) messages: u64,
    /// Making the file: message, path and head.
    pub(super) make_ns: u64,
    /// From the message's bytes and its path to the root.
    pub(super) verify_ns: u64,
    /// Verifying the whole file, with the chain signature.
    pub(super) verify_file_ns: u64,
}

/// Opens the stopped node's home, and proves messages from `source`.
///
/// # Errors
/// The home can't be used, or a proof doesn't verify.
pub(super) fn run(home: &Home, source: &ShardId, output: &Output) -> anyhow::Result<()> {
    let _lock = home.lock()?;
    let (config, keys) = (home.read_config()?, home.read_keys()?);
    let trust = config.trust.clone().checked()?;
    let store = DiskStore::open(&home.store_path(), Box::new(|| {}))?;
    let engine = Engine::open(engine_config(home, &config, &keys, &trust)?, store, Now { mono_ns: 0, unix_ns: 0 })?;
    let status = engine.status();
    let lane =
        status.inbound.iter().find(|lane| lane.peer == *source).context("the home has no lane from the source")?;
    let size = lane.delivered;
    ensure!(size > 0, "nothing was delivered from {source}");
    let (mut make, mut verify, mut verify_file) = (Vec::new(), Vec::new(), Vec::new());
    for sample in 0..SAMPLES {
        // A stride that is no multiple of the sizes of blocks and subtrees.
        let nonce = sample.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size;
        let started = Instant::now();
        let proof = engine.prove(source, None, nonce)?;
        make.push(started.elapsed());

        let started = Instant::now();
        let hash = leaf::<Native>(black_box(&proof.message));
        let root = root_from_inclusion::<Native>(hash, nonce, proof.head.head.sent_size, black_box(&proof.inclusion));
        verify.push(started.elapsed());
        ensure!(root == Some(proof.head.head.sent_root), "the proof of message {nonce} leads to another root");

        let started = Instant::now();
        proof.verify::<Native>(&trust, derive_public_key)?;
        verify_file.push(started.elapsed());
    }
    let proved = Proved {
        messages: size,
        make_ns: median_ns(&mut make),
        verify_ns: median_ns(&mut verify),
        verify_file_ns: median_ns(&mut verify_file),
    };
    output.finish("proved", &proved);
    Ok(())
}

fn median_ns(times: &mut [Duration]) -> u64 {
    times.sort();
    times.get(times.len() / 2).map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}
