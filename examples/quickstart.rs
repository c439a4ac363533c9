//! `cargo run --example quickstart`: register, subscribe, publish, lease, complete.

use pushlane::backlog::ChangeSet;
use pushlane::{Config, Lane, Queue, Scope, Target, Topic};

const SHOP: Topic = Topic(0);
const BLOG: Topic = Topic(1);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Room for 1,000 clients and 2 topics; at most 32 pushes are prepared at once.
    let queue = Queue::<ChangeSet<&str>>::new(Config::new(1_000).topics(2).permits(32));
    let shop = queue.register()?;
    let blog = queue.register()?;
    queue.subscribe(shop, SHOP)?;
    queue.subscribe(blog, BLOG)?;

    // Two changes of the shop merge into one push. The blog's client is not touched.
    queue.publish(Target::from(SHOP), Lane::Normal, ChangeSet::from(["route/checkout"]))?;
    let change = ChangeSet::from(["endpoints/cart"]);
    let version = queue.publish(Target::from(SHOP), Lane::Urgent, change)?;
    assert_eq!(queue.laggards(version).collect::<Vec<_>>(), [shop]);

    let mut pushes = 0;
    while let Some(mut lease) = queue.try_lease() {
        // Prepare what the client needs, under the permit; send it without.
        let keys: Vec<_> = lease.request().keys().into_iter().flatten().copied().collect();
        lease.release_permit();
        println!("to {}: {}", lease.key(), keys.join(", "));
        lease.complete();
        pushes += 1;
    }
    assert_eq!(pushes, 1);
    assert!(queue.is_converged(version));
    println!("{version} is everywhere");

    // A change that concerns both topics' clients, each of them once.
    let both = [SHOP, BLOG];
    let version = queue.publish(
        Target::Topics(Scope::any(&both)),
        Lane::Normal,
        ChangeSet::from(["certificate/root"]),
    )?;
    queue.try_lease().expect("two clients wait").complete();
    queue.unregister(blog)?;
    assert!(queue.is_converged(version), "who has left holds nothing back");
    println!("{version} is everywhere, and {} client is left", queue.clients());
    Ok(())
}
