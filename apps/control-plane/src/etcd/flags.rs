//! The flags that say where etcd is.

use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "etcd")]
pub(crate) struct EtcdFlags {
    /// Endpoints of etcd, separated by commas: http://127.0.0.1:2379
    #[arg(long, value_name = "URLS", value_delimiter = ',')]
    pub(crate) etcd: Vec<String>,
    /// Keys are PREFIX/VIEW/TYPE/NAME
    #[arg(long, value_name = "PREFIX", default_value = "/pushlane", value_parser = prefix)]
    pub(crate) etcd_prefix: String,
    /// Certificates of the authorities that etcd's certificate may come from, PEM
    #[arg(long, value_name = "FILE")]
    etcd_ca: Option<PathBuf>,
    /// The certificate shown to etcd, PEM. The files are read again when a call has failed
    #[arg(long, value_name = "FILE", requires = "etcd_key")]
    etcd_cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE", requires = "etcd_cert")]
    etcd_key: Option<PathBuf>,
    /// The user, if etcd asks for one
    #[arg(long, value_name = "NAME", requires = "etcd_password")]
    etcd_user: Option<String>,
    /// The file with its password, without the line's end
    #[arg(long, value_name = "FILE", requires = "etcd_user")]
    etcd_password: Option<PathBuf>,
}

/// What the files of secrets hold.
#[derive(PartialEq)]
pub(super) struct Secrets {
    ca: Option<Vec<u8>>,
    /// A certificate and its key.
    identity: Option<(Vec<u8>, Vec<u8>)>,
    /// A user and its password.
    pub(super) login: Option<(String, String)>,
}

fn prefix(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    if text.is_empty() { Err("expected a prefix of keys".into()) } else { Ok(text.into()) }
}

impl EtcdFlags {
    pub(crate) fn is_given(&self) -> bool {
        !self.etcd.is_empty()
    }

    /// What to connect to.
    pub(super) fn endpoints(&self, secrets: &Secrets) -> Result<Vec<Endpoint>, String> {
        if self.etcd.is_empty() {
            return Err("--etcd says where etcd is; it is missing".into());
        }
        self.etcd.iter().map(|url| self.endpoint(url, secrets)).collect()
    }

    /// Reads the files.
    pub(super) fn secrets(&self) -> Result<Secrets, String> {
        let ca = self.etcd_ca.as_deref().map(read).transpose()?;
        let identity = match (&self.etcd_cert, &self.etcd_key) {
            (Some(cert), Some(key)) => Some((read(cert)?, read(key)?)),
            _ => None,
        };
        Ok(Secrets { ca, identity, login: self.login()? })
    }

    fn login(&self) -> Result<Option<(String, String)>, String> {
        let Some((user, file)) = self.etcd_user.as_ref().zip(self.etcd_password.as_ref()) else {
            return Ok(None);
        };
        let password = String::from_utf8(read(file)?)
            .map_err(|_| format!("{}: the password is not UTF-8", file.display()))?;
        Ok(Some((user.clone(), password.trim_end_matches(['\r', '\n']).to_owned())))
    }

    fn endpoint(&self, url: &str, secrets: &Secrets) -> Result<Endpoint, String> {
        let bad = |error: &dyn std::fmt::Display| format!("--etcd {url}: {error}");
        let secure = url.starts_with("https://");
        if !secure && !url.starts_with("http://") {
            return Err(bad(&"expected a URL such as http://127.0.0.1:2379"));
        }
        let files = [&self.etcd_ca, &self.etcd_cert, &self.etcd_password];
        if !secure && files.iter().any(|it| it.is_some()) {
            return Err(bad(&"with certificates or a password, expected https"));
        }
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| bad(&error))?;
        let endpoint = endpoint
            .connect_timeout(Duration::from_secs(2))
            .http2_keep_alive_interval(Duration::from_secs(2))
            .keep_alive_timeout(Duration::from_secs(3))
            .keep_alive_while_idle(true);
        if !secure {
            return Ok(endpoint);
        }
        let mut tls = ClientTlsConfig::new();
        if let Some(ca) = &secrets.ca {
            tls = tls.ca_certificate(Certificate::from_pem(ca));
        }
        if let Some((cert, key)) = &secrets.identity {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        endpoint.tls_config(tls).map_err(|error| bad(&error))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    crate::file::read(file).map_err(|error| format!("{}: {error}", file.display()))
}
