//! An authority that comes from elsewhere, and one that takes the place of another.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::PublicKeyData as _;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use zeroize::Zeroizing;

use super::authority::{Authority, AuthorityError, digest, private, read, write_both};
use super::constraints::Constraints;
use super::private_key::PrivateKey;
use super::provider::{TlsError, certificates};

impl Authority {
    /// Takes a certificate and its key from elsewhere: one that may sign, today, and that belongs to the key. What follows it in its
    /// file is the chain to a root that clients trust already.
    ///
    /// # Errors
    /// Files that cannot be read, that are there already, or that are no authority.
    pub fn import(directory: &Path, certificate: &Path, key: &Path) -> Result<Self, AuthorityError> {
        Self::open(directory).take(certificate, key)
    }

    fn take(self, certificate: &Path, key: &Path) -> Result<Self, AuthorityError> {
        let chain = certificates(certificate).map_err(AuthorityError::Tls)?;
        let pair = private(key)?;
        fit(certificate, &chain, &pair)?;
        let (pem, key) = (read(certificate)?, Zeroizing::new(read(key)?));
        fs::create_dir_all(&self.directory).map_err(|error| AuthorityError::File(self.directory.clone(), error))?;
        let beside = self.directory.join(format!("{}.key", self.stem));
        write_both((&self.certificate(), pem.as_bytes()), (&beside, key.as_bytes()))?;
        Ok(self)
    }

    /// Makes, or takes from elsewhere, the one that is to take its place, so that clients can learn to trust it before it signs.
    /// One that is made may sign what this one may.
    ///
    /// # Errors
    /// As [`Authority::create`] and [`Authority::import`].
    pub fn prepare(&self, from: Option<(&Path, &Path)>) -> Result<Self, AuthorityError> {
        let chain = certificates(&self.certificate()).map_err(AuthorityError::Tls)?;
        let first = chain.first().ok_or(AuthorityError::Tls(TlsError::NoCertificate))?;
        if let Some((certificate, key)) = from {
            return self.next().take(certificate, key);
        }
        let unfit = || AuthorityError::Unfit(self.certificate(), "it is no certificate that can be read");
        let constraints = Constraints::of(first).ok_or_else(unfit)?;
        let today = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now());
        let month = format!("{:04}-{:02}", today.year(), today.month());
        self.next()
            .make(&format!("Tidegate authority of {month}"), &constraints)
    }

    /// Puts the next one in its place; the files of the one before are kept under a name of its own, which is returned.
    ///
    /// # Errors
    /// There is no next one, or files that cannot be moved.
    pub fn switch(&self) -> Result<PathBuf, AuthorityError> {
        let next = self.next();
        let chain = certificates(&next.certificate()).map_err(AuthorityError::Tls)?;
        fit(&next.certificate(), &chain, &private(&next.key())?)?;
        let before = certificates(&self.certificate()).map_err(AuthorityError::Tls)?;
        let before = before.first().ok_or(AuthorityError::Tls(TlsError::NoCertificate))?;
        let stem: String = digest(before).chars().filter(|digit| *digit != ':').take(16).collect();
        let kept = |ending: &str| self.directory.join(format!("before-{stem}.{ending}"));
        // Whoever reads in between finds a certificate without its key, which is refused.
        let key = self.directory.join("authority.key");
        // One that the service manager hands over stays where it is, and gives way to the next.
        if key.exists() {
            rename(&key, &kept("key"))?;
        }
        rename(&self.certificate(), &kept("pem"))?;
        rename(&next.certificate(), &self.certificate())?;
        rename(&next.key(), &key)?;
        Ok(kept("pem"))
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), AuthorityError> {
    fs::rename(from, to).map_err(|error| AuthorityError::File(from.to_owned(), error))
}

/// Whether the first certificate of `path` may sign leaves today, and belongs to `key`.
pub(super) fn fit(path: &Path, chain: &[CertificateDer<'_>], key: &PrivateKey) -> Result<(), AuthorityError> {
    let unfit = |why| Err(AuthorityError::Unfit(path.to_owned(), why));
    let parsed = chain.first().map(|first| x509_parser::parse_x509_certificate(first));
    let Some(Ok((_, certificate))) = parsed else {
        return unfit("it is no certificate that can be read");
    };
    if certificate.public_key().raw != key.subject_public_key_info() {
        return unfit("the key is another certificate's");
    }
    if !signs(&certificate) {
        return unfit("it is no authority: it may sign no certificates");
    }
    if !certificate.validity().is_valid() {
        return unfit("it has expired, or is not valid yet");
    }
    Ok(())
}

fn signs(certificate: &X509Certificate<'_>) -> bool {
    let may_sign = certificate
        .key_usage()
        .map(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
    certificate.is_ca() && may_sign.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_from_elsewhere_is_one() {
        let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let authority = Authority::create(theirs.path()).unwrap();
        let (leaf, leaf_key) = authority.leaf(&["a.example".into()]).unwrap();
        let other = tempfile::tempdir().unwrap();
        Authority::create(other.path()).unwrap();
        let (pem, key) = (theirs.path().join("authority.pem"), theirs.path().join("authority.key"));
        for (certificate, key, why) in [
            (&pem, &other.path().join("authority.key"), "another certificate's"),
            (&leaf, &leaf_key, "no authority"),
        ] {
            let told = Authority::import(ours.path(), certificate, key)
                .unwrap_err()
                .to_string();
            assert!(told.contains(why), "{told}");
        }
        Authority::import(ours.path(), &pem, &key).unwrap();
        assert_eq!(
            fs::read(ours.path().join("authority.pem")).unwrap(),
            fs::read(&pem).unwrap()
        );
        assert!(matches!(
            Authority::import(ours.path(), &pem, &key),
            Err(AuthorityError::Exists(_))
        ));
    }

    #[test]
    fn the_next_one_may_sign_the_same_and_takes_the_place() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create_for(directory.path(), Some("Ours"), &["corp.example".into()]).unwrap();
        assert!(authority.switch().is_err(), "there is none yet");
        let before = fs::read(authority.certificate()).unwrap();
        let next = authority.prepare(None).unwrap();
        let next_pem = fs::read(next.certificate()).unwrap();
        assert!(authority.prepare(None).is_err(), "there is one");
        let constraints = |path: &Path| Constraints::of(&certificates(path).unwrap()[0]).unwrap();
        assert_eq!(constraints(&next.certificate()), constraints(&authority.certificate()));
        let kept = authority.switch().unwrap();
        assert_eq!(fs::read(authority.certificate()).unwrap(), next_pem);
        assert_eq!(fs::read(&kept).unwrap(), before);
        assert!(kept.with_extension("key").exists() && !next.certificate().exists());
        fit(
            &authority.certificate(),
            &certificates(&authority.certificate()).unwrap(),
            &private(&authority.key()).unwrap(),
        )
        .unwrap();
    }
}
