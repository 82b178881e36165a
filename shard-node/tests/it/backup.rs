//! Backups of running nodes, and what restoring them leads to, with real processes.

use crate::fleet::{ALPHA, BETA, Bridge, TRUST, in_time};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

/// `backup --follow`, and what it says.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Bridge {
    /// Sends messages from a shard to the other, and waits until the last is there.
    async fn exchange(&self, from: &str, texts: &[&str]) {
        for (at, text) in texts.iter().enumerate() {
            let is_last = at + 1 == texts.len();
            self.send(from, text, is_last.then_some("delivered")).await;
        }
    }

    /// Waits until a node has found the contract's tip in its records.
    async fn resumed(&self, shard: &str) {
        self.until(shard, "resumes", |status| status.engine.resumed).await;
    }

    async fn inbox_size(&self, shard: &str) -> u64 {
        self.client(shard).status().await.expect("a status").engine.inbox_size
    }

    async fn new_identity(&self) -> String {
        let made = self.done(&["backup", "--new-identity", "identity.txt"]).await;
        made["recipient"].as_str().expect("a recipient").to_owned()
    }

    fn follow(&self, recipient: &str) -> Follower {
        let args = ["backup", "--json", "--follow", "--home", ALPHA, "--to", "backups", "--recipient", recipient];
        let mut child = self.command(&args).spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Follower { child, lines }
    }

    async fn restore(&self, from: &str, keys_of: &str) -> Value {
        let args = ["restore", "--from", from, "--identity", "identity.txt", "--home", ALPHA];
        let restored = self.done(&[&args[..], &["--trust", TRUST]].concat()).await;
        assert!(!self.fleet.home(ALPHA).join("keys.json").exists(), "keys are not in a backup");
        fs::copy(self.path(keys_of).join("keys.json"), self.fleet.home(ALPHA).join("keys.json")).expect("copied");
        restored
    }
}

impl Follower {
    /// The next part that was shipped.
    async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.expect("readable").expect("a part");
        serde_json::from_str(&line).expect("JSON")
    }

    async fn stop(mut self) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).expect("it runs");
        kill_process(pid, Signal::TERM).expect("asked");
        while self.lines.next_line().await.expect("readable").is_some() {}
        assert!(self.child.wait().await.expect("an end").success());
    }
}

fn parts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("listed").map(|entry| entry.expect("an entry").path());
    let mut parts: Vec<_> = entries.filter(|path| path.extension().is_some_and(|suffix| suffix == "age")).collect();
    parts.sort();
    parts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_resumes_from_the_newest_backup_and_stops_on_an_older_one() {
    in_time(async {
        let mut bridge = Bridge::start().await;
        let recipient = bridge.new_identity().await;
        bridge.exchange(ALPHA, &["a0", "a1"]).await;
        bridge.exchange(BETA, &["b0"]).await;

        let args = ["backup", "--home", ALPHA, "--to", "old.age", "--recipient", &recipient];
        let old = bridge.done(&args).await;
        assert_eq!((old["shard"].as_str(), old["whole"].as_bool()), (Some(ALPHA), Some(true)));
        assert!(old["turn"].as_u64() > Some(0) && old["attested_height"].as_u64().is_some(), "{old}");
        let again = bridge.refused(&args).await;
        assert!(again.contains("nothing is overwritten"), "{again}");

        let mut follower = bridge.follow(&recipient);
        assert_eq!(follower.next().await["whole"].as_bool(), Some(true));
        bridge.exchange(ALPHA, &["a2", "a3"]).await;
        assert_eq!(follower.next().await["whole"].as_bool(), Some(false));
        follower.child.kill().await.expect("killed as a power cut would");
        bridge.exchange(BETA, &["b1"]).await;
        let mut follower = bridge.follow(&recipient);
        assert_eq!(follower.next().await["whole"].as_bool(), Some(false), "it goes on where it was");
        bridge.exchange(ALPHA, &["a4"]).await;
        bridge.fleet.kill(ALPHA).await.expect("it ran");
        follower.stop().await;
        let sound = bridge.done(&["fsck", "--home", ALPHA]).await;
        assert_eq!(sound["sound"].as_bool(), Some(true), "{sound}");
        fs::rename(bridge.fleet.home(ALPHA), bridge.path("lost")).expect("moved");

        let restored = bridge.restore("backups", "lost").await;
        let lost = bridge.done(&["fsck", "--home", "lost"]).await;
        assert_eq!(restored["found"]["store"]["turn"], lost["found"]["store"]["turn"], "all was shipped");
        bridge.fleet.start_node(ALPHA).await.expect("a node of the newest backup");
        bridge.resumed(ALPHA).await;
        bridge.exchange(ALPHA, &["a5"]).await;
        bridge.exchange(BETA, &["b2"]).await;
        assert_eq!((bridge.inbox_size(BETA).await, bridge.inbox_size(ALPHA).await), (6, 3));

        bridge.fleet.kill(ALPHA).await.expect("it ran");
        fs::rename(bridge.fleet.home(ALPHA), bridge.path("newer")).expect("moved");
        bridge.restore("old.age", "newer").await;
        let stopped = bridge.refused(&["run", "--home", ALPHA]).await;
        assert!(stopped.contains("not the newest copy") && stopped.contains("nothing was sealed or sent"), "{stopped}");
        assert_eq!(bridge.inbox_size(BETA).await, 6);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_changed_incomplete_or_of_another_bridge_is_not_restored() {
    in_time(async {
        let bridge = Bridge::start().await;
        let recipient = bridge.new_identity().await;
        let mut follower = bridge.follow(&recipient);
        follower.next().await;
        for text in ["a0", "a1", "a2"] {
            bridge.exchange(ALPHA, &[text]).await;
            follower.next().await;
        }
        follower.stop().await;
        let restore = |from: &'static str, identity: &'static str, home: &'static str, trust: &'static str| {
            let bridge = &bridge;
            async move {
                let args = ["restore", "--from", from, "--identity", identity, "--home", home, "--trust", trust];
                let ran = bridge.run(&args).await;
                assert!(ran.stdout.is_empty() || ran.code == Some(0), "{ran:?}");
                (ran.code == Some(0), ran.stderr)
            }
        };
        let refused = |(success, words): (bool, String), why: &str| {
            assert!(!success && words.contains(why), "{why:?} expected: {words}");
            let left = fs::read_dir(bridge.folder.path()).expect("listed");
            let names = left.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
            assert!(
                !names.into_iter().any(|name| name == "again" || name.starts_with(".restoring")),
                "something is left"
            );
        };
        bridge.done(&["backup", "--new-identity", "eve.txt"]).await;
        let trust = fs::read_to_string(bridge.path(TRUST)).expect("read");
        let instance =
            serde_json::from_str::<Value>(&trust).expect("JSON")["instance"].as_str().expect("hex").to_owned();
        fs::write(bridge.path("other.json"), trust.replace(&instance, &"0".repeat(64))).expect("written");
        let pinned = TRUST;

        refused(restore("backups", "identity.txt", BETA, pinned).await, "nothing is overwritten");
        refused(restore("backups", "eve.txt", "again", pinned).await, "none of these identities");
        refused(restore("backups", "identity.txt", "again", "other.json").await, "the backup is of bridge");
        refused(restore(TRUST, "identity.txt", "again", pinned).await, "no file in age's format");

        let parts = parts(&bridge.path("backups"));
        assert!(parts.len() >= 3, "{parts:?}");
        let sound = fs::read(&parts[1]).expect("read");
        let mut changed = sound.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&parts[1], changed).expect("written");
        refused(restore("backups", "identity.txt", "again", pinned).await, "changed or cut short");
        fs::remove_file(&parts[1]).expect("removed");
        refused(restore("backups", "identity.txt", "again", pinned).await, "part 1 is missing");
        fs::copy(&parts[2], &parts[1]).expect("copied");
        refused(restore("backups", "identity.txt", "again", pinned).await, "another part's");
        fs::write(&parts[1], sound).expect("written");
        assert!(restore("backups", "identity.txt", "again", pinned).await.0, "it is sound again");
        assert!(!bridge.path("again/keys.json").exists() && bridge.path("again/api.token").exists());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fsck_names_what_is_damaged_and_a_running_node_is_left_alone() {
    in_time(async {
        let mut bridge = Bridge::start().await;
        bridge.exchange(ALPHA, &["a0", "a1"]).await;
        let busy = bridge.refused(&["fsck", "--home", ALPHA]).await;
        assert!(busy.contains("home in use"), "{busy}");
        bridge.fleet.kill(ALPHA).await.expect("it ran");
        assert_eq!(bridge.done(&["fsck", "--home", ALPHA]).await["sound"].as_bool(), Some(true));

        let segment = bridge.fleet.home(ALPHA).join("store/log/0000000000000001.segment");
        let mut content = fs::read(&segment).expect("read");
        let at = content.windows(2).position(|bytes| bytes == b"a1").expect("the message stands in the log");
        content[at] ^= 1;
        fs::write(&segment, content).expect("written");
        let damaged = bridge.run(&["--json", "fsck", "--home", ALPHA]).await;
        assert_eq!(damaged.code, Some(1), "{damaged:?}");
        let verdict: Value = serde_json::from_slice(&damaged.stdout).expect("JSON");
        let findings = verdict["found"]["store"]["findings"].to_string();
        assert!(findings.contains("segment 1") && findings.contains("damaged"), "{verdict}");
        assert!(verdict["do"].as_str().is_some_and(|advice| advice.contains("restore the newest backup")), "{verdict}");
    })
    .await;
}
