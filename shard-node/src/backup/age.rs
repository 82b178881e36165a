//! Encryption of backups: the age format, version 1, with X25519 recipients
//! (<https://c2sp.org/age>), so that `age` and `rage` read and write the same files and keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use curve25519_dalek::montgomery::MontgomeryPoint;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::str::FromStr;

const VERSION: &str = "age-encryption.org/v1";
const WRAP_INFO: &[u8] = b"age-encryption.org/v1/X25519";
const RECIPIENT_HRP: &str = "age";
const IDENTITY_HRP: &str = "age-secret-key-";
const FILE_KEY_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// Plaintext is sealed in chunks of this length, in bytes; the last one may be shorter.
const CHUNK_BYTES: usize = 64 * 1024;
/// Longest line of a header, in bytes: stanzas are wrapped at 64 columns, arguments are short.
const LINE_BYTES_MAX: usize = 1024;
/// Most lines of a header: some hundred recipients.
const LINES_MAX: usize = 512;

/// Whom a backup is for: `age1…`. It can't be read with this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

/// Who can read a backup: `AGE-SECRET-KEY-1…`.
#[derive(Clone)]
pub struct Identity([u8; 32]);

/// Why something isn't a key, or can't be decrypted.
#[derive(Debug, thiserror::Error)]
pub enum AgeError {
    /// Not a recipient.
    #[error("{0:?} is no recipient: expected age1… as `age-keygen` or `shard-node backup --new-identity` prints it")]
    Recipient(String),
    /// Not an identity. The text isn't shown: it may be a secret.
    #[error("the identity file has no line AGE-SECRET-KEY-1…")]
    Identity,
    /// No identity fits.
    #[error("the backup is for none of these identities: use the file whose recipient it was made for")]
    NoIdentityFits,
    /// Not a file of this format.
    #[error("this is no file in age's format: {0}")]
    Header(&'static str),
    /// Changed, or encrypted by somebody else under the same header.
    #[error("the backup's header was changed: its authentication fails")]
    HeaderChanged,
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FromStr for Recipient {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        decode_key(text, RECIPIENT_HRP).map(Recipient).ok_or_else(|| AgeError::Recipient(text.to_owned()))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hrp = Hrp::parse(RECIPIENT_HRP).map_err(|_| fmt::Error)?;
        f.write_str(&bech32::encode_lower::<Bech32>(hrp, &self.0).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl Identity {
    /// Draws an identity.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn generate() -> io::Result<Self> {
        random().map(Identity)
    }

    /// The identities in a file: one on each line, but for comments (`#`) and empty lines.
    ///
    /// # Errors
    /// [`AgeError::Identity`] without any, or with a line that is none.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, AgeError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let identities: Option<Vec<Self>> = lines.map(|line| decode_key(line, IDENTITY_HRP).map(Identity)).collect();
        identities.filter(|identities| !identities.is_empty()).ok_or(AgeError::Identity)
    }

    /// The line of an identity file. A secret.
    pub fn secret_line(&self) -> String {
        let hrp = Hrp::parse(IDENTITY_HRP).expect("letters and hyphens are allowed");
        bech32::encode_upper::<Bech32>(hrp, &self.0).expect("32 bytes are short enough")
    }

    /// Whom to encrypt for.
    pub fn recipient(&self) -> Recipient {
        Recipient(MontgomeryPoint::mul_base_clamped(self.0).to_bytes())
    }
}

fn decode_key(text: &str, hrp: &str) -> Option<[u8; 32]> {
    let decoded = CheckedHrpstring::new::<Bech32>(text).ok()?;
    let is_upper = text.chars().any(|c| c.is_ascii_uppercase());
    let fits = decoded.hrp().to_lowercase() == *hrp && is_upper == (hrp == IDENTITY_HRP);
    let bytes: Vec<u8> = decoded.byte_iter().collect();
    bytes.try_into().ok().filter(|_| fits)
}

/// Encrypts what is written to it. Only [`Encryptor::finish`] makes it complete: what is cut short
/// isn't accepted when it is read.
pub struct Encryptor<W> {
    inner: W,
    stream: Stream,
    chunk: Vec<u8>,
}

impl<W: Write> Encryptor<W> {
    /// Writes the header for `recipients`, at least one.
    ///
    /// # Errors
    /// Those of writing, and of the system's randomness.
    pub fn new(mut inner: W, recipients: &[Recipient]) -> io::Result<Self> {
        let file_key: [u8; FILE_KEY_BYTES] = random()?;
        let mut header = format!("{VERSION}\n");
        for recipient in recipients {
            let secret: [u8; 32] = random()?;
            let share = MontgomeryPoint::mul_base_clamped(secret).to_bytes();
            let key = wrap_key(secret, recipient.0, (share, recipient.0))
                .ok_or_else(|| io::Error::other(format!("recipient {recipient} is no usable key")))?;
            let mut wrapped = file_key.to_vec();
            seal(&key, [0; 12], &mut wrapped)?;
            header += &format!("-> X25519 {}\n{}\n", BASE64.encode(share), BASE64.encode(wrapped));
        }
        header += "---";
        let mac = hmac::sign(&header_key(&file_key), header.as_bytes());
        inner.write_all(format!("{header} {}\n", BASE64.encode(mac)).as_bytes())?;
        let nonce: [u8; 16] = random()?;
        inner.write_all(&nonce)?;
        Ok(Encryptor {
            inner,
            stream: Stream::new(&file_key, &nonce),
            chunk: Vec::with_capacity(CHUNK_BYTES + TAG_BYTES),
        })
    }

    /// Writes what is left, and gives the inner writer back.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_chunk(true)?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn write_chunk(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = self.stream.next(is_last)?;
        seal(&self.stream.key, nonce, &mut self.chunk)?;
        self.inner.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK_BYTES {
            self.write_chunk(false)?;
        }
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Decrypts what is read from it. A chunk is given out once it is authenticated; what was changed
/// or cut short ends in an error.
pub struct Decryptor<R> {
    inner: R,
    stream: Stream,
    chunk: Vec<u8>,
    read: usize,
    is_first: bool,
    is_ended: bool,
}

impl<R: BufRead> Decryptor<R> {
    /// Reads the header with the first identity that fits.
    ///
    /// # Errors
    /// [`AgeError`].
    pub fn new(mut inner: R, identities: &[Identity]) -> Result<Self, AgeError> {
        let header = Header::read(&mut inner)?;
        let keys = identities.iter().flat_map(|identity| {
            header.stanzas.iter().filter_map(|(share, wrapped)| unwrap_key(identity, *share, wrapped))
        });
        let file_key = keys.into_iter().next().ok_or(AgeError::NoIdentityFits)?;
        hmac::verify(&header_key(&file_key), header.text.as_bytes(), &header.mac)
            .map_err(|_| AgeError::HeaderChanged)?;
        let mut nonce = [0; 16];
        inner.read_exact(&mut nonce)?;
        let stream = Stream::new(&file_key, &nonce);
        Ok(Decryptor { inner, stream, chunk: Vec::new(), read: 0, is_first: true, is_ended: false })
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        self.chunk.clear();
        self.read = 0;
        let limit = u64::try_from(CHUNK_BYTES + TAG_BYTES).expect("a chunk is short");
        (&mut self.inner).take(limit).read_to_end(&mut self.chunk)?;
        self.is_ended = self.inner.fill_buf()?.is_empty();
        let nonce = self.stream.next(self.is_ended)?;
        let changed = || io::Error::new(io::ErrorKind::InvalidData, "the file was changed or cut short");
        let length = open(&self.stream.key, nonce, &mut self.chunk).ok_or_else(changed)?;
        self.chunk.truncate(length);
        if length == 0 && !self.is_first {
            return Err(changed());
        }
        self.is_first = false;
        Ok(())
    }
}

impl<R: BufRead> Read for Decryptor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.chunk.len() && !self.is_ended {
            self.next_chunk()?;
        }
        let taken = buffer.len().min(self.chunk.len() - self.read);
        buffer[..taken].copy_from_slice(&self.chunk[self.read..self.read + taken]);
        self.read += taken;
        Ok(taken)
    }
}

struct Header {
    /// What the MAC covers.
    text: String,
    /// Ephemeral share and wrapped file key of each X25519 stanza.
    stanzas: Vec<([u8; 32], Vec<u8>)>,
    mac: Vec<u8>,
}

impl Header {
    fn read(inner: &mut impl BufRead) -> Result<Self, AgeError> {
        let mut header = Header { text: String::new(), stanzas: Vec::new(), mac: Vec::new() };
        let mut share = None;
        for at in 0..LINES_MAX {
            let line = read_line(inner)?;
            if let Some(mac) = line.strip_prefix("--- ") {
                header.text += "---";
                header.mac = BASE64.decode(mac).map_err(|_| AgeError::Header("its MAC is not base64"))?;
                return Ok(header);
            }
            if at == 0 && line != VERSION {
                return Err(AgeError::Header("its first line is not age-encryption.org/v1"));
            }
            match line.strip_prefix("-> ") {
                Some(stanza) => {
                    let encoded = stanza.strip_prefix("X25519 ").and_then(|share| BASE64.decode(share).ok());
                    share = encoded.and_then(|share| <[u8; 32]>::try_from(share).ok());
                }
                // Stanzas of other kinds are for other software.
                None => header.stanzas.extend(share.take().zip(BASE64.decode(&line).ok())),
            }
            header.text += &line;
            header.text.push('\n');
        }
        Err(AgeError::Header("its header has too many lines"))
    }
}

fn read_line(inner: &mut impl BufRead) -> Result<String, AgeError> {
    let mut line = Vec::new();
    let limit = u64::try_from(LINE_BYTES_MAX).expect("a line is short");
    inner.take(limit).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(AgeError::Header("its header is cut short, or has too long a line"));
    }
    String::from_utf8(line).map_err(|_| AgeError::Header("its header is not text"))
}

/// Key and counter of the payload's chunks.
struct Stream {
    key: [u8; 32],
    counter: u64,
}

impl Stream {
    fn new(file_key: &[u8], nonce: &[u8]) -> Self {
        Stream { key: derive(nonce, file_key, b"payload"), counter: 0 }
    }

    /// The nonce of the next chunk: a counter of eleven bytes, and whether it is the last.
    fn next(&mut self, is_last: bool) -> io::Result<[u8; 12]> {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.counter.to_be_bytes());
        nonce[11] = u8::from(is_last);
        self.counter = self.counter.checked_add(1).ok_or_else(|| io::Error::other("the file is too long"))?;
        Ok(nonce)
    }
}

/// The key that wraps a file key; `None` if the point has a low order.
fn wrap_key(secret: [u8; 32], point: [u8; 32], (share, recipient): ([u8; 32], [u8; 32])) -> Option<[u8; 32]> {
    let shared = MontgomeryPoint(point).mul_clamped(secret).to_bytes();
    (shared != [0; 32]).then(|| derive(&[share, recipient].concat(), &shared, WRAP_INFO))
}

fn unwrap_key(identity: &Identity, share: [u8; 32], wrapped: &[u8]) -> Option<[u8; FILE_KEY_BYTES]> {
    let key = wrap_key(identity.0, share, (share, identity.recipient().0))?;
    let mut file_key = wrapped.to_vec();
    let length = open(&key, [0; 12], &mut file_key)?;
    file_key.get(..length)?.try_into().ok()
}

fn header_key(file_key: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &derive(&[], file_key, b"header"))
}

/// HKDF-SHA-256 (RFC 5869).
fn derive(salt: &[u8], secret: &[u8], info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let info = [info];
    let expanded = extracted.expand(&info, hkdf::HKDF_SHA256);
    expanded.and_then(|okm| okm.fill(&mut key)).expect("one hash's length can be derived, and fits 32 bytes");
    key
}

fn seal(key: &[u8; 32], nonce: [u8; 12], bytes: &mut Vec<u8>) -> io::Result<()> {
    let sealed = cipher(key).seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), bytes);
    sealed.map_err(|_| io::Error::other("a chunk can't be encrypted"))
}

/// Decrypts in place; the length of the plaintext, or `None` if it isn't authentic.
fn open(key: &[u8; 32], nonce: [u8; 12], bytes: &mut [u8]) -> Option<usize> {
    let opened = cipher(key).open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), bytes);
    opened.ok().map(|plain| plain.len())
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has 32 bytes"))
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| io::Error::other(format!("the system gives no randomness: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
