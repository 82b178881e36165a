//! What somebody would use instead: two NATS servers, of which the second mirrors a stream of the
//! first, both made durable (`sync_interval: always`). Without hashes, signatures or TLS.
//!
//! Speaks NATS's text protocol: what is needed of it is a few lines.

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// The server's program, as its packages install it.
const PROGRAM: &str = "nats-server";

/// How long a server may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause before a server is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Longest payload that the servers take, in bytes: a batch made by hand, and room.
const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Two servers. Dropping them kills them.
#[derive(Debug)]
pub(super) struct Nats {
    source: Client,
    destination: Client,
    _servers: [Child; 2],
}

/// Whether the server's program is there.
pub(super) async fn is_installed() -> bool {
    let version = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    version.is_ok_and(|status| status.success())
}

impl Nats {
    /// Starts both servers in `folder`, pinned to these cores, with a stream and its mirror.
    ///
    /// # Errors
    /// A server doesn't start, or refuses.
    pub(super) async fn start(folder: &Path, cores: [Option<usize>; 2]) -> anyhow::Result<Self> {
        let [source_port, leaf_port, destination_port] = [free_port().await?, free_port().await?, free_port().await?];
        let leaf = |what: String| format!("leafnodes {{ {what} }}\n");
        let listen = leaf(format!("listen: \"127.0.0.1:{leaf_port}\""));
        let dial = leaf(format!("remotes: [ {{ url: \"nats-leaf://127.0.0.1:{leaf_port}\" }} ]"));
        let source = server(folder, "source", source_port, &listen, cores[0]).await?;
        let mut nats_source = Client::connect(source_port).await?;
        let destination = server(folder, "destination", destination_port, &dial, cores[1]).await?;
        let mut nats_destination = Client::connect(destination_port).await?;
        let stream = json!({ "name": "S", "subjects": ["s"], "storage": "file" });
        nats_source.request("$JS.API.STREAM.CREATE.S", &stream).await?;
        let external = json!({ "api": "$JS.source.API", "deliver": "" });
        let mirror = json!({ "name": "M", "storage": "file", "mirror": { "name": "S", "external": external } });
        nats_destination.request("$JS.API.STREAM.CREATE.M", &mirror).await?;
        Ok(Nats { source: nats_source, destination: nats_destination, _servers: [source, destination] })
    }

    /// Publishes `messages` payloads of `size` bytes with `window` of them unacknowledged, and gives
    /// how many a second the mirror took, from a tenth of them on.
    ///
    /// # Errors
    /// A server fails, or nothing moves for `patience`.
    pub(super) async fn measure(
        &mut self,
        messages: u64,
        size: usize,
        window: u64,
        patience: Duration,
    ) -> anyhow::Result<f64> {
        let Nats { source, destination, .. } = self;
        let begin = destination.mirrored().await?;
        let watch = async {
            let mut first = None;
            let mut newest = (Instant::now(), begin);
            loop {
                let (at, mirrored) = (Instant::now(), destination.mirrored().await?);
                if mirrored > newest.1 {
                    newest = (at, mirrored);
                }
                ensure!(newest.0.elapsed() < patience, "the mirror stands at {mirrored} of {messages} messages");
                if first.is_none() && mirrored >= begin + messages / 10 {
                    first = Some((at, mirrored));
                }
                if mirrored >= begin + messages {
                    let (since, from) = first.context("the first look sees the first tenth")?;
                    return Ok((mirrored - from) as f64 / at.duration_since(since).as_secs_f64());
                }
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        };
        let (rate, ()) = tokio::try_join!(watch, source.publish(messages, size, window))?;
        Ok(rate)
    }
}

async fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port())
}

async fn server(folder: &Path, name: &str, port: u16, leaf: &str, core: Option<usize>) -> anyhow::Result<Child> {
    let (home, path) = (folder.join(name), folder.join(format!("{name}.conf")));
    let home = home.display();
    let config = format!(
        "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\nmax_payload: {PAYLOAD_BYTES_MAX}\n\
         jetstream {{ store_dir: \"{home}\", domain: {name}, sync_interval: always }}\n{leaf}"
    );
    std::fs::write(&path, config)?;
    let mut command = match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(core.to_string()).arg(PROGRAM);
            command
        }
        None => Command::new(PROGRAM),
    };
    command.arg("-c").arg(path).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().with_context(|| format!("starting {PROGRAM}"))
}

/// A connection to one server.
#[derive(Debug)]
struct Client {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    requests: u64,
}

impl Client {
    /// Connects, waiting until the server listens.
    async fn connect(port: u16) -> anyhow::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let started = Instant::now();
        let stream = loop {
            match TcpStream::connect(address).await {
                Ok(stream) => break stream,
                Err(error) if started.elapsed() > START_TIMEOUT => {
                    return Err(error).with_context(|| format!("{PROGRAM} does not listen at {address}"));
                }
                Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
            }
        };
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        writer.write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB _INBOX.bench.> 1\r\n").await?;
        Ok(Client { reader: BufReader::new(reader), writer, requests: 0 })
    }

    /// Asks, and gives the answer to this very question.
    async fn request(&mut self, subject: &str, body: &Value) -> anyhow::Result<Value> {
        self.requests += 1;
        let reply = format!("_INBOX.bench.request.{}", self.requests);
        let body = body.to_string();
        self.writer.write_all(format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len()).as_bytes()).await?;
        loop {
            let (to, payload) = self.message().await?;
            if to == reply {
                let answer: Value = serde_json::from_slice(&payload)?;
                ensure!(answer.get("error").is_none(), "{PROGRAM} refused {subject}: {answer}");
                return Ok(answer);
            }
        }
    }

    async fn mirrored(&mut self) -> anyhow::Result<u64> {
        let info = self.request("$JS.API.STREAM.INFO.M", &json!({})).await?;
        info.pointer("/state/messages").and_then(Value::as_u64).with_context(|| format!("no count in {info}"))
    }

    /// Publishes, and returns once everything is durable at this server.
    async fn publish(&mut self, messages: u64, size: usize, window: u64) -> anyhow::Result<()> {
        let mut line = format!("PUB s _INBOX.bench.ack {size}\r\n").into_bytes();
        line.resize(line.len() + size, b'z');
        line.extend_from_slice(b"\r\n");
        let (mut sent, mut acknowledged) = (0, 0);
        while acknowledged < messages {
            while sent < messages && sent - acknowledged < window {
                self.writer.write_all(&line).await?;
                sent += 1;
            }
            let (to, payload) = self.message().await?;
            if to == "_INBOX.bench.ack" {
                let answer: Value = serde_json::from_slice(&payload)?;
                ensure!(answer.get("error").is_none(), "{PROGRAM} refused a message: {answer}");
                acknowledged += 1;
            }
        }
        Ok(())
    }

    /// The next message: its subject and payload.
    async fn message(&mut self) -> anyhow::Result<(String, Vec<u8>)> {
        loop {
            let mut line = String::new();
            ensure!(self.reader.read_line(&mut line).await? > 0, "{PROGRAM} closed the connection");
            let mut words = line.split_whitespace();
            match words.next() {
                Some("PING") => self.writer.write_all(b"PONG\r\n").await?,
                Some("MSG") => {
                    let subject = words.next().context("a message has a subject")?.to_owned();
                    let length: usize = words.next_back().and_then(|word| word.parse().ok()).context("no length")?;
                    ensure!(length <= PAYLOAD_BYTES_MAX, "{PROGRAM} announced {length} bytes");
                    let mut payload = vec![0; length + 2];
                    self.reader.read_exact(&mut payload).await?;
                    payload.truncate(length);
                    return Ok((subject, payload));
                }
                Some("-ERR") => bail!("{PROGRAM} says {}", line.trim()),
                _ => {}
            }
        }
    }
}
