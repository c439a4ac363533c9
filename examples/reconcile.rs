//! `cargo run --example reconcile`: objects come and go, and workers bring the world in line with
//! them. An object is a client and reconciling it is a push: one at a time for each object, changes
//! meanwhile merge, failures are retried with backoff.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pushlane::adapters::{AsyncQueue, Backoff, Clients, Dispatcher, Outcome};
use pushlane::backlog::Dirty;
use pushlane::{ClientKey, Config, Lane};

#[derive(Default)]
struct World {
    wanted: HashMap<&'static str, u32>,
    running: HashMap<&'static str, u32>,
}

struct Controller {
    objects: Clients<Arc<AsyncQueue<Dirty>>, &'static str>,
    keys: HashMap<&'static str, ClientKey>,
    world: Arc<Mutex<World>>,
}

impl Controller {
    /// An object has been created, or its wanted number of replicas has changed.
    fn apply(&mut self, name: &'static str, replicas: u32) -> Outcome {
        self.world.lock().unwrap().wanted.insert(name, replicas);
        match self.keys.get(name) {
            Some(&key) => drop(self.objects.publish(key, Lane::Normal, ())?),
            None => {
                let (map, queue) = (self.objects.map(), &self.objects);
                self.keys.insert(name, map.connect(queue, name, [], Lane::Normal, ())?);
            }
        }
        Ok(())
    }

    fn delete(&mut self, name: &'static str) {
        let mut world = self.world.lock().unwrap();
        world.wanted.remove(name);
        world.running.remove(name);
        self.keys.remove(name).map(|key| self.objects.map().disconnect(&self.objects, key));
    }
}

fn main() -> Outcome {
    let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(1_000).permits(4)));
    let objects = Clients::new(Arc::clone(&queue));
    let world = Arc::new(Mutex::new(World::default()));
    let (keys, handle) = (HashMap::new(), Arc::clone(&world));
    let mut controller = Controller { objects: objects.clone(), keys, world: handle };

    let backoff = Backoff::new(Duration::from_millis(5), Duration::from_secs(1));
    let builder =
        Dispatcher::builder(objects).backoff(backoff).on_failure(|key, attempt, error| {
            println!("{key}, attempt {attempt}: {error}");
        });
    let pool = builder.start_pool(4, move |push| {
        let Some(name) = push.client() else { return Ok(()) }; // deleted meanwhile
        if *name == "flaky" && push.attempt() < 3 {
            return Err("no node has room".into());
        }
        let mut world = world.lock().unwrap();
        if let Some(&wanted) = world.wanted.get(*name) {
            world.running.insert(*name, wanted);
        }
        Ok(())
    })?;

    for (name, replicas) in [("web", 3), ("flaky", 2), ("batch", 1), ("web", 5)] {
        controller.apply(name, replicas)?;
    }
    controller.delete("batch");
    println!("{}", queue.wait_converged(queue.barrier(), Duration::from_secs(10))?);
    assert_eq!(pool.stats().failed, 2);
    assert_eq!(controller.world.lock().unwrap().running, HashMap::from([("web", 5), ("flaky", 2)]));
    pool.drain(Duration::from_secs(10))?;
    Ok(())
}
