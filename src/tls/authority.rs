//! An authority: its files, and the leaf certificates that it signs for local names; `certs/README.md` says how.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SerialNumber,
};
use rustls::pki_types::ServerName;
use zeroize::Zeroizing;

use super::constraints::Constraints;
use super::private_key::PrivateKey;
use super::provider::{TlsError, certificates, sha256};

/// Days a leaf is valid: what browsers accept at most.
const LEAF_DAYS: i64 = 397;
/// Days the authority is valid.
const AUTHORITY_DAYS: i64 = 3_650;
/// Days that validity is backdated, for machines whose clock is behind.
const BACKDATED_DAYS: i64 = 2;

/// Why no certificate was written.
#[derive(Debug)]
pub enum AuthorityError {
    /// A file cannot be read or written.
    File(PathBuf, io::Error),
    /// A file that a new key would overwrite.
    Exists(PathBuf),
    /// A name that no certificate can carry, or a key that cannot be used.
    Certificate(rcgen::Error),
    /// A leaf without a name.
    NoName,
    /// What is neither a DNS name nor an address.
    BadName(String),
    /// A private key that others than its owner can read.
    Readable(PathBuf),
    /// A certificate that cannot be read or used.
    Tls(TlsError),
    /// A certificate that signs nothing, and why.
    Unfit(PathBuf, &'static str),
    /// A name outside those that the authority may sign.
    Constrained,
    /// What is neither a host nor a network.
    BadConstraint(String),
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Exists(path) => write!(f, "{} exists and is kept; remove it first", path.display()),
            Self::Certificate(error) => write!(f, "certificate: {error}"),
            Self::NoName => f.write_str("a leaf needs at least one name"),
            Self::Readable(path) => write!(f, "{} can be read by others: chmod 600", path.display()),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Unfit(path, why) => write!(f, "{}: {why}", path.display()),
            Self::Constrained => f.write_str("the authority may not sign this name"),
            Self::BadConstraint(text) => write!(f, "`{text}` is neither a host nor a network"),
            Self::BadName(name) => write!(f, "`{name}` is neither a DNS name nor an address"),
        }
    }
}

impl std::error::Error for AuthorityError {}

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error)
    }
}

/// The name of an authority that says none.
const COMMON_NAME: &str = "Tidegate authority";

/// An authority whose key is in a directory: `authority.pem` and `authority.key`.
#[derive(Debug)]
pub struct Authority {
    pub(super) directory: PathBuf,
    /// Of its files.
    pub(super) stem: &'static str,
    /// Where the service manager leaves its key, if it does.
    credentials: Option<PathBuf>,
}

impl Authority {
    /// Makes a new P-256 authority in `directory`, which is made if it is not there. The key file has mode 0600.
    ///
    /// # Errors
    ///
    /// The files exist already, or cannot be written.
    pub fn create(directory: &Path) -> Result<Self, AuthorityError> {
        Self::open(directory).make(COMMON_NAME, &Constraints::default())
    }

    /// The same, by another name and for these names alone: hosts with all below them, and networks. Of nothing it is everything.
    ///
    /// # Errors
    ///
    /// As [`Authority::create`], and what is neither a host nor a network.
    pub fn create_for(directory: &Path, name: Option<&str>, permitted: &[String]) -> Result<Self, AuthorityError> {
        let constraints = Constraints::only(permitted).map_err(AuthorityError::BadConstraint)?;
        Self::open(directory).make(name.unwrap_or(COMMON_NAME), &constraints)
    }

    /// Makes its files.
    pub(super) fn make(self, name: &str, constraints: &Constraints) -> Result<Self, AuthorityError> {
        let directory = &self.directory;
        fs::create_dir_all(directory).map_err(|error| AuthorityError::File(directory.to_owned(), error))?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.name_constraints = constraints.written();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity(&mut params, AUTHORITY_DAYS)?;
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        write_pair(directory, self.stem, &certificate.pem(), &key)?;
        Ok(self)
    }

    /// The authority that [`Authority::create`] left in `directory`.
    pub fn open(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            stem: "authority",
            credentials: None,
        }
    }

    /// The one that is to take the place of this one.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            directory: self.directory.clone(),
            stem: "next",
            credentials: None,
        }
    }

    /// Its key is in this directory (`authority.key`) where it is not beside its certificate, as systemd hands out credentials.
    #[must_use]
    pub fn credentials_in(mut self, directory: Option<&Path>) -> Self {
        self.credentials = directory.map(Path::to_owned);
        self
    }

    /// The certificate of the authority, which clients are to trust.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join(format!("{}.pem", self.stem))
    }

    /// Its key.
    pub(super) fn key(&self) -> PathBuf {
        let name = format!("{}.key", self.stem);
        let beside = self.directory.join(&name);
        let handed = self.credentials.as_ref().map(|directory| directory.join(name));
        handed
            .filter(|handed| !beside.exists() && handed.exists())
            .unwrap_or(beside)
    }

    /// Writes its certificate alone to `path`, as DER where that ends in `.der` or `.crt`, else as PEM; its SHA-256, by which
    /// whoever installs it knows it.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, or one that is there already.
    pub fn export(&self, path: &Path) -> Result<String, AuthorityError> {
        let chain = certificates(&self.certificate()).map_err(AuthorityError::Tls)?;
        let der = chain.first().ok_or(AuthorityError::Tls(TlsError::NoCertificate))?;
        let is_der = path
            .extension()
            .is_some_and(|extension| extension == "der" || extension == "crt");
        let pem = read(&self.certificate())?;
        write(path, if is_der { der } else { pem.as_bytes() }, 0o644)?;
        Ok(digest(der))
    }

    /// Its private key, which nobody else may read.
    pub(super) fn private_key(&self) -> Result<PrivateKey, AuthorityError> {
        private(&self.key())
    }

    /// Signs a leaf for `names`, DNS names or IP literals, and writes its chain and key (mode 0600) as
    /// `<first name>.pem` and `<first name>.key`; an older leaf of that name is replaced. Returns both paths.
    ///
    /// # Errors
    ///
    /// No name, a name that is none, or files that cannot be read or written.
    pub fn leaf(&self, names: &[String]) -> Result<(PathBuf, PathBuf), AuthorityError> {
        let first = names.first().ok_or(AuthorityError::NoName)?;
        let params = leaf_of(names)?;
        let authority_pem = read(&self.certificate())?;
        let issuer = Issuer::from_ca_cert_pem(&authority_pem, self.private_key()?)?;
        let key = KeyPair::generate()?;
        let chain = params.signed_by(&key, &issuer)?.pem() + &authority_pem;
        let stem = file_stem(first);
        for name in [format!("{stem}.pem"), format!("{stem}.key")] {
            remove(&self.directory.join(name))?;
        }
        write_pair(&self.directory, &stem, &chain, &key)
    }
}

/// A private key, which nobody but its owner may read.
pub(super) fn private(path: &Path) -> Result<PrivateKey, AuthorityError> {
    let mode = fs::metadata(path).map_err(|error| AuthorityError::File(path.to_owned(), error))?;
    if mode.permissions().mode() & 0o077 != 0 {
        return Err(AuthorityError::Readable(path.to_owned()));
    }
    let text = Zeroizing::new(read(path)?);
    Ok(PrivateKey::from_pem(&text)?)
}

/// The SHA-256 of a certificate as people compare it.
pub(super) fn digest(der: &[u8]) -> String {
    let digits = sha256(der).to_ascii_uppercase();
    let bytes: Vec<_> = digits.as_bytes().chunks(2).map(String::from_utf8_lossy).collect();
    bytes.join(":")
}

/// What a leaf for `names` says: DNS names, and IP literals as IP names, as clients demand; who signed it; how long it is valid.
pub(super) fn leaf_of(names: &[String]) -> Result<CertificateParams, AuthorityError> {
    let first = names.first().ok_or(AuthorityError::NoName)?;
    // A wildcard stands for one label (RFC 9525 section 6.3).
    let is_bad = |name: &&String| ServerName::try_from(name.strip_prefix("*.").unwrap_or(name)).is_err();
    if let Some(bad) = names.iter().find(is_bad) {
        return Err(AuthorityError::BadName(bad.clone()));
    }
    let mut params = CertificateParams::new(names.to_vec())?;
    // A common name has at most 64 letters (RFC 5280, appendix A.1); nobody reads it.
    params
        .distinguished_name
        .push(DnType::CommonName, first.chars().take(64).collect::<String>());
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    validity(&mut params, LEAF_DAYS)?;
    Ok(params)
}

/// Validity from two days ago, and a random 128-bit serial.
fn validity(params: &mut CertificateParams, days: i64) -> Result<(), AuthorityError> {
    let now = jiff::Timestamp::now();
    let day = |offset: i64| {
        jiff::tz::Offset::UTC
            .to_datetime(now + jiff::SignedDuration::from_hours(24 * offset))
            .date()
    };
    let date = |date: jiff::civil::Date| {
        rcgen::date_time_ymd(
            i32::from(date.year()),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = date(day(-BACKDATED_DAYS));
    params.not_after = date(day(days - BACKDATED_DAYS));
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|_| rcgen::Error::RingUnspecified)?;
    if let Some(first) = serial.first_mut() {
        // Positive, and never so small that a byte is lost.
        *first = *first & 0x7f | 0x40;
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(())
}

/// A name as a file name: what a certificate name may have, apart from the wildcard and the colons of an IPv6 address.
fn file_stem(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(_) => name.replace(':', "_"),
        Err(_) => name.replace('*', "_").replace(['/', '\\'], "_"),
    }
}

pub(super) fn read(path: &Path) -> Result<String, AuthorityError> {
    fs::read_to_string(path).map_err(|error| AuthorityError::File(path.to_owned(), error))
}

fn remove(path: &Path) -> Result<(), AuthorityError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(AuthorityError::File(path.to_owned(), error)),
        _ => Ok(()),
    }
}

fn write_pair(directory: &Path, stem: &str, chain: &str, key: &KeyPair) -> Result<(PathBuf, PathBuf), AuthorityError> {
    let chain_path = directory.join(format!("{stem}.pem"));
    let key_path = directory.join(format!("{stem}.key"));
    let key_pem = Zeroizing::new(key.serialize_pem());
    write_both((&chain_path, chain.as_bytes()), (&key_path, key_pem.as_bytes()))?;
    Ok((chain_path, key_path))
}

/// Writes a certificate and its key, or neither: a key that stays behind would take the place of one that is handed over.
pub(super) fn write_both(certificate: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<(), AuthorityError> {
    write(certificate.0, certificate.1, 0o644)?;
    write(key.0, key.1, 0o600).inspect_err(|_| {
        // It is what was just written.
        fs::remove_file(certificate.0).ok();
    })
}

/// Writes a file that must not exist: its mode is right from the first byte.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorityError> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    opened.and_then(|mut file| file.write_all(bytes)).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            AuthorityError::Exists(path.to_owned())
        } else {
            AuthorityError::File(path.to_owned(), error)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn no_key_stays_behind_where_there_was_a_certificate() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path()).unwrap();
        let key = directory.path().join("authority.key");
        fs::remove_file(&key).unwrap();
        assert!(matches!(
            Authority::create(directory.path()),
            Err(AuthorityError::Exists(_))
        ));
        assert!(!key.exists(), "it would take the place of one that is handed over");
    }

    #[test]
    fn keys_are_private_and_an_authority_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(directory.path()).unwrap();
        let (cert, key) = authority.leaf(&["localhost".into(), "::1".into()]).unwrap();
        for (path, mode) in [
            (&directory.path().join("authority.key"), 0o600),
            (&key, 0o600),
            (&cert, 0o644),
        ] {
            assert_eq!(
                fs::metadata(path).unwrap().permissions().mode() & 0o777 & !0o022,
                mode & !0o022,
                "{path:?}"
            );
        }
        assert!(matches!(
            Authority::create(directory.path()),
            Err(AuthorityError::Exists(_))
        ));
        assert!(matches!(authority.leaf(&[]), Err(AuthorityError::NoName)));
        for bad in ["no name", "", "a..b", "*.*.a"] {
            assert!(matches!(authority.leaf(&[bad.into()]), Err(AuthorityError::BadName(_))));
        }
        // A leaf may be renewed.
        let again = Authority::open(directory.path()).leaf(&["localhost".into()]).unwrap();
        assert_eq!(again, (cert, key));
    }

    #[test]
    fn names_become_file_names_inside_the_directory() {
        for (name, stem) in [
            ("a.example", "a.example"),
            ("*.a", "_.a"),
            ("::1", "__1"),
            ("../x", ".._x"),
        ] {
            assert_eq!(file_stem(name), stem);
        }
    }
}
