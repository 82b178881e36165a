//! QUIC by hand: a listed transport key, TLS that accepts anybody, and raw bytes on the streams.

use super::frames;
use super::stage::TIME_LIMIT;
use ed25519_dalek::SigningKey;
use queue::digest::Hash;
use queue::frame::{ALPN, FRAME_HEADER_BYTES, ReceiverFrame, SenderFrame, decode_frame, frame_length};
use queue::ids::Lane;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ApplicationClose, ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream, ServerConfig,
};
use rustls::DigitallySignedStruct;
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DistinguishedName, Error, SignatureScheme};
use std::net::SocketAddr;
use std::sync::Arc;

/// An endpoint at `address` that dials and accepts under the key, without looking at the other's.
pub fn endpoint(address: SocketAddr, key: &SigningKey) -> Endpoint {
    endpoint_speaking(&[ALPN], address, key)
}

/// The same with other names of the protocol.
pub fn endpoint_speaking(protocols: &[&[u8]], address: SocketAddr, key: &SigningKey) -> Endpoint {
    let protocols: Vec<Vec<u8>> = protocols.iter().map(|name| name.to_vec()).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let identity = identity(&provider, key);
    let mut server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(Arc::new(Anybody))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(identity.clone())));
    server.alpn_protocols = protocols.clone();
    let server = QuicServerConfig::try_from(server).expect("a suite for QUIC");
    let mut endpoint = Endpoint::server(ServerConfig::with_crypto(Arc::new(server)), address).expect("a free port");
    endpoint.set_default_client_config(client(provider, identity, protocols));
    endpoint
}

fn client(provider: Arc<CryptoProvider>, identity: Arc<CertifiedKey>, protocols: Vec<Vec<u8>>) -> ClientConfig {
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(identity)));
    client.alpn_protocols = protocols;
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(client).expect("a suite for QUIC")))
}

fn identity(provider: &CryptoProvider, key: &SigningKey) -> Arc<CertifiedKey> {
    const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    const PKCS8_PREFIX: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let pkcs8 = PrivatePkcs8KeyDer::from([&PKCS8_PREFIX[..], key.as_bytes()].concat());
    let secret = provider.key_provider.load_private_key(pkcs8.into()).expect("an ed25519 key");
    let spki = CertificateDer::from([&SPKI_PREFIX[..], key.verifying_key().as_bytes()].concat());
    Arc::new(CertifiedKey::new(vec![spki], secret))
}

/// A connection with a node, and the two streams on it.
pub struct Session {
    pub connection: Connection,
    /// Opened by Mallory: for receiver frames, and the node's data.
    pub as_receiver: (SendStream, RecvStream),
    /// Opened by the node: for sender frames, and the node's acknowledgements.
    pub as_sender: (SendStream, RecvStream),
    /// What the node says to hold of her lane.
    pub held: (u64, Hash),
}

impl Session {
    /// Takes the streams of a connection, and the node's first frame.
    pub async fn begin(connection: Connection) -> Self {
        Session::try_begin(connection).await.expect("the node opens its stream")
    }

    /// The same; `None` if the node ends the connection before it opens its stream.
    pub async fn try_begin(connection: Connection) -> Option<Self> {
        let as_receiver = connection.open_bi().await.ok()?;
        let mut as_sender = connection.accept_bi().await.ok()?;
        let held = match read_frame(&mut as_sender.1).await {
            ReceiverFrame::Open { size, root, .. } => (size, root),
            other => panic!("expected the node to open the lane, found {other:?}"),
        };
        Some(Session { connection, as_receiver, as_sender, held })
    }

    /// Opens the lane to her honestly and reads it up to `end`, acknowledging each release. What comes
    /// ahead of its release is left out.
    pub async fn receive(&mut self, lane: &Lane, held: (u64, Hash), end: u64) -> Vec<Vec<u8>> {
        write(&mut self.as_receiver.0, &frames::open(lane, held.0, held.1)).await;
        let (mut at, mut stream) = (held.0, Vec::new());
        while at < end {
            match read_frame(&mut self.as_receiver.1).await {
                SenderFrame::Data(bytes) => stream.extend(bytes),
                SenderFrame::Release(release) if release.end > at => {
                    at = release.end;
                    write(&mut self.as_receiver.0, &frames::ack(at)).await;
                }
                SenderFrame::Begin { .. }
                | SenderFrame::Mark { .. }
                | SenderFrame::Wish { .. }
                | SenderFrame::Release(_) => {}
            }
        }
        let count = usize::try_from(end - held.0).expect("a small test");
        messages(&stream).into_iter().take(count).collect()
    }

    /// Waits until the node acknowledges her lane up to `size`.
    pub async fn until_acknowledged(&mut self, size: u64) {
        loop {
            match read_frame(&mut self.as_sender.1).await {
                ReceiverFrame::Ack { size: acknowledged } if acknowledged >= size => return,
                ReceiverFrame::Ack { .. } | ReceiverFrame::Staged { .. } => {}
                other => panic!("expected an acknowledgement, found {other:?}"),
            }
        }
    }
}

/// Writes bytes as far as the node takes them: it may have dropped the connection already.
pub async fn write(stream: &mut SendStream, bytes: &[u8]) {
    stream.write_all(bytes).await.ok();
}

/// Why the node closed the connection: application code and reason.
pub async fn closed(connection: &Connection) -> Result<(u64, String), String> {
    match tokio::time::timeout(TIME_LIMIT, connection.closed()).await {
        Ok(ConnectionError::ApplicationClosed(ApplicationClose { error_code, reason })) => {
            Ok((error_code.into_inner(), String::from_utf8_lossy(&reason).into_owned()))
        }
        Ok(other) => Err(format!("the connection ended with {other:?}")),
        Err(_) => Err(format!("the connection is still up after {TIME_LIMIT:?}")),
    }
}

async fn read_frame<T: borsh::BorshDeserialize>(stream: &mut RecvStream) -> T {
    let mut header = [0; FRAME_HEADER_BYTES];
    let reading = async {
        stream.read_exact(&mut header).await.map_err(|error| error.to_string())?;
        let mut body = vec![0; frame_length(header).map_err(|error| error.to_string())?];
        stream.read_exact(&mut body).await.map_err(|error| error.to_string())?;
        decode_frame(&body).map_err(|error| error.to_string())
    };
    match tokio::time::timeout(TIME_LIMIT, reading).await {
        Ok(frame) => frame.expect("a frame of an honest node"),
        Err(_) => panic!("no frame came within {TIME_LIMIT:?}"),
    }
}

fn messages(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).expect("a length");
        let Some((message, rest)) = rest.split_at_checked(length) else { break };
        messages.push(message.to_vec());
        stream = rest;
    }
    messages
}

/// Accepts every key, and asks for a raw one.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
