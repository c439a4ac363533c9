//! Certificates that change while clients come.

use crate::plane::{Dir, LONG, Plane};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

struct Pair {
    cert: String,
    key: String,
    der: CertificateDer<'static>,
}

fn pair() -> Pair {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Pair { cert: cert.pem(), key: signing_key.serialize_pem(), der: cert.der().clone() }
}

/// Whether a new handshake is made with this certificate.
fn shows(plane: &Plane, pair: &Pair) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(pair.der.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(&plane.clients).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    Stream::new(&mut tls, &mut socket).flush().is_ok() && !tls.is_handshaking()
}

#[test]
fn new_handshakes_use_the_new_pair_and_a_broken_one_is_not_taken() {
    let (dir, [old, new]) = (Dir::new("certificates"), [pair(), pair()]);
    dir.replace("cert.pem", &old.cert);
    dir.replace("key.pem", &old.key);
    let flags = ["--tls-cert", &dir.path("cert.pem"), "--tls-key", &dir.path("key.pem")];
    let plane = Plane::start(&flags);
    assert!(shows(&plane, &old) && !shows(&plane, &new));

    dir.replace("cert.pem", &new.cert);
    let line = plane.line("certificates: ");
    assert!(line.ends_with("the old ones stay in use"), "{line}");
    assert!(shows(&plane, &old) && !shows(&plane, &new));

    dir.replace("key.pem", &new.key);
    plane.line("certificates: the new ones are in use");
    assert!(shows(&plane, &new) && !shows(&plane, &old));

    // At once, without the watch's second look.
    dir.replace("key.pem", &old.key);
    plane.signal("HUP");
    plane.line("the old ones stay in use");
    dir.replace("cert.pem", &old.cert);
    plane.signal("HUP");
    plane.line("certificates: the new ones are in use");
    assert!(shows(&plane, &old));
}
