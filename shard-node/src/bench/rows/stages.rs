//! Each stage alone, and the limit that follows.

use crate::bench::child::Part;
use crate::bench::plan::Bench;
use crate::bench::quic::End;
use crate::bench::stages::Stages;
use anyhow::Context as _;
use serde::Deserialize;
use std::net::SocketAddr;

/// Bytes that cross the connection alone.
const CARRIED_BYTES: u64 = 1024 * 1024 * 1024;

/// Cores that the limit is taken of: one for each end.
const CORES: f64 = 2.0;

const STAGES_SMALL: [&str; 7] =
    ["salt_256", "hash_256", "store_256", "store_elapsed_256", "quic_256", "parse_256", "limit_256"];

const STAGES_LARGE: [&str; 7] =
    ["salt_1k", "hash_1k", "store_1k", "store_elapsed_1k", "quic_1k", "parse_1k", "limit_1k"];

#[derive(Deserialize)]
struct Listening {
    p2p: SocketAddr,
}

impl Bench<'_> {
    pub(in crate::bench) async fn stages(&mut self) -> anyhow::Result<()> {
        self.step("each stage alone");
        let folder = self.folder()?;
        let path = folder.path().to_str().context("the folder's name is not text")?.to_owned();
        let mut stages = Vec::new();
        for size in ["256", "1024"] {
            let home = format!("{path}/{size}");
            std::fs::create_dir(&home)?;
            let arguments = ["stages", "--folder", &home, "--size", size];
            let mut part = Part::start(&self.program, "the stages", self.pinning.destination, &arguments)?;
            stages.push(part.hear::<Stages>().await?);
        }
        let quic_ns_per_byte = self.quic().await?;
        for (stages, keys) in stages.into_iter().zip([STAGES_SMALL, STAGES_LARGE]) {
            let quic_ns = quic_ns_per_byte * stages.stream_bytes as f64;
            let sum_ns = stages.salt_ns + 2.0 * (stages.hash_ns + stages.store_ns) + quic_ns + stages.parse_ns;
            let values =
                [stages.salt_ns, stages.hash_ns, stages.store_ns, stages.store_elapsed_ns, quic_ns, stages.parse_ns];
            keys.into_iter().zip(values.into_iter().chain([CORES * 1e9 / sum_ns])).for_each(|(key, value)| {
                self.figures.add(key, value);
            });
            if keys == STAGES_SMALL {
                self.figures.add("fdatasync", stages.fdatasync_ms);
            }
        }
        Ok(())
    }

    /// Processor time of both ends per byte that crosses, in nanoseconds.
    async fn quic(&mut self) -> anyhow::Result<f64> {
        let mut receiver = Part::start(&self.program, "the receiver", self.pinning.destination, &["quic-in"])?;
        let to = receiver.hear::<Listening>().await?.p2p.to_string();
        let bytes = CARRIED_BYTES.to_string();
        let arguments = ["quic-out", "--to", &to, "--bytes", &bytes];
        let mut sender = Part::start(&self.program, "the sender", self.pinning.source, &arguments)?;
        let sent: End = sender.hear().await?;
        let received: End = receiver.hear().await?;
        Ok(sent.cpu_ns as f64 / sent.bytes as f64 + received.cpu_ns as f64 / received.bytes as f64)
    }
}
