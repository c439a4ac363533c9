//! Clients that come and go. The peers know no registration: each client is there.

use criterion::{BenchmarkId, Criterion};
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane, PushQueue};

use super::{Plan, groups};

pub(super) fn run(criterion: &mut Criterion, plan: Plan) {
    let mut group = plan.group(criterion, groups::CHURN);
    for clients in plan.sizes([1_000, 100_000, 1_000_000]) {
        let queue = PushQueue::<Dirty>::new(Config::new(clients as usize).topics(2));
        // Nearly full: one place in a hundred is vacant, and has to be found.
        for _ in 0..clients - clients / 100 {
            assert!(queue.register().is_ok());
        }
        group.bench_function(BenchmarkId::new("pushlane", clients), |bencher| {
            bencher.iter(|| {
                let Ok(key) = queue.register() else { unreachable!("there is room") };
                assert_eq!(queue.unregister(key), Ok(()));
            });
        });
        group.bench_function(BenchmarkId::new("pushlane, with a first push", clients), |bencher| {
            bencher.iter(|| {
                let Ok(key) = queue.register_with(Lane::Normal, ()) else {
                    unreachable!("there is room")
                };
                if let Some(lease) = queue.try_lease() {
                    lease.complete();
                }
                assert_eq!(queue.unregister(key), Ok(()));
            });
        });
    }
}
