//! What the adapters promise, written once, over threads and over tokio.

mod behaviour;
mod only_pool;
mod only_tokio;
mod rig;

macro_rules! on_each_rig {
    ($($case:ident)*) => {
        on_each_rig!(@ threads Threads $($case)*);
        on_each_rig!(@ tokio Tokio $($case)*);
        on_each_rig!(@ tokio_threads TokioThreads $($case)*);
    };
    (@ $module:ident $rig:ident $($case:ident)*) => {
        mod $module {
            use crate::rig::{$rig, Rig};

            $(#[test]
            fn $case() {
                $rig::run(crate::behaviour::$case::<$rig>());
            })*
        }
    };
}

on_each_rig! {
    serves_everybody_once
    past_the_deadline_the_client_is_evicted_and_the_permit_comes_back
    a_push_that_ends_in_time_evicts_nobody
    a_late_completion_does_not_touch_the_next_owner_of_the_place
    a_push_that_outlives_its_handler_keeps_its_deadline
    a_push_may_be_completed_after_its_handler_has_returned
    a_client_that_left_by_itself_is_not_evicted
    a_panic_loses_nothing
    a_panic_after_completion_repeats_nothing
    a_callback_that_panics_stops_nothing
    a_client_that_always_fails_starves_nobody
    requeueing_and_dropping_push_again
    a_released_permit_lets_another_push_begin
    without_permits_nothing_begins_until_there_are_some
    draining_serves_what_is_pending_and_refuses_more
    draining_ends_in_spite_of_a_hung_handler
    dropping_the_adapter_loses_nothing
    one_in_a_hundred_hangs_and_all_others_are_served
}
