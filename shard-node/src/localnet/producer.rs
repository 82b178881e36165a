//! The thread that makes blocks: as soon as something can run, otherwise when something is due.

use super::{Ledger, LocalnetError, unix_ns};
use chain::View;
use chain::near_primitives::errors::InvalidTxError;
use chain::near_primitives::transaction::SignedTransaction;
use queue::store::StoreError;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// The running thread.
pub(super) struct Producer {
    handle: ProducerHandle,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
    ended: oneshot::Receiver<()>,
}

/// Submits to the thread and sees what it has made durable.
#[derive(Clone)]
pub(super) struct ProducerHandle {
    commands: Sender<Command>,
    views: watch::Receiver<View>,
}

enum Command {
    Submit { transaction: Box<SignedTransaction>, reply: oneshot::Sender<Result<(), InvalidTxError>> },
    FastForward { blocks: u64, reply: oneshot::Sender<()> },
    Stop,
}

/// The thread has ended: the process is stopping.
#[derive(Debug, thiserror::Error)]
#[error("the network is stopping")]
pub(super) struct Stopping;

impl Producer {
    pub(super) fn start(ledger: Ledger) -> Result<Self, LocalnetError> {
        let (commands, inbox) = channel();
        let (publish, views) = watch::channel(ledger.view());
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            let result = run(ledger, &inbox, &publish);
            drop(end);
            result
        };
        let thread = std::thread::Builder::new().name("block-producer".to_owned()).spawn(run);
        let thread = thread.map_err(|error| LocalnetError::Ended(error.to_string()))?;
        Ok(Producer { handle: ProducerHandle { commands, views }, thread: Some(thread), ended })
    }

    pub(super) fn handle(&self) -> ProducerHandle {
        self.handle.clone()
    }

    /// Waits for the thread to end by itself, which it does only when the store fails.
    pub(super) async fn ended(&mut self) -> Result<(), LocalnetError> {
        // The sender is only ever dropped.
        (&mut self.ended).await.ok();
        self.join().await
    }

    /// Ends the thread; all blocks are durable when this returns.
    pub(super) async fn stop(&mut self) -> Result<(), LocalnetError> {
        // A thread that has ended needs no command.
        self.handle.commands.send(Command::Stop).ok();
        self.join().await
    }

    async fn join(&mut self) -> Result<(), LocalnetError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(result)) => Ok(result?),
            _ => Err(LocalnetError::Ended("the block producer panicked".to_owned())),
        }
    }
}

impl ProducerHandle {
    /// The newest durable state, and its changes from now on.
    pub(super) fn views(&self) -> watch::Receiver<View> {
        self.views.clone()
    }

    /// Puts a transaction into the pool.
    pub(super) async fn submit(&self, transaction: SignedTransaction) -> Result<Result<(), InvalidTxError>, Stopping> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Submit { transaction: Box::new(transaction), reply };
        self.commands.send(command).map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }

    /// Makes blocks at once.
    pub(super) async fn fast_forward(&self, blocks: u64) -> Result<(), Stopping> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::FastForward { blocks, reply }).map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }
}

fn run(mut ledger: Ledger, inbox: &Receiver<Command>, publish: &watch::Sender<View>) -> Result<(), StoreError> {
    loop {
        let now_ns = unix_ns();
        let next = match ledger.next_block_at(now_ns) {
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due_ns) => inbox.recv_timeout(Duration::from_nanos(due_ns.saturating_sub(now_ns))),
        };
        match next {
            Ok(command) => {
                if !take(&mut ledger, command, publish)? {
                    return Ok(());
                }
                // What else was submitted meanwhile goes into the same block.
                while let Ok(command) = inbox.try_recv() {
                    if !take(&mut ledger, command, publish)? {
                        return Ok(());
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        let now_ns = unix_ns();
        if ledger.next_block_at(now_ns).is_some_and(|due_ns| due_ns <= now_ns) {
            ledger.make_block(now_ns)?;
            publish.send_replace(ledger.view());
        }
    }
}

/// Carries a command out; false if it is to stop. A dropped reply means that the client has gone.
fn take(ledger: &mut Ledger, command: Command, publish: &watch::Sender<View>) -> Result<bool, StoreError> {
    match command {
        Command::Submit { transaction, reply } => {
            let submitted = ledger.submit(*transaction);
            reply.send(submitted.map(|_| ())).ok();
        }
        Command::FastForward { blocks, reply } => {
            ledger.fast_forward(unix_ns(), blocks)?;
            publish.send_replace(ledger.view());
            reply.send(()).ok();
        }
        Command::Stop => return Ok(false),
    }
    Ok(true)
}
