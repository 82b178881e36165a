//! TLS between nodes: version 1.3 only, RFC 7250 raw ed25519 keys on both sides, no certificates,
//! no resumption (a resumed session would skip the check of the key).

use super::allowlist::{Allowlist, TransportKey};
use queue::frame::ALPN;
use queue::ids::ShardId;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, TransportErrorCode};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerIncompatible, ServerConfig, SignatureScheme,
};
use std::sync::Arc;

/// What stands before the 32 bytes of an ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What stands before the 32 bytes of an ed25519 seed in its PKCS #8 form (RFC 8410 §7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// TLS of one node: its key, and whom it accepts.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    identity: Arc<CertifiedKey>,
    allowlist: Allowlist,
}

impl Tls {
    /// TLS under the key of `seed` (RFC 8032 private key).
    pub(super) fn new(seed: &[u8; 32], allowlist: Allowlist) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pkcs8 = PrivatePkcs8KeyDer::from([&PKCS8_PREFIX[..], seed].concat());
        let key = provider.key_provider.load_private_key(pkcs8.into())?;
        let public = ed25519_dalek::SigningKey::from_bytes(seed).verifying_key().to_bytes();
        let spki = CertificateDer::from([&SPKI_PREFIX[..], &public].concat());
        Ok(Tls { provider, identity: Arc::new(CertifiedKey::new(vec![spki], key)), allowlist })
    }

    /// For accepting every listed peer.
    pub(super) fn server(&self) -> Result<QuicServerConfig, Error> {
        let verifier = Arc::new(PeerKeyVerifier { tls: self.clone(), expected: None });
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.identity.clone())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        QuicServerConfig::try_from(config).map_err(|error| Error::General(error.to_string()))
    }

    /// For dialing `peer` and nobody else.
    pub(super) fn client(&self, peer: &ShardId) -> Result<QuicClientConfig, Error> {
        let verifier = Arc::new(PeerKeyVerifier { tls: self.clone(), expected: Some(peer.clone()) });
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(self.identity.clone())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_sni = false;
        config.resumption = rustls::client::Resumption::disabled();
        QuicClientConfig::try_from(config).map_err(|error| Error::General(error.to_string()))
    }
}

/// The raw key that a peer showed in the handshake; `None` for anything but one ed25519 key.
pub(super) fn peer_key(connection: &quinn::Connection) -> Option<TransportKey> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    match identity.as_slice() {
        [spki] => key_of_spki(spki),
        _ => None,
    }
}

/// Why a connection failed or ended, with what TLS means where quinn tells a number only.
pub(super) fn explain(error: ConnectionError) -> String {
    let (code, by_peer) = match &error {
        ConnectionError::TransportError(local) => (local.code, false),
        ConnectionError::ConnectionClosed(told) => (told.error_code, true),
        _ => return error.to_string(),
    };
    if code == TransportErrorCode::crypto(AlertDescription::NoApplicationProtocol.into()) {
        let alpn = String::from_utf8_lossy(ALPN);
        return format!("the peer does not speak {alpn}, as this node does: upgrade the older of the two");
    }
    if code == TransportErrorCode::crypto(AlertDescription::AccessDenied.into()) {
        return match by_peer {
            true => "the peer does not list this node's transport key: is this home's key registered?".to_owned(),
            false => "the peer's transport key is not listed: its shard registers it, or `peers` in the configuration names it".to_owned(),
        };
    }
    error.to_string()
}

fn key_of_spki(spki: &[u8]) -> Option<TransportKey> {
    spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok()
}

/// Accepts the listed keys: all of them, or those of one shard.
#[derive(Debug)]
struct PeerKeyVerifier {
    tls: Tls,
    expected: Option<ShardId>,
}

impl PeerKeyVerifier {
    fn check_key(&self, spki: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Result<(), Error> {
        let key = key_of_spki(spki).filter(|_| intermediates.is_empty());
        let key = key.ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let listing = self.tls.allowlist.shards_of(&key);
        let accepted = match &self.expected {
            Some(expected) => listing.contains(expected),
            None => !listing.is_empty(),
        };
        if accepted { Ok(()) } else { Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) }
    }

    fn check_signature(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(spki.as_ref());
        verify_tls13_signature_with_raw_key(
            message,
            &spki,
            signature,
            &self.tls.provider.signature_verification_algorithms,
        )
    }
}

impl ServerCertVerifier for PeerKeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check_key(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for PeerKeyVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check_key(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
