//! TLS, and who a client has proved to be.

use pushlane::adapters::xds::{Ads, Server, Tls, ViewId};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

use crate::client::*;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

struct Leaf {
    chain: String,
    key: String,
}

impl Leaf {
    fn tls(&self) -> Tls {
        Tls::new(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    fn sign(&self, names: Vec<SanType>) -> Leaf {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Leaf { chain, key: key.serialize_pem() }
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

async fn connect(rig: &Rig, ca: &Authority, client: Option<&Leaf>) -> Option<Channel> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&ca.pem))
        .domain_name("localhost");
    if let Some(leaf) = client {
        tls = tls.identity(Identity::from_pem(&leaf.chain, &leaf.key));
    }
    let uri = format!("https://{}", rig.addr);
    Channel::from_shared(uri).unwrap().tls_config(tls).unwrap().connect().await.ok()
}

#[tokio::test]
async fn tls_serves_whom_trusts_it() {
    let (ca, other) = (Authority::new(), Authority::new());
    let leaf = ca.sign(vec![dns("localhost")]);
    let ads = Ads::builder().start();
    let builder = Server::tls(&ads, &leaf.tls());
    let rig = Rig::serve(ads, builder).await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    let channel = connect(&rig, &ca, None).await.expect("trusted");
    let mut client = Sotw::open(channel, SOTW).await.unwrap();
    client.send(ask(EDS, &["a"]));
    client.take(EDS, &["a@1"], &["a"]).await;
    assert!(connect(&rig, &other, None).await.is_none(), "signed by somebody else");
    // Plaintext is not understood.
    let plain = Channel::from_shared(format!("http://{}", rig.addr)).unwrap().connect().await;
    if let Ok(channel) = plain {
        let mut grpc = tonic::client::Grpc::new(channel.clone());
        if grpc.ready().await.is_ok() {
            assert!(Sotw::open(channel, SOTW).await.is_err());
        }
    }
}

#[tokio::test]
async fn the_view_goes_by_what_a_client_has_proved() {
    let ca = Authority::new();
    let server = ca.sign(vec![dns("localhost")]);
    let [red, blue, stranger] = ["spiffe://mesh/red", "spiffe://mesh/blue", "spiffe://else/red"]
        .map(|name| ca.sign(vec![dns("workload"), uri(name)]));
    let ads = Ads::builder().view(|_, identity| {
        let names = identity?.names();
        let view = names.iter().find_map(|name| name.strip_prefix("spiffe://mesh/"))?;
        Some(ViewId::from(view))
    });
    let ads = ads.start();
    let (chain, key) = (server.chain.as_bytes(), server.key.as_bytes());
    let builder = Server::tls(&ads, &Tls::mutual(chain, key, ca.pem.as_bytes()).unwrap());
    let rig = Rig::serve(ads, builder).await;
    rig.ads.set("red", [resource(EDS, "a", "red")]).unwrap();
    rig.ads.set("blue", [resource(EDS, "a", "blue")]).unwrap();
    for (leaf, contents) in [(&red, "a@red"), (&blue, "a@blue")] {
        let channel = connect(&rig, &ca, Some(leaf)).await.expect("known");
        let mut client = Sotw::open(channel, SOTW).await.unwrap();
        // Whatever it says.
        let mut request = ask(EDS, &["a"]);
        request.node = node_of("n", "red");
        client.send(request);
        client.take(EDS, &[contents], &["a"]).await;
        assert_eq!(rig.ads.clients().last().unwrap().identity[0], "workload");
    }
    let channel = connect(&rig, &ca, Some(&stranger)).await.expect("signed by the same CA");
    let mut client = Sotw::open(channel, SOTW).await.unwrap();
    client.send(ask(EDS, &["a"]));
    assert_eq!(client.end().await.0, Code::PermissionDenied);
    // Without a certificate, or with one from elsewhere, there is no stream at all.
    let elsewhere = Authority::new().sign(vec![uri("spiffe://mesh/red")]);
    for leaf in [None, Some(&elsewhere)] {
        if let Some(channel) = connect(&rig, &ca, leaf).await {
            let mut grpc = tonic::client::Grpc::new(channel.clone());
            if grpc.ready().await.is_ok() {
                assert!(Sotw::open(channel, SOTW).await.is_err());
            }
        }
    }
    assert_eq!(rig.ads.metrics().opened, 3);
}

#[tokio::test]
async fn bad_certificates_are_told_apart() {
    let ca = Authority::new();
    let (one, two) = (ca.sign(vec![dns("one")]), ca.sign(vec![dns("two")]));
    let tried = |chain: &str, key: &str| {
        Tls::new(chain.as_bytes(), key.as_bytes()).unwrap_err().to_string()
    };
    assert!(tried("", &one.key).starts_with("the certificate chain"));
    assert!(tried(&one.chain, "").starts_with("the key"));
    assert!(tried(&one.chain, &two.key).starts_with("certificate and key"));
    let error = Tls::mutual(one.chain.as_bytes(), one.key.as_bytes(), b"").unwrap_err();
    assert!(error.to_string().starts_with("the clients' CA"));
}

#[tokio::test]
async fn certificates_are_replaced_while_the_server_runs() {
    let (old, new) = (Authority::new(), Authority::new());
    let [first, second] = [&old, &new].map(|ca| ca.sign(vec![dns("localhost")]));
    let tls = first.tls();
    let ads = Ads::builder().start();
    let builder = Server::tls(&ads, &tls);
    let rig = Rig::serve(ads, builder).await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    let mut client = Sotw::open(connect(&rig, &old, None).await.unwrap(), SOTW).await.unwrap();
    client.send(ask(EDS, &["a"]));
    client.take(EDS, &["a@1"], &["a"]).await;
    // A pair that doesn't fit is an error, and the old one stays.
    assert!(Tls::new(second.chain.as_bytes(), first.key.as_bytes()).is_err());
    assert!(connect(&rig, &old, None).await.is_some());
    tls.replace(&second.tls());
    assert!(connect(&rig, &old, None).await.is_none(), "it is shown the new one");
    let mut newcomer = Sotw::open(connect(&rig, &new, None).await.unwrap(), SOTW).await.unwrap();
    newcomer.send(ask(EDS, &["a"]));
    newcomer.take(EDS, &["a@1"], &["a"]).await;
    // The connection that was there goes on.
    rig.ads.update("default", |edit| edit.put(resource(EDS, "a", "2"))).unwrap();
    client.take(EDS, &["a@2"], &["a"]).await;
}
