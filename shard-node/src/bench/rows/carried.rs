//! Messages carried from one end to the other, under load.

use super::receiver;
use crate::bench::bridge::Bridge;
use crate::bench::node::Order;
use crate::bench::plan::Bench;
use crate::bench::sustained;
use anyhow::Context as _;
use std::time::Duration;

/// Bytes of payload under way when the signer answers at once: some flights, so that both ends always
/// have something to do, and no queue grows between them.
const WINDOW_BYTES: usize = 64 * 1024 * 1024;

/// How many times the signer's delay is under way when it is slow: a message waits for the
/// signature in progress, for its own, and for its way.
const WINDOW_DELAYS: f64 = 2.5;

/// Where the figures of a sustained row go.
struct Sustained {
    rate: &'static str,
    /// What the rate is compared with, and where the ratio goes.
    base: &'static str,
    share: Option<&'static str>,
    cpu: Option<[&'static str; 2]>,
    written: Option<[&'static str; 2]>,
}

const SMALL: Sustained = Sustained {
    rate: "rate_256",
    base: "limit_256",
    share: Some("share_256"),
    cpu: Some(["source_256", "destination_256"]),
    written: Some(["written_source_256", "written_destination_256"]),
};

const LARGE: Sustained = Sustained {
    rate: "rate_1k",
    base: "limit_1k",
    share: Some("share_1k"),
    cpu: Some(["source_1k", "destination_1k"]),
    written: Some(["written_source_1k", "written_destination_1k"]),
};

const DELAY_1S: Sustained =
    Sustained { rate: "rate_delay_1s", base: "rate_256", share: Some("delay_1s"), cpu: None, written: None };

const DELAY_10S: Sustained =
    Sustained { rate: "rate_delay_10s", base: "rate_256", share: Some("delay_10s"), cpu: None, written: None };

impl Bench<'_> {
    pub(in crate::bench) async fn small(&mut self) -> anyhow::Result<()> {
        self.sustained(256, Duration::ZERO, self.options.messages, SMALL).await
    }

    pub(in crate::bench) async fn large(&mut self) -> anyhow::Result<()> {
        self.sustained(1024, Duration::ZERO, self.options.messages / 3, LARGE).await
    }

    pub(in crate::bench) async fn delayed(&mut self) -> anyhow::Result<()> {
        self.with_delay(Duration::from_secs(1), DELAY_1S).await?;
        self.with_delay(Duration::from_secs(10), DELAY_10S).await
    }

    async fn sustained(
        &mut self,
        size: usize,
        signer_delay: Duration,
        messages: u64,
        keys: Sustained,
    ) -> anyhow::Result<()> {
        self.step(&format!("{messages} messages of {size} B, signer delay {signer_delay:?}"));
        let window = match self.figures.of_run(SMALL.rate, self.run) {
            Some(rate) if !signer_delay.is_zero() => whole(rate * signer_delay.as_secs_f64() * WINDOW_DELAYS),
            _ => u64::try_from(WINDOW_BYTES / size)?,
        };
        let folder = self.folder()?;
        let mut bridge = Bridge::start(&self.program, folder.path(), self.pinning, signer_delay).await?;
        let order = Order { to: vec![receiver()?], messages, size, window, one_by_one: false };
        let found = sustained::measure(&mut bridge, &order).await?;
        bridge.stop().await?;
        self.figures.add(keys.rate, found.rate);
        if let Some([source, destination]) = keys.cpu {
            self.figures.add(source, found.source_ns);
            self.figures.add(destination, found.destination_ns);
        }
        if let Some([source, destination]) = keys.written {
            self.figures.add(source, found.source_written);
            self.figures.add(destination, found.destination_written);
        }
        if let (Some(key), Some(base)) = (keys.share, self.figures.of_run(keys.base, self.run)) {
            self.figures.add(key, found.rate / base);
        }
        Ok(())
    }

    async fn with_delay(&mut self, signer_delay: Duration, keys: Sustained) -> anyhow::Result<()> {
        let rate = self.figures.of_run(SMALL.rate, self.run).context("the row without delay comes first")?;
        let queued = whole(rate * signer_delay.as_secs_f64() * WINDOW_DELAYS);
        self.sustained(256, signer_delay, self.options.messages.max(2 * queued), keys).await
    }
}

fn whole(value: f64) -> u64 {
    Duration::from_secs_f64(value.max(0.0)).as_secs()
}
