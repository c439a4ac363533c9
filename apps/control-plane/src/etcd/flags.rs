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
    /// The certificate shown to etcd, PEM
    #[arg(long, value_name = "FILE", requires = "etcd_key")]
    etcd_cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE", requires = "etcd_cert")]
    etcd_key: Option<PathBuf>,
}

fn prefix(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    if text.is_empty() { Err("expected a prefix of keys".into()) } else { Ok(text.into()) }
}

impl EtcdFlags {
    pub(crate) fn is_given(&self) -> bool {
        !self.etcd.is_empty()
    }

    /// What to connect to, and how it is called in messages.
    pub(crate) fn endpoints(&self) -> Result<(Vec<Endpoint>, String), String> {
        if self.etcd.is_empty() {
            return Err("--etcd says where etcd is; it is missing".into());
        }
        let endpoints = self.etcd.iter().map(|url| self.endpoint(url));
        Ok((endpoints.collect::<Result<_, _>>()?, self.etcd.join(",")))
    }

    fn endpoint(&self, url: &str) -> Result<Endpoint, String> {
        let bad = |error: &dyn std::fmt::Display| format!("--etcd {url}: {error}");
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| bad(&error))?;
        let endpoint = endpoint
            .connect_timeout(Duration::from_secs(2))
            .http2_keep_alive_interval(Duration::from_secs(2))
            .keep_alive_timeout(Duration::from_secs(3))
            .keep_alive_while_idle(true);
        if !url.starts_with("https:") {
            return Ok(endpoint);
        }
        let mut tls = ClientTlsConfig::new();
        if let Some(ca) = &self.etcd_ca {
            tls = tls.ca_certificate(Certificate::from_pem(read(ca)?));
        }
        if let (Some(cert), Some(key)) = (&self.etcd_cert, &self.etcd_key) {
            tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        endpoint.tls_config(tls).map_err(|error| bad(&error))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    crate::file::read(file).map_err(|error| format!("{}: {error}", file.display()))
}
