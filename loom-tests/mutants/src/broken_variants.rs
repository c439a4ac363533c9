//! The mistakes that this design invites: what each would change, and the model that notices.
//!
//! One more is a test double, because it is a backlog that anybody could write: see
//! `convergence_is_early_with_a_backlog_that_takes_requests_out` among the models.

use crate::{Edit, Model, Mutant};

type Change = (&'static str, &'static str, &'static str);

fn variant(name: &str, changes: &[Change], target: &str, test: &str) -> Mutant {
    let edits = changes.iter().map(|(file, original, replacement)| Edit {
        file: format!("src/{file}"),
        original: (*original).to_owned(),
        replacement: (*replacement).to_owned(),
        occurrence: None,
    });
    Mutant {
        name: name.to_owned(),
        edits: edits.collect(),
        models: vec![Model { target: target.to_owned(), test: Some(test.to_owned()) }],
    }
}

pub fn all() -> Vec<Mutant> {
    vec![
        variant(
            "give out the version before marking",
            &[
                (
                    "queue/publish.rs",
                    "let mut fresh = Fresh::new(self, lane);",
                    "let early = self.convergence.number(); let mut fresh = Fresh::new(self, lane);",
                ),
                (
                    "queue/publish.rs",
                    "self.published(self.convergence.number(), audience, Until::Number, recording)",
                    "self.published(early, audience, Until::Number, recording)",
                ),
            ],
            "convergence",
            "convergence_is_never_early",
        ),
        variant(
            "ask before marking which push will contain a publish to one client",
            &[
                (
                    "queue/publish.rs",
                    "let mut recording = self.backlog.begin(request, audience);
        if B::RECORDS {",
                    "let early = [false, true].map(|in_progress| {
                         self.progress(place.bank).next_push(place.slot, in_progress)
                     });
                     let mut recording = self.backlog.begin(request, audience);
                     if B::RECORDS {",
                ),
                (
                    "queue/publish.rs",
                    "self.progress(place.bank).next_push(place.slot, marked.in_progress(place.slot))",
                    "early[usize::from(marked.in_progress(place.slot))]",
                ),
            ],
            "convergence",
            "convergence_of_one_client_is_never_early",
        ),
        variant(
            "count the push in progress as the one that will contain a publish to one client",
            &[(
                "queue/publish.rs",
                "next_push(place.slot, marked.in_progress(place.slot))",
                "next_push(place.slot, false)",
            )],
            "convergence",
            "convergence_of_one_client_is_never_early_without_a_payload",
        ),
        variant(
            "count a push that is given back as one that was completed",
            &[("progress.rs", "pushes.store(word + 1,", "pushes.store(word.wrapping_add(ONE),")],
            "convergence",
            "convergence_of_one_client_is_not_reached_by_giving_back",
        ),
        variant(
            "count a push after letting go of the slot",
            &[(
                "queue/serve.rs",
                "self.complete_slot(ticket);
        self.hand_back(ticket.place(), self.banks()[bank].release(slot))",
                "let released = self.banks()[bank].release(slot);
                     self.complete_slot(ticket);
                     self.hand_back(ticket.place(), released)",
            )],
            "convergence",
            "convergence_of_one_client_is_never_early_without_a_payload",
        ),
        variant(
            "ask whether the queue is closed before marking",
            &[
                (
                    "queue/publish.rs",
                    "let mut recording = self.backlog.begin(request, audience);
        if B::RECORDS {",
                    "let open = self.convergence.newest_if_open();
                     let mut recording = self.backlog.begin(request, audience);
                     if B::RECORDS {",
                ),
                ("queue/publish.rs", "self.convergence.newest_if_open().ok_or(", "open.ok_or("),
            ],
            "closing",
            "drained_is_not_said_before_a_request_is_delivered_to_one",
        ),
        variant(
            "look for the end of a drain without leaving a trace",
            &[(
                "queue/mod.rs",
                "all(|bank| bank.busy() == 0)",
                "all(|bank| bank.load().busy() == 0)",
            )],
            "closing",
            "drained_is_not_said_before_a_request_is_delivered_to_one",
        ),
        variant(
            "join a turn that has changed meanwhile",
            &[(
                "ready/line.rs",
                "Some(joined) if self.set.is_empty() && self.turn_becomes(turn, joined) => {}",
                "Some(joined) if self.set.is_empty() => { self.turn_becomes(turn, joined); }",
            )],
            "nothing_lost",
            "nothing_lost_of_a_neighbour_who_joins_a_turn",
        ),
        variant(
            "read the version after taking the backlog",
            &[(
                "queue/serve.rs",
                "core::mem::forget(on_panic);",
                "core::mem::forget(on_panic); let seen = self.convergence.newest();",
            )],
            "convergence",
            "convergence_is_never_early",
        ),
        variant(
            "store the completed version without Release",
            &[(
                "progress.rs",
                "store(number.word(), Ordering::Release)",
                "store(number.word(), Ordering::Relaxed)",
            )],
            "convergence",
            "convergence_is_never_early",
        ),
        variant(
            "skip the mark when the bit is already set",
            &[(
                "bank.rs",
                "pub(crate) fn mark(&self, mask: usize, lane: Lane) -> Marked {",
                "pub(crate) fn mark(&self, mask: usize, lane: Lane) -> Marked {
                     let now = self.load();
                     let marked = now.mark(mask, lane);
                     if marked.next == now { return marked; }",
            )],
            "visible",
            "visible_through_a_mark",
        ),
        variant(
            "take the backlog before the claim",
            &[
                (
                    "queue/serve.rs",
                    "let Served { bank, claimed, .. } = self.claim(1)?;",
                    "let only = Place { bank: 0, slot: 0 };
                     let early = self.backlog.take(self.cells(only.bank), only.slot, &|_| true);
                     let Some(Served { bank, claimed, .. }) = self.claim(1) else {
                         if let Some(payload) = early.payload {
                             self.backlog.restore(self.cells(only.bank), only.slot, payload);
                         }
                         return None;
                     };",
                ),
                (
                    "queue/serve.rs",
                    "match self.take(place, claimed.lane(slot), seen, counted) {",
                    "let (ticket, late) = self.take(place, claimed.lane(slot), seen, counted);
                     if let Some(payload) = late {
                         self.backlog.restore(self.cells(place.bank), place.slot, payload);
                     }
                     match (ticket, early.payload) {",
                ),
            ],
            "nothing_lost",
            "nothing_lost_while_a_lease_completes",
        ),
        variant(
            "admit the newcomer before its completed number is set",
            &[
                (
                    "queue/clients.rs",
                    "self.progress(place.bank).start(place.slot, newest);",
                    "let _ = newest;",
                ),
                (
                    "queue/clients.rs",
                    "self.banks()[place.bank].admit(place.slot, None);",
                    "self.banks()[place.bank].admit(place.slot, None);
                     self.progress(place.bank).start(place.slot, self.convergence.newest());",
                ),
            ],
            "convergence",
            "convergence_waits_for_a_newcomer",
        ),
        variant(
            "fail to acquire a permit with a plain load",
            &[("limiter.rs", ".min(n);", ".min(n); if granted == 0 { return 0; }")],
            "signals",
            "a_flicker_is_heard_with_sweep",
        ),
        variant(
            "insert into Sweep without Release",
            &[(
                "ready/sweep.rs",
                "fetch_or(mask, Ordering::Release)",
                "fetch_or(mask, Ordering::Relaxed)",
            )],
            "ready_sets",
            "a_pop_of_sweep_answers_the_inserts_before_it",
        ),
        variant(
            "don't look at the generation again after the mark",
            &[(
                "queue/publish.rs",
                "if replaced & word.load().live() == 0 {",
                "if replaced & word.load().live() & 0 == 0 {",
            )],
            "registering",
            "a_successor_misses_no_request",
        ),
        variant(
            "skip the topic's gate",
            &[("topics.rs", "self.gate.fetch_add(1, Ordering::AcqRel);", "let _ = &self.gate;")],
            "topics",
            "a_subscriber_to_a_topic_misses_nothing",
        ),
        variant(
            "don't signal what a turn uncovers",
            &[(
                "queue/serve.rs",
                "if served.uncovered > 0 {",
                "if served.uncovered > usize::MAX {",
            )],
            "ready_sets",
            "the_slots_of_a_popped_bank_are_found_by_another_worker",
        ),
        variant(
            "forget a topic that was left during the lease",
            &[
                (
                    "topics.rs",
                    "(1 << (slot + LEAVING), 1 << (slot + SETTLING))",
                    "(1 << (slot + LEAVING) | 1 << (slot + LEFT), 1 << (slot + SETTLING))",
                ),
                ("queue/serve.rs", "if ticket.changing {", "{"),
            ],
            "topics",
            "what_was_left_reaches_the_client_until_a_push_that_knew",
        ),
        variant(
            "leave a topic without Release",
            &[(
                "topics.rs",
                "// flag: the flag below orders it only for a lease that has seen that flag.
                Ordering::Release,",
                "Ordering::Relaxed,",
            )],
            "topics",
            "what_was_left_second_reaches_the_client_until_a_push_that_knew",
        ),
        variant(
            "don't look again after a permit flickered",
            &[(
                "queue/serve.rs",
                "if self.nothing_ready() {
                return None;
            }",
                "return None;",
            )],
            "signals",
            "a_flicker_is_heard_with_sweep",
        ),
        variant(
            "look at the banks before the fan-out for the end of a drain",
            &[(
                "queue/mod.rs",
                "self.is_closed()
            // Before",
                "self.is_closed()
            && self.banks().iter().all(|bank| bank.load().busy() == 0)
            && self.is_expanded(Lane::Urgent)
            && self.is_expanded(Lane::Normal)
            || false
            // Before",
            )],
            "closing",
            "drained_sees_the_last_push_of_a_fan_out",
        ),
        variant(
            "look for pending visits without Acquire",
            &[(
                "fan_out.rs",
                "self.circle.remaining(self.visits.load(Ordering::Acquire)) != 0",
                "self.circle.remaining(self.visits.load(Ordering::Relaxed)) != 0",
            )],
            "fan_out_words",
            "nothing_pending_shows_the_marks",
        ),
        variant(
            "raise without Release",
            &[(
                "fan_out.rs",
                "                next,
                Ordering::Release,
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return raised,",
                "                next,
                Ordering::Relaxed,
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return raised,",
            )],
            "fan_out",
            "a_fan_out_is_seen_although_another_one_is_being_made",
        ),
        variant(
            "don't ask whether a visit has begun",
            &[(
                "fan_out.rs",
                "let wanted = self.groups() + (visits & BEGUN);",
                "let wanted = self.groups();",
            )],
            "fan_out_words",
            "what_is_not_pending_has_been_heard",
        ),
        variant(
            "give up the end of a visit when a publisher raises meanwhile",
            &[(
                "fan_out.rs",
                "while self.circle.frontier(visits) == visit.at && visits & BEGUN != 0 {",
                "if self.circle.frontier(visits) == visit.at && visits & BEGUN != 0 {",
            )],
            "fan_out_words",
            "what_is_not_pending_has_been_heard",
        ),
        variant(
            "take a number for settled without counting",
            &[(
                "fan_out.rs",
                "if (newest ^ visits) & !LOW != 0 {",
                "if visits == newest + usize::MAX {",
            )],
            "fan_out_words",
            "a_number_is_not_settled_while_a_publisher_has_none",
        ),
        variant(
            "raise a topic without the gate",
            &[(
                "topics.rs",
                "row.pass_gate();
        let fan_out = row.fan_out(lane);",
                "let fan_out = row.fan_out(lane);",
            )],
            "topics_on_demand",
            "a_subscriber_misses_nothing_of_the_publishers_visit",
        ),
        variant(
            "take a topic out after looking whether it is due",
            &[(
                "topics.rs",
                "self.due(lane).remove(topic.0 as usize);
        // Now: a publisher that raised before the removal is seen here.
        let again = self.known(topic).fan_out(lane).is_pending();",
                "let again = self.known(topic).fan_out(lane).is_pending();
        self.due(lane).remove(topic.0 as usize);",
            )],
            "topics_on_demand",
            "a_topic_is_found_although_it_is_being_taken_out",
        ),
        variant(
            "leave it to the first publisher to put its topic in",
            &[(
                "topics/due.rs",
                "if !first && word.load(Ordering::Acquire) & bit != 0 {",
                "if !first {",
            )],
            "topics_on_demand",
            "a_publish_is_found_while_another_one_is_being_made",
        ),
        variant(
            "believe the count of topics that are due",
            &[(
                "topics/due.rs",
                "self.is_uncounted() || self.from(0).next().is_none()",
                "self.is_uncounted()",
            )],
            "topics_on_demand",
            "a_drain_with_a_member_is_heard",
        ),
        variant(
            "forget a topic without a mark for what is due",
            &[("topics.rs", "self.mark_leaving(place, mark);", "let _ = mark;")],
            "topics_on_demand",
            "who_is_about_to_be_forgotten_is_told",
        ),
        variant(
            "look for the end of a drain only at the topics that are due",
            &[(
                "queue/expand.rs",
                ".all(|row| is_done(",
                ".all(|row| self.topics.due(lane).is_empty() || is_done(",
            )],
            "topics_on_demand",
            "drained_is_not_said_while_a_topic_is_put_back",
        ),
        variant(
            "end a visit without telling whoever waits for convergence",
            &[(
                "queue/expand.rs",
                "        // A client that came too late to be marked held versions back until now.
        self.signal.progress();",
                "",
            )],
            "topics_on_demand",
            "who_comes_too_late_does_not_hold_a_version_back_for_ever",
        ),
        variant(
            "move the frontier before marking",
            &[(
                "queue/expand.rs",
                "// After the visit has begun: whoever",
                "fan_out.end(visit); // whoever",
            )],
            "fan_out",
            "a_fan_out_does_not_converge_early",
        ),
        variant(
            "complete a lease that met an unwritten entry",
            &[(
                "queue/serve.rs",
                "if !ticket.whole {\n            // Still pending",
                "if !ticket.whole && false {\n            // Still pending",
            )],
            "journal",
            "an_unwritten_entry_holds_later_ones_back",
        ),
        variant(
            "end a fan-out without telling whoever waits for a drain",
            &[(
                "convergence.rs",
                "self.counter.fetch_add(0, Ordering::AcqRel) & CLOSED != 0",
                "self.counter.load(Ordering::Acquire) & CLOSED != 0",
            )],
            "draining",
            "a_drain_without_clients_is_heard",
        ),
        variant(
            "leave what was recorded for a departed client to the next one",
            &[("queue/publish.rs", "if B::RECORDS && marked.marked == 0 {", "if false {")],
            "left_behind",
            "for_the_one_client_it_is_for",
        ),
        variant(
            "let go of a slot without looking for what was left behind",
            &[(
                "queue/clients.rs",
                "self.registry.vacate(self.banks(), place);\n        self.tidy_if_littered(place);",
                "self.registry.vacate(self.banks(), place);",
            )],
            "left_behind",
            "for_one_of_everyone",
        ),
        variant(
            "forget the slots of a group that a publish doesn't reach",
            &[("backlog/groups.rs", "self.masks[group] &= !met;", "self.masks[group] = 0;")],
            "backlogs",
            "shared_keeps_what_is_recorded_for_several",
        ),
        variant(
            "use the last merge for whatever is pending",
            &[(
                "backlog/groups.rs",
                "Some(merged) if Arc::ptr_eq(&merged.pending, pending) =>",
                "Some(merged) if Arc::ptr_eq(&merged.pending, &merged.pending) =>",
            )],
            "backlogs",
            "shared_keeps_what_is_recorded_for_several",
        ),
        variant(
            "say which entry a label is of before it says whom it is for",
            &[(
                "backlog/label.rs",
                "self.at.store(at ^ AWAY, Ordering::Relaxed);",
                "self.at.store(at, Ordering::Release);",
            )],
            "journal",
            "an_entry_is_not_passed_over_for_the_one_that_it_replaces",
        ),
        variant(
            "don't look twice at which entry a label is of",
            &[("backlog/label.rs", "if self.at.load(Ordering::Relaxed) != at {", "if false {")],
            "journal",
            "an_entry_is_not_passed_over_for_the_one_that_replaces_it",
        ),
    ]
}
