//! What runs in a process of its own: the hidden command `bench-part`.

use super::{ingest, node, proofs, quic, stages};
use crate::cli::Output;
use crate::home::Home;
use queue::ids::{AccountId, ShardId};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A process of a measurement.
#[derive(Debug, clap::Subcommand)]
pub enum Part {
    /// A node with a sender in its own process
    Node {
        /// The node's home
        #[arg(long)]
        home: PathBuf,
    },
    /// The stages that need no second process
    Stages {
        /// An empty folder on the disk to measure
        #[arg(long)]
        folder: PathBuf,
        /// Bytes of each payload
        #[arg(long)]
        size: usize,
    },
    /// The receiving end of a connection
    QuicIn,
    /// The sending end of a connection
    QuicOut {
        /// Where the other end listens
        #[arg(long)]
        to: SocketAddr,
        /// How much to send
        #[arg(long)]
        bytes: u64,
    },
    /// A program that sends through the local API
    Ingest {
        /// The node's home
        #[arg(long)]
        home: PathBuf,
        /// The account that is spoken to
        #[arg(long)]
        to: AccountId,
        /// Number of messages
        #[arg(long)]
        messages: u64,
        /// Bytes of each payload
        #[arg(long)]
        size: usize,
    },
    /// Proofs from the home of a stopped node
    Proofs {
        /// The node's home
        #[arg(long)]
        home: PathBuf,
        /// The shard whose messages are proved
        #[arg(long)]
        source: ShardId,
    },
}

/// Runs a part, which tells its results on stdout.
///
/// # Errors
/// The part's own.
pub async fn run(part: Part, output: &Output, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    match part {
        Part::Node { home } => node::run(&Home::at(home), output, shutdown).await,
        Part::Stages { folder, size } => stages::run(&folder, size, output),
        Part::QuicIn => quic::receive(output).await,
        Part::QuicOut { to, bytes } => quic::send(to, bytes, output).await,
        Part::Ingest { home, to, messages, size } => ingest::run(&Home::at(home), &to, messages, size, output).await,
        Part::Proofs { home, source } => proofs::run(&Home::at(home), &source, output),
    }
}
