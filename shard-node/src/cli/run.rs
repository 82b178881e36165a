//! `shard-node run`: the daemon.

use super::Output;
use crate::daemon;
use crate::home::Home;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "SIGHUP has `peers` and `lanes` of the home's config.json read again; all other fields take a \
    restart.\n\nExample:\n  shard-node run --home .local/alpha")]
pub struct RunArgs {
    /// The node's home, made by `shard-node init`
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
}

pub(super) async fn run(args: RunArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let (stop, reload) = (StopSignals::listen()?, reload_signals()?);
    let ready = |ready: &daemon::Ready| {
        let daemon::Ready { shard, p2p, api } = ready;
        let human =
            format!("shard {shard} is running: peers at {p2p} (UDP), local API at http://{api}; Ctrl-C stops it");
        output.finish(&human, &json!({ "ready": true, "shard": shard, "p2p": p2p, "api": api }));
    };
    daemon::run(&Home::at(args.home), ready, reload, stop.received()).await?;
    Ok(ExitCode::SUCCESS)
}

/// A message for each SIGHUP from now on; several at once count as one.
fn reload_signals() -> std::io::Result<mpsc::Receiver<()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (sender, reload) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // A full channel means that the configuration is about to be read anyway.
            if let Err(TrySendError::Closed(())) = sender.try_send(()) {
                return;
            }
        }
    });
    Ok(reload)
}

/// The signals that ask a server to stop.
pub(super) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Listens from now on: a signal during the start is not lost.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(StopSignals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for one of them.
    pub(super) async fn received(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
