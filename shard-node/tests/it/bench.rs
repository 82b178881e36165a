//! The bench from outside.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

fn bench(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shard-node"));
    command.args(["bench", "--rows", "latency", "--runs", "1", "--json", "--folder"]).arg(folder.path());
    command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn is_empty(folder: &tempfile::TempDir) -> bool {
    std::fs::read_dir(folder.path()).expect("a folder").next().is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bench_tells_its_figures_as_json_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = bench(&folder).output().await.expect("a process");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let figures = report["figures"].as_array().expect("figures");
    let median = |key: &str| {
        let figure = figures.iter().find(|figure| figure["key"] == key).unwrap_or_else(|| panic!("{key}: {report}"));
        assert_eq!(figure["values"].as_array().map(Vec::len), Some(1));
        figure["median"].as_f64().expect("a number")
    };
    let (total, beyond) = (median("latency_total_p50"), median("latency_p50"));
    assert!(total > beyond && beyond > 0.0, "{total} {beyond}");
    assert!(is_empty(&folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_bench_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = bench(&folder).spawn().expect("a process");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped")).lines();
    stderr.next_line().await.expect("readable").expect("a first step");
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).expect("it runs");
    kill_process(pid, Signal::INT).expect("a signal");
    let status = child.wait().await.expect("an end");
    assert_eq!(status.code(), Some(1));
    assert!(is_empty(&folder));
}
