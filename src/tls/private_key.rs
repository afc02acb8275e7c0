//! A private key that signs certificates. The library that signs with it has the only copy and clears that in the end, and what it
//! was read from is cleared as soon as it is read.

use std::fmt;

use aws_lc_rs::pkcs8::Document;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};
use zeroize::Zeroizing;

use crate::engine::decode::{Alphabet, Reader};

/// The curves of ECDSA, each with how a certificate says that it was signed so.
static CURVES: [(&EcdsaSigningAlgorithm, &SignatureAlgorithm); 3] = [
    (
        &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        &rcgen::PKCS_ECDSA_P256_SHA256,
    ),
    (
        &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
        &rcgen::PKCS_ECDSA_P384_SHA384,
    ),
    (
        &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
        &rcgen::PKCS_ECDSA_P521_SHA512,
    ),
];

/// A private key.
pub(super) struct PrivateKey {
    pair: Pair,
    algorithm: &'static SignatureAlgorithm,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl PrivateKey {
    /// A new one of P-256, and the same as PKCS #8, which is cleared too.
    pub(super) fn generate() -> Result<(Self, Document), rcgen::Error> {
        let [(curve, algorithm), ..] = CURVES;
        let pair = EcdsaKeyPair::generate(curve).map_err(|_| rcgen::Error::RingUnspecified)?;
        let document = pair.to_pkcs8v1().map_err(|_| rcgen::Error::RingUnspecified)?;
        let pair = Pair::Ecdsa(pair);
        Ok((Self { pair, algorithm }, document))
    }

    /// The first one of a PEM file (RFC 7468): PKCS #8, or as OpenSSL has written those of ECDSA and RSA.
    pub(super) fn from_pem(pem: &str) -> Result<Self, rcgen::Error> {
        let der = der(pem).ok_or(rcgen::Error::CouldNotParseKeyPair)?;
        Self::from_der(&der).ok_or(rcgen::Error::CouldNotParseKeyPair)
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            let pair = Pair::Ed25519(pair);
            let algorithm = &rcgen::PKCS_ED25519;
            return Some(Self { pair, algorithm });
        }
        for (curve, algorithm) in CURVES {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve, der) {
                let pair = Pair::Ecdsa(pair);
                return Some(Self { pair, algorithm });
            }
        }
        let pair = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
        let pair = Pair::Rsa(pair.ok()?);
        let algorithm = &rcgen::PKCS_RSA_SHA256;
        Some(Self { pair, algorithm })
    }
}

/// What the first private key of a PEM file says.
fn der(pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, from) = pem.split_once("PRIVATE KEY-----")?;
    let (text, _) = from.split_once("-----END ")?;
    let mut reader = Reader::new(Alphabet::Base64);
    // It has room for all of it at once: what a list has outgrown is not cleared.
    let mut der = Zeroizing::new(Vec::with_capacity(text.len()));
    der.extend(text.bytes().filter_map(|byte| reader.read(byte)));
    Some(der)
}

impl PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        match &self.pair {
            Pair::Ecdsa(pair) => pair.public_key().as_ref(),
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
            Pair::Rsa(pair) => pair.public_key().as_ref(),
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let random = SystemRandom::new();
        let signed = match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.map(|()| signature)
            }
        };
        signed.map_err(|_| rcgen::Error::RingUnspecified)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::tls::Minter;

    /// Keys of these kinds as OpenSSL makes them, which clears what it has by ending; each with a certificate of its own.
    const KINDS: [&[&str]; 6] = [
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
        &["-newkey", "ed25519"],
        &["-newkey", "rsa:2048"],
        &["-newkey", "rsa:3072"],
    ];

    fn openssl(directory: &Path, arguments: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(directory).args(arguments);
        openssl.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(openssl.status().unwrap().success(), "{arguments:?}");
    }

    /// An authority whose key is of this kind.
    fn authority(directory: &Path, kind: &[&str]) {
        let is_authority = "basicConstraints=critical,CA:TRUE";
        let files = ["-keyout", "authority.key", "-out", "authority.pem", "-nodes"];
        let about = ["-subj", "/CN=ours", "-days", "9", "-addext", is_authority];
        openssl(directory, &[&["req", "-x509"][..], kind, &files, &about].concat());
        let key = File::open(directory.join("authority.key")).unwrap();
        key.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
    }

    #[test]
    fn an_authority_signs_with_a_key_of_any_kind_however_it_is_written() {
        for kind in KINDS {
            let directory = tempfile::tempdir().unwrap();
            authority(directory.path(), kind);
            let key = directory.path().join("authority.key");
            let mut written = vec![fs::read_to_string(&key).unwrap()];
            if kind[1] != "ed25519" {
                let old = ["-in", "authority.key", "-traditional", "-out", "old.key"];
                openssl(directory.path(), &[&["pkey"][..], &old].concat());
                let old = fs::read_to_string(directory.path().join("old.key")).unwrap();
                assert_ne!(old, written[0], "{kind:?}");
                written.push(old);
            }
            for pem in written {
                fs::write(&key, pem).unwrap();
                let minter = Minter::open(directory.path(), None).unwrap();
                let (leaf, _) = minter.certificate("a.example").unwrap();
                fs::write(directory.path().join("leaf.der"), &leaf.cert[0]).unwrap();
                openssl(
                    directory.path(),
                    &["x509", "-inform", "der", "-in", "leaf.der", "-out", "leaf.pem"],
                );
                openssl(directory.path(), &["verify", "-CAfile", "authority.pem", "leaf.pem"]);
            }
        }
        for bad in [
            "",
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(PrivateKey::from_pem(bad).is_err());
        }
    }

    /// Bytes that are looked for, which are not in memory themselves.
    struct Masked(Vec<u8>);

    const MASK: u8 = 0xa5;

    impl Masked {
        fn of(bytes: &[u8]) -> Self {
            Self(bytes.iter().map(|byte| byte ^ MASK).collect())
        }

        fn count_in(&self, bytes: &[u8]) -> usize {
            let is_one = |bytes: &[u8]| self.0.iter().zip(bytes).all(|(masked, byte)| masked ^ MASK == *byte);
            let places = memchr::memchr_iter(self.0[0] ^ MASK, bytes);
            places
                .filter_map(|at| bytes.get(at..at + self.0.len()))
                .filter(|bytes| is_one(bytes))
                .count()
        }
    }

    /// What this process can write, as places of its memory.
    fn writable() -> Vec<(u64, u64)> {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let ranges = maps
            .lines()
            .filter_map(|line| line.split_once(" rw")?.0.split_once('-'));
        let place = |text| u64::from_str_radix(text, 16).unwrap();
        ranges.map(|(from, to)| (place(from), place(to))).collect()
    }

    /// How often they stand there.
    fn count_in_memory(looked_for: &[Masked]) -> usize {
        const AT_ONCE_BYTES: usize = 1 << 20;
        let memory = File::open("/proc/self/mem").unwrap();
        // It is a part of it as well.
        let mut bytes = Zeroizing::new(vec![0; AT_ONCE_BYTES]);
        let pieces = |(from, to): (u64, u64)| (from..to).step_by(AT_ONCE_BYTES).map(move |at| (at, to - at));
        let mut count = 0;
        for (from, length) in writable().into_iter().flat_map(pieces) {
            let bytes = &mut bytes[..AT_ONCE_BYTES.min(length as usize)];
            // What has gone since is not there.
            let is_there = memory.read_exact_at(bytes, from).is_ok();
            let counts = looked_for.iter().map(|one| one.count_in(bytes));
            count += if is_there { counts.sum() } else { 0 };
        }
        count
    }

    #[test]
    fn nothing_that_a_key_was_read_from_stays_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        authority(directory.path(), KINDS[0]);
        let looked_for = {
            let pem = Zeroizing::new(fs::read_to_string(directory.path().join("authority.key")).unwrap());
            let der = der(&pem).unwrap();
            let line = pem.lines().nth(1).unwrap().as_bytes();
            // PKCS #8 has the number itself behind 36 bytes.
            [Masked::of(&der[36..68]), Masked::of(&line[32..64])]
        };
        let planted = Zeroizing::new(looked_for[0].0.iter().map(|byte| byte ^ MASK).collect::<Vec<u8>>());
        assert!(count_in_memory(&looked_for) > 0, "a copy is found");
        drop(planted);
        let minter = Minter::open(directory.path(), None).unwrap();
        minter.certificate("a.example").unwrap();
        assert_eq!(count_in_memory(&looked_for), 0);
    }
}
