//! `cargo run -p wire-tests --example two_tenants`: an xDS server for two tenants, over mutual TLS.
//!
//! The certificate that a client shows decides what it is served; the node id that it claims
//! decides nothing. `peer` has the certificates and the clients of the trial in `main`.

mod peer;

use std::error::Error;
use std::time::Duration;

use peer::{Authority, Peer};
use pushlane::adapters::xds::{Ads, Identity, Resource, Server, Tls, TypeUrl, ViewId};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::Code;

/// The tenant of a certificate for `spiffe://example.org/ns/TENANT/sa/NAME`.
fn tenant(identity: &Identity) -> Option<ViewId> {
    let names = identity.names().iter();
    let mut paths = names.filter_map(|name| name.strip_prefix("spiffe://example.org/ns/"));
    let (tenant, _) = paths.next()?.split_once('/')?;
    ["shop", "bank"].contains(&tenant).then(|| ViewId::from(tenant))
}

/// A cluster with a name and nothing else.
fn cluster(name: &str) -> Resource {
    let body = [&[0x0a, name.len() as u8], name.as_bytes()].concat();
    Resource::hashed(TypeUrl::CLUSTER, name, body)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let authority = Authority::new()?;
    let own = authority.sign(&["localhost"])?;
    let tls = Tls::mutual(own.chain.as_bytes(), own.key.as_bytes(), authority.pem.as_bytes())?;

    // `None` turns a client away.
    let ads = Ads::builder().view(|_node, identity| tenant(identity?)).start();
    ads.set("shop", [cluster("cart"), cluster("checkout")])?;
    ads.set("bank", [cluster("ledger")])?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let server = tokio::spawn(Server::tls(&ads, &tls).serve(listener, stopped));

    let connect = async |uri: &str| -> Result<Peer, Box<dyn Error>> {
        let leaf = authority.sign(&["workload", uri])?;
        Peer::connect(address, &authority, &leaf).await
    };
    let mut shop = connect("spiffe://example.org/ns/shop/sa/cart").await?;
    let mut bank = connect("spiffe://example.org/ns/bank/sa/ledger").await?;
    let mut stranger = connect("spiffe://example.org/ns/pub/sa/bar").await?;
    assert_eq!(shop.next().await?, ["cart", "checkout"]);
    assert_eq!(bank.next().await?, ["ledger"]);
    assert_eq!(stranger.next().await.unwrap_err().code(), Code::PermissionDenied);

    // A change of one tenant: the other hears nothing of it.
    let published = ads.update("shop", |edit| edit.put(cluster("payment")))?;
    let (acked, received) = tokio::join!(ads.wait_acked(&published), shop.next());
    println!(
        "revision {}: {:?}, {} left before",
        published.revision(),
        received?,
        acked?.departed.len()
    );
    assert!(bank.is_silent().await);

    assert!(ads.drain(Duration::from_secs(5)).await, "everything is acknowledged");
    drop(stop);
    server.await??;
    Ok(())
}

#[test]
fn tenants_are_kept_apart() {
    main().expect("it ends well");
}
