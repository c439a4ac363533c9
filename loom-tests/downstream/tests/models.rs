//! Models of the control plane, with all of pushlane inside. Two threads each, two forced switches.
#![cfg(loom)]

use downstream::ControlPlane;
use loom::sync::Arc;
use loom::thread;

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// A publish races a worker: once the version is everywhere, the client has the change.
#[test]
fn what_is_everywhere_has_been_sent() {
    explore(|| {
        let plane = Arc::new(ControlPlane::new(1));
        let (_, connection) = plane.connect().unwrap();
        plane.publish(1);
        let worker = {
            let plane = Arc::clone(&plane);
            thread::spawn(move || plane.serve())
        };
        let version = plane.publish(2);
        if plane.is_everywhere(version) {
            assert_eq!(connection.sent() & 2, 2, "everywhere, and not sent");
        }
        worker.join().unwrap();
        while plane.serve() {}
        assert_eq!(connection.sent(), 3);
        assert!(plane.is_everywhere(version));
    });
}

/// A client leaves while it is served: its place comes back, and the version converges.
#[test]
fn a_client_that_leaves_holds_nothing_back() {
    explore(|| {
        let plane = Arc::new(ControlPlane::new(1));
        let (client, _) = plane.connect().unwrap();
        let version = plane.publish(1);
        let worker = {
            let plane = Arc::clone(&plane);
            thread::spawn(move || plane.serve())
        };
        assert!(plane.disconnect(client));
        assert!(plane.is_everywhere(version));
        worker.join().unwrap();
        assert!(plane.connect().is_ok(), "the place is free");
    });
}
