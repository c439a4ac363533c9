//! The certificates of the server: read from files, watched, and replaced while it runs.

use crate::file;
use clap::Args;
use pushlane::adapters::xds::Tls;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
use std::{io, mem};

/// How often the files are read. Two readings that are the same make a state.
pub(crate) const PATROL: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsFlags {
    /// The server's certificate chain, PEM. Without one, clients are served in plain text
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its key, PEM. All three files are watched: new connections use what is in them
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The authority whose certificates clients must show, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) client_ca: Option<PathBuf>,
}

/// The three files as they are at one moment, or why one of them can't be read.
type Found = Result<Pems, String>;

#[derive(PartialEq)]
struct Pems {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Pems {
    fn tls(&self) -> Result<Tls, String> {
        let tls = match &self.client_ca {
            None => Tls::new(&self.cert, &self.key),
            Some(ca) => Tls::mutual(&self.cert, &self.key, ca),
        };
        tls.map_err(|error| error.to_string())
    }
}

/// What the files have been, and what is in use.
pub(crate) struct Certificates {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    tls: Tls,
    /// The last reading.
    seen: Found,
    /// The last reading that was taken over or complained of.
    judged: Found,
}

impl Certificates {
    /// Reads them for the first time. `None`: there are no flags.
    pub(crate) fn load(flags: &TlsFlags) -> Result<Option<Self>, String> {
        let (Some(cert), Some(key)) = (&flags.tls_cert, &flags.tls_key) else { return Ok(None) };
        let pems = found(cert, key, flags.client_ca.as_deref())?;
        Ok(Some(Self {
            cert: cert.clone(),
            key: key.clone(),
            client_ca: flags.client_ca.clone(),
            tls: pems.tls()?,
            seen: Err(String::new()),
            judged: Ok(pems),
        }))
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Reads the files. `None`: nothing new. `Ok`: new ones are in use. `Err`: they can't be used,
    /// and the old ones stay. A change counts when a second look finds the same, because
    /// certificate and key are written one after the other; `at_once` doesn't wait for that.
    fn look(&mut self, at_once: bool) -> Option<Result<(), String>> {
        let now = found(&self.cert, &self.key, self.client_ca.as_deref());
        let settled = at_once || now == self.seen;
        self.seen = now;
        if !settled || self.seen == self.judged {
            return None;
        }
        let result = match &self.seen {
            Ok(pems) => pems.tls().map(|tls| self.tls.replace(&tls)),
            Err(why) => Err(why.clone()),
        };
        self.judged = mem::replace(&mut self.seen, Err(String::new()));
        Some(result)
    }

    /// Watches the files from a thread of its own until the result is dropped.
    pub(crate) fn watch(
        mut self,
        patrol: Duration,
        mut tell: impl FnMut(Result<(), String>) + Send + 'static,
    ) -> io::Result<CertificateWatch> {
        let (hints, received) = channel();
        thread::Builder::new().name("certificates".into()).spawn(move || {
            loop {
                let at_once = match received.recv_timeout(patrol) {
                    Ok(()) => true,
                    Err(RecvTimeoutError::Timeout) => false,
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                if let Some(result) = self.look(at_once) {
                    tell(result);
                }
            }
        })?;
        Ok(CertificateWatch { hints })
    }
}

/// Ends when dropped.
#[derive(Debug)]
pub(crate) struct CertificateWatch {
    hints: Sender<()>,
}

impl CertificateWatch {
    /// Reads the files at once.
    pub(crate) fn look(&self) {
        let _ = self.hints.send(());
    }
}

fn found(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Found {
    let read =
        |path: &Path| file::read(path).map_err(|error| format!("{}: {error}", path.display()));
    Ok(Pems { cert: read(cert)?, key: read(key)?, client_ca: client_ca.map(read).transpose()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use std::fs;

    struct Files {
        dir: PathBuf,
        flags: TlsFlags,
    }

    impl Files {
        fn new(name: &str) -> Self {
            let process = std::process::id();
            let dir = std::env::temp_dir().join(format!("pushlane-certificates-{name}-{process}"));
            fs::create_dir_all(&dir).unwrap();
            let flags = TlsFlags {
                tls_cert: Some(dir.join("cert.pem")),
                tls_key: Some(dir.join("key.pem")),
                client_ca: Some(dir.join("ca.pem")),
            };
            Self { dir, flags }
        }

        fn write(&self, file: &str, text: &str) {
            fs::write(self.dir.join(file), text).unwrap();
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }

    fn pair() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    /// Certificates from files with the first pair, and a second one.
    fn loaded(name: &str) -> (Files, Certificates, [(String, String); 2]) {
        let (files, [old, new]) = (Files::new(name), [pair(), pair()]);
        files.write("cert.pem", &old.0);
        files.write("key.pem", &old.1);
        files.write("ca.pem", &old.0);
        let certificates = Certificates::load(&files.flags).unwrap().unwrap();
        (files, certificates, [old, new])
    }

    #[test]
    fn a_broken_pair_is_told_once_and_the_next_good_one_is_used() {
        let (files, mut certificates, [_, new]) = loaded("broken");
        assert!((0..3).all(|_| certificates.look(false).is_none()), "nothing has changed");

        // Half of a rotation: the new certificate with the old key.
        files.write("cert.pem", &new.0);
        assert!(certificates.look(false).is_none(), "the key may follow");
        let why = certificates.look(false).unwrap().unwrap_err();
        assert!(why.starts_with("certificate and key: ") && !why.contains('\n'), "{why}");
        assert!((0..3).all(|_| certificates.look(false).is_none()), "once is enough");

        files.write("key.pem", &new.1);
        assert!(certificates.look(false).is_none());
        assert_eq!(certificates.look(false), Some(Ok(())));
        assert!((0..3).all(|_| certificates.look(false).is_none()));

        for (file, text) in [("key.pem", ""), ("cert.pem", &new.0[..99]), ("ca.pem", "?")] {
            let before = fs::read_to_string(files.dir.join(file)).unwrap();
            files.write(file, text);
            assert!(certificates.look(true).unwrap().is_err(), "{file}");
            files.write(file, &before);
            assert_eq!(certificates.look(true), Some(Ok(())), "{file}");
        }
        fs::remove_file(files.dir.join("ca.pem")).unwrap();
        let why = certificates.look(true).unwrap().unwrap_err();
        assert!(why.contains("ca.pem: "), "{why}");
    }

    #[test]
    fn a_rotation_in_two_steps_is_not_complained_of() {
        let (files, mut certificates, [_, new]) = loaded("steps");
        files.write("cert.pem", &new.0);
        assert!(certificates.look(false).is_none());
        files.write("key.pem", &new.1);
        assert!(certificates.look(false).is_none());
        assert_eq!(certificates.look(false), Some(Ok(())));
    }

    #[test]
    fn a_watch_that_is_asked_looks_at_once() {
        let (files, certificates, [_, new]) = loaded("asked");
        let (told, results) = channel();
        let (never, long) = (Duration::from_secs(3_600), Duration::from_secs(60));
        let watch = certificates.watch(never, move |result| drop(told.send(result))).unwrap();
        files.write("key.pem", &new.1);
        watch.look();
        assert!(results.recv_timeout(long).unwrap().is_err());
        files.write("cert.pem", &new.0);
        watch.look();
        assert_eq!(results.recv_timeout(long), Ok(Ok(())));
    }

    #[test]
    fn a_broken_pair_at_the_start_is_an_error() {
        let files = Files::new("start");
        assert!(Certificates::load(&TlsFlags::default()).unwrap().is_none());
        assert!(Certificates::load(&files.flags).is_err_and(|why| why.contains("cert.pem: ")));
    }
}
