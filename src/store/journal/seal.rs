//! Signatures under the journal: who changes what was written, or cuts it off, has to forge one.
//!
//! The key is made at the first start and lies beside the hash key, not with the journal. Whoever has it can write another
//! journal; so the hash and the place of each checkpoint are logged as well, for a collector to keep elsewhere.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::alg_id;

use super::bytes::Cursor;
use super::frame::{Chain, JournalError};

/// The file of the signing key in the state directory.
const KEY_FILE: &str = "journal.key";
/// The file in the journal that holds the newest checkpoint.
pub(super) const HEAD_FILE: &str = "head";
/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 64;
/// Bytes of the content of a checkpoint.
pub(super) const CHECKPOINT_BYTES: usize = 4 + SIGNATURE_BYTES;

/// What a checkpoint says: everything before this place is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Names the hash key of the gateway.
    pub key_id: u64,
    /// The number of the segment.
    pub sequence: u64,
    /// Bytes of it before the checkpoint.
    pub length: u64,
    /// The hash of everything up to there.
    pub chain: Chain,
    /// When, unix second.
    pub second: u32,
}

impl Statement {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = b"tidegate journal checkpoint 1".to_vec();
        bytes.extend_from_slice(&self.key_id.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.extend_from_slice(&self.chain);
        bytes.extend_from_slice(&self.second.to_le_bytes());
        bytes
    }

    /// As the file [`HEAD_FILE`] has it.
    pub(super) fn head(&self, signature: &[u8]) -> Vec<u8> {
        let mut bytes = self.encode();
        bytes.extend_from_slice(signature);
        bytes
    }

    /// What [`Statement::head`] made, if its signature is this signer's.
    pub(super) fn of_head(bytes: &[u8], verifier: &Verifier) -> Option<Self> {
        let (bytes, signature) = bytes.split_last_chunk::<SIGNATURE_BYTES>()?;
        let mut cursor = Cursor(bytes);
        cursor.take(bytes.len().checked_sub(60)?)?;
        let statement = Self {
            key_id: cursor.u64()?,
            sequence: cursor.u64()?,
            length: cursor.u64()?,
            chain: cursor.array()?,
            second: cursor.u32()?,
        };
        // All of it is compared, the words at its front as well.
        (statement.encode() == bytes && verifier.holds(&statement, signature)).then_some(statement)
    }
}

/// Signs checkpoints.
pub struct Signer(KeyPair);

impl Signer {
    /// The signer of this state directory, made at the first start.
    ///
    /// # Errors
    /// When the file cannot be used, is no key, or can be read by others.
    pub fn open(state_dir: &Path) -> Result<Self, JournalError> {
        let path = state_dir.join(KEY_FILE);
        if path.exists() {
            return Self::known(state_dir);
        }
        let pair = KeyPair::generate_for(&PKCS_ED25519);
        let pair = pair.map_err(|_| JournalError::Signer(path.clone(), "no key can be made"))?;
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&path);
        opened
            .and_then(|mut file| {
                file.write_all(pair.serialized_der())?;
                file.sync_all()
            })
            .map_err(JournalError::io(&path))?;
        Ok(Self(pair))
    }

    /// The signer of this state directory, which must be there.
    ///
    /// # Errors
    /// As [`Signer::open`], and when there is none.
    pub fn known(state_dir: &Path) -> Result<Self, JournalError> {
        let path = state_dir.join(KEY_FILE);
        let bad = |what| JournalError::Signer(path.clone(), what);
        let mode = fs::metadata(&path).map_err(JournalError::io(&path))?.mode();
        if mode & 0o077 != 0 {
            return Err(bad("it can be read by others; its mode must be 0600 (chmod 600)"));
        }
        let der = zeroize::Zeroizing::new(fs::read(&path).map_err(JournalError::io(&path))?);
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der.as_slice()), &PKCS_ED25519);
        pair.map(Self)
            .map_err(|_| bad("it is no signing key; restore it, or move it away"))
    }

    /// Whoever has it can check the signatures and make none.
    pub fn verifier(&self) -> Verifier {
        Verifier(self.0.public_key_raw().to_vec())
    }

    /// The signature under a statement; `None` if the key cannot sign.
    pub(super) fn sign(&self, statement: &Statement) -> Option<Vec<u8>> {
        self.0
            .sign(&statement.encode())
            .ok()
            .filter(|signature| signature.len() == SIGNATURE_BYTES)
    }
}

/// Checks signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier(Vec<u8>);

impl Verifier {
    /// From 64 hexadecimal digits, as `tidegate audit verify` prints them.
    pub fn parse(text: &str) -> Option<Self> {
        let hash = blake3::Hash::from_hex(text).ok()?;
        Some(Self(hash.as_bytes().to_vec()))
    }

    /// The public key, 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        use std::fmt::Write as _;
        self.0.iter().fold(String::new(), |mut text, byte| {
            // A text takes everything.
            write!(text, "{byte:02x}").ok();
            text
        })
    }

    /// Whether the signature is under this statement.
    pub(super) fn holds(&self, statement: &Statement, signature: &[u8]) -> bool {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let mut known = algorithms.all.iter();
        let ed25519 = known.find(|known| known.signature_alg_id() == alg_id::ED25519);
        ed25519.is_some_and(|ed25519| {
            ed25519
                .verify_signature(&self.0, &statement.encode(), signature)
                .is_ok()
        })
    }
}

/// The second and the signature in the content of a checkpoint.
pub(super) fn signature_of(content: &[u8]) -> Option<(u32, &[u8])> {
    let mut cursor = Cursor(content);
    let second = cursor.u32()?;
    (cursor.0.len() == SIGNATURE_BYTES).then_some((second, cursor.0))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_signature_holds_for_its_statement_alone() {
        let dir = tempfile::tempdir().unwrap();
        let signer = Signer::open(dir.path()).unwrap();
        let statement = Statement {
            key_id: 1,
            sequence: 2,
            length: 3,
            chain: [4; 32],
            second: 5,
        };
        let signature = signer.sign(&statement).unwrap();
        // The key is the same at the next start.
        let verifier = Verifier::parse(&Signer::open(dir.path()).unwrap().verifier().hex()).unwrap();
        assert!(verifier.holds(&statement, &signature));
        for other in [
            Statement { key_id: 9, ..statement },
            Statement {
                sequence: 9,
                ..statement
            },
            Statement { length: 9, ..statement },
            Statement {
                chain: [9; 32],
                ..statement
            },
            Statement { second: 9, ..statement },
        ] {
            assert!(!verifier.holds(&other, &signature), "{other:?}");
        }
        let head = statement.head(&signature);
        assert_eq!(Statement::of_head(&head, &verifier), Some(statement));
        for at in 0..head.len() {
            let mut flipped = head.clone();
            flipped[at] ^= 1;
            assert_eq!(Statement::of_head(&flipped, &verifier), None, "byte {at}");
            assert_eq!(Statement::of_head(&head[..at], &verifier), None, "{at} bytes");
        }
        let path = dir.path().join(KEY_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Signer::open(dir.path()), Err(JournalError::Signer(..))));
    }
}
