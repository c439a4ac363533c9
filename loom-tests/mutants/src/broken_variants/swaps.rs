//! Two neighbouring steps in the other order, of publish, lease, complete, register, subscribe.

use super::{noticed_by, variant};
use crate::Mutant;

/// Swaps that no model can notice, and why.
pub const HARMLESS: &[(&str, &str)] = &[
    (
        "publish to one client: the look whether the queue is closed, and joining the line",
        "the slot joins the line either way, and nothing that is asked depends on the line",
    ),
    ("publish to everyone: the number, and the raise", "the raise tells the number"),
    (
        "visit: the banks going into the ready set, and the end",
        "the marks hold versions and drains back, and the signal comes after both",
    ),
    (
        "publish to many: the number, and the banks going into the ready set",
        "a version waits for marks, and those are made; the signal comes after both",
    ),
    (
        "lease: the claim, and the read of the newest number",
        "an older number is late at worst: the client waits for one push more, never for one less",
    ),
    (
        "lease: taking the backlog, and leaving topics or noting the number that the push begins with",
        "the caller pushes after all three; what is published in between is pending, and marked",
    ),
    (
        "complete: the completed number, and the count of pushes",
        "a version asks for one of the two, never for both",
    ),
    (
        "complete: the completed number, and leaving topics",
        "the push has ended before both, and a checker that finds either sees what was done in it",
    ),
    (
        "complete: the permit, and the signal of progress",
        "the signal of progress is for convergence, which knows nothing of permits",
    ),
    (
        "register: clearing the cell, and reading the newest number",
        "the slot is held: what is recorded or appended in between is for no client of it",
    ),
    (
        "register with a request: the ready set, the number, and the signal",
        "the slot is marked before all three, and a worker that finds it serves it",
    ),
    (
        "unregister: giving up the seat, and vacating the slot",
        "the first decides who may do the second",
    ),
    (
        "retire a place: clearing the cell, and clearing the topics",
        "the slot is held until both are done",
    ),
    (
        "subscribe: beginning the edit, and changing the row",
        "the first decides who may do the second",
    ),
];

pub(super) fn all() -> Vec<Mutant> {
    [publish(), publish_each(), everyone(), lease(), clients()].into_iter().flatten().collect()
}

fn publish() -> Vec<Mutant> {
    vec![
        noticed_by(
            "publish to one client: mark, then record",
            &[
                (
                    "queue/publish.rs",
                    "if B::RECORDS {\n            self.backlog.record(",
                    "if B::RECORDS && !BROKEN {\n            self.backlog.record(",
                ),
                (
                    "queue/publish.rs",
                    "let marked = self.banks()[place.bank].mark(1 << place.slot, lane);",
                    "let marked = self.banks()[place.bank].mark(1 << place.slot, lane);
                     if B::RECORDS && BROKEN {
                         self.backlog.record(&mut recording, self.cells(place.bank), 1 << place.slot);
                     }",
                ),
            ],
            &[
                ("nothing_lost", "nothing_lost_while_a_lease_completes"),
                ("convergence", "convergence_of_one_client_is_never_early"),
            ],
        ),
        variant(
            "publish to one client: read which push will contain it, then mark",
            &[
                (
                    "queue/publish.rs",
                    "let marked = self.banks()[place.bank].mark(1 << place.slot, lane);",
                    "let early = BROKEN.then(|| [false, true].map(|in_progress| {
                         self.progress(place.bank).next_push(place.slot, in_progress)
                     }));
                     let marked = self.banks()[place.bank].mark(1 << place.slot, lane);",
                ),
                (
                    "queue/publish.rs",
                    "let newest = if seat.is_of(client) {",
                    "let push = match early {
                         Some(early) if BROKEN => early[usize::from(marked.in_progress(place.slot))],
                         _ => push,
                     };
                     let newest = if seat.is_of(client) {",
                ),
            ],
            "convergence",
            "convergence_of_one_client_is_never_early",
        ),
        variant(
            "publish to one client: ask whether the queue is closed, then mark",
            &[
                (
                    "queue/publish.rs",
                    "let marked = self.banks()[place.bank].mark(1 << place.slot, lane);",
                    "let open = BROKEN.then(|| self.convergence.newest_if_open());
                     let marked = self.banks()[place.bank].mark(1 << place.slot, lane);",
                ),
                (
                    "queue/publish.rs",
                    "self.convergence.newest_if_open().ok_or(",
                    "open.filter(|_| BROKEN)
                         .unwrap_or_else(|| self.convergence.newest_if_open()).ok_or(",
                ),
            ],
            "closing",
            "drained_is_not_said_before_a_request_is_delivered_to_one",
        ),
        variant(
            "publish to one client: signal, then put it in line",
            &[(
                "queue/publish.rs",
                "self.lane_queue(lane).join(place.bank, place.slot);
            self.signal.ready(1);",
                "self.signal.ready(1);
                 self.lane_queue(lane).join(place.bank, place.slot);",
            )],
            "signals",
            "a_publish_is_heard_with_sweep",
        ),
        noticed_by(
            "publish to one client: put it in line, then mark",
            &[
                (
                    "queue/publish.rs",
                    "let marked = self.banks()[place.bank].mark(1 << place.slot, lane);",
                    "if BROKEN { self.lane_queue(lane).join(place.bank, place.slot); }
                     let marked = self.banks()[place.bank].mark(1 << place.slot, lane);",
                ),
                ("queue/publish.rs", "self.lane_queue(lane).join(place.bank, place.slot);", ""),
            ],
            &[
                ("signals", "a_publish_is_heard_with_sweep"),
                ("nothing_lost", "nothing_lost_while_a_lease_completes"),
            ],
        ),
        noticed_by(
            "publish to many: record, then read for which generation",
            &[(
                "queue/publish.rs",
                "each(missing, |slot| recorded_for[slot] = seats[slot].generation());
                self.backlog.record(recording, self.cells(bank), missing);",
                "self.backlog.record(recording, self.cells(bank), missing);
                 each(missing, |slot| recorded_for[slot] = seats[slot].generation());",
            )],
            &[
                ("registering", "a_successor_misses_no_request"),
                ("loose_cells", "a_successor_misses_no_request"),
            ],
        ),
        variant(
            "publish to many: mark, then record",
            &[
                (
                    "queue/publish.rs",
                    "self.backlog.record(recording, self.cells(bank), missing);",
                    "",
                ),
                (
                    "queue/publish.rs",
                    "ready |= marked.ready;",
                    "ready |= marked.ready;
                     if BROKEN {
                         self.backlog.record(recording, self.cells(bank), marked.marked);
                     }",
                ),
            ],
            "nothing_lost",
            "nothing_lost_while_a_lease_completes",
        ),
        variant(
            "publish to many: number, then mark",
            &[
                (
                    "queue/publish.rs",
                    "let mut batch = ReadyBatch::new(self, lane);",
                    "let early = BROKEN.then(|| self.number());
                     let mut batch = ReadyBatch::new(self, lane);",
                ),
                (
                    "queue/publish.rs",
                    "match self.number() {
            Some(number) => Ok(",
                    "match early.filter(|_| BROKEN).unwrap_or_else(|| self.number()) {
                         Some(number) => Ok(",
                ),
            ],
            "convergence",
            "convergence_is_never_early",
        ),
        variant(
            "publish to a topic: mark its members, then pass its gate",
            &[
                ("queue/publish.rs", "self.topics.pass_gates(&scope);", ""),
                (
                    "queue/publish.rs",
                    "batch.add_group(first, ready, slots);
                }",
                    "batch.add_group(first, ready, slots);
                }
                if BROKEN { self.topics.pass_gates(&scope); }",
                ),
            ],
            "topics",
            "a_subscriber_to_a_topic_misses_nothing",
        ),
    ]
}

fn publish_each() -> Vec<Mutant> {
    vec![
        variant(
            "publish to each: mark, then record",
            &[
                ("queue/publish_each.rs", "if B::RECORDS {", "if B::RECORDS && !BROKEN {"),
                (
                    "queue/publish_each.rs",
                    "batch.add(bank, marked.ready);",
                    "batch.add(bank, marked.ready);
                     if B::RECORDS && BROKEN {
                         self.backlog.record(recording, self.cells(bank), mask);
                     }",
                ),
            ],
            "publish_each",
            "a_list_is_delivered",
        ),
        variant(
            "publish to each: read which push will contain it, then mark",
            &[
                (
                    "queue/publish_each.rs",
                    "let marked = self.banks()[bank].mark(mask, batch.lane);",
                    "/* BROKEN */ let early: [_; crate::slot::SLOTS] = core::array::from_fn(|slot| {
                         [false, true].map(|busy| self.progress(bank).next_push(slot, busy))
                     });
                     let marked = self.banks()[bank].mark(mask, batch.lane);",
                ),
                (
                    "queue/publish_each.rs",
                    "set.add_push(client, self.progress(bank).next_push(slot, in_progress));",
                    "let push = if BROKEN {
                         early[slot][usize::from(in_progress)]
                     } else {
                         self.progress(bank).next_push(slot, in_progress)
                     };
                     set.add_push(client, push);",
                ),
            ],
            "publish_each",
            "a_list_does_not_converge_early",
        ),
        variant(
            "publish to each: ask whether the queue is closed, then mark",
            &[
                (
                    "queue/publish_each.rs",
                    "let mut set = VersionSet::with_capacity(clients.len());",
                    "let open = BROKEN.then(|| self.convergence.newest_if_open());
                     let mut set = VersionSet::with_capacity(clients.len());",
                ),
                (
                    "queue/publish_each.rs",
                    "if self.convergence.newest_if_open().is_none() {",
                    "/* BROKEN */ if open.unwrap_or_else(|| self.convergence.newest_if_open()).is_none() {",
                ),
            ],
            "publish_each",
            "a_list_is_delivered_before_the_drain_ends_or_refused",
        ),
    ]
}

/// To everyone on demand, and the visits of the workers.
fn everyone() -> Vec<Mutant> {
    vec![
        noticed_by(
            "publish to everyone: number, then append to the journal",
            &[
                (
                    "queue/publish.rs",
                    "let recording = self.backlog.begin_for_everyone(request);",
                    "let early = BROKEN.then(|| self.number());
                     let recording = self.backlog.begin_for_everyone(request);",
                ),
                (
                    "queue/publish.rs",
                    "let Some(number) = self.number() else {",
                    "/* BROKEN */ let Some(number) = early.unwrap_or_else(|| self.number()) else {",
                ),
            ],
            &[
                ("journal", "a_journal_loses_nothing"),
                ("journal", "entries_of_two_publishers_are_both_found"),
            ],
        ),
        variant(
            "publish to everyone: ask whether the queue is closed, then raise",
            &[
                (
                    "queue/publish.rs",
                    "self.fan_out(lane).raise(number);",
                    "/* BROKEN */ let open = !self.is_closed();
                     self.fan_out(lane).raise(number);",
                ),
                (
                    "queue/publish.rs",
                    "if self.is_closed() {
            return Err(self.refused(",
                    "if (if BROKEN { !open } else { self.is_closed() }) {
                         return Err(self.refused(",
                ),
            ],
            "closing",
            "drained_is_not_said_before_a_fan_out_is_delivered",
        ),
        variant(
            "visit: read the newest number, then begin",
            &[
                (
                    "queue/expand.rs",
                    "let group = fan_out.begin()?;",
                    "/* BROKEN */ let early = fan_out.newest();
                     let group = fan_out.begin()?;",
                ),
                (
                    "queue/expand.rs",
                    "let slots = self.mark_needy(bank, lane, newest);",
                    "let newest = if BROKEN { early } else { newest };
                     let slots = self.mark_needy(bank, lane, newest);",
                ),
            ],
            "fan_out",
            "a_visit_spares_no_client_that_owes_the_newest",
        ),
    ]
}

fn lease() -> Vec<Mutant> {
    vec![
        variant(
            "lease: take the backlog, then read the newest number",
            &[(
                "queue/serve.rs",
                "progress.begin(place.slot, seen);",
                "let seen = if BROKEN { self.convergence.newest() } else { seen };
                 let ticket = Ticket { seen, ..ticket };
                 progress.begin(place.slot, seen);",
            )],
            "convergence",
            "convergence_is_never_early",
        ),
        variant(
            "complete: let go of the slot, then count the push",
            &[(
                "queue/serve.rs",
                "self.complete_slot(ticket);
        self.hand_back(bank, self.banks()[bank].release(1 << slot))",
                "let released = self.banks()[bank].release(1 << slot);
                 self.complete_slot(ticket);
                 self.hand_back(bank, released)",
            )],
            "convergence",
            "convergence_of_one_client_is_never_early_without_a_payload",
        ),
        variant(
            "complete: put the bank into the ready set, then let go of the slot",
            &[
                (
                    "queue/serve.rs",
                    "self.complete_slot(ticket);
        self.hand_back(",
                    "if BROKEN {
                         Lane::BOTH.into_iter().for_each(|lane| self.lane_queue(lane).set.insert(bank));
                     }
                     self.complete_slot(ticket);
        self.hand_back(",
                ),
                (
                    "queue/serve.rs",
                    "if pending != 0 {\n                self.lane_queue",
                    "if pending != 0 && !BROKEN {\n                self.lane_queue",
                ),
            ],
            "signals",
            "a_completion_is_heard",
        ),
        variant(
            "complete: tell of progress, then let go of the slot",
            &[
                (
                    "queue/serve.rs",
                    "fn complete(&self, ticket: &Ticket, payload: Option<B::Payload>, permit: bool) {",
                    "fn complete(&self, ticket: &Ticket, payload: Option<B::Payload>, permit: bool) {
                         if BROKEN { self.signal.progress(); }",
                ),
                (
                    "queue/serve.rs",
                    "(permit && ticket.counted).into());\n        self.signal.progress();",
                    "(permit && ticket.counted).into());\n        if !BROKEN { self.signal.progress(); }",
                ),
            ],
            "waiting",
            "a_completion_wakes_a_waiter_for_convergence",
        ),
        noticed_by(
            "end a push: signal, then give the permit back",
            &[
                (
                    "queue/serve.rs",
                    "if permits > 0 {\n            self.limiter.release(permits);",
                    "if permits > 0 && !BROKEN {\n            self.limiter.release(permits);",
                ),
                (
                    "queue/serve.rs",
                    "} else if ready != 0 {\n            self.signal.ready(count());\n        }",
                    "} else if ready != 0 {\n            self.signal.ready(count());\n        }
                     if BROKEN && permits > 0 { self.limiter.release(permits); }",
                ),
            ],
            &[
                ("signals", "a_permit_that_comes_back_is_heard"),
                ("signals", "a_permit_released_early_is_heard"),
            ],
        ),
    ]
}

fn clients() -> Vec<Mutant> {
    vec![
        variant(
            "register: admit the client, then set its completed number",
            &[
                ("queue/clients.rs", "self.progress(place.bank).start(place.slot, newest);", ""),
                (
                    "queue/clients.rs",
                    "self.banks()[place.bank].admit(place.slot, None);",
                    "self.banks()[place.bank].admit(place.slot, None);
                     if BROKEN {
                         self.progress(place.bank).start(place.slot, || self.convergence.newest());
                     }",
                ),
            ],
            "convergence",
            "convergence_waits_for_a_newcomer",
        ),
        variant(
            "register: admit the client, then take the seat",
            &[
                // In this order: the other one writes the same text, farther down.
                ("queue/clients.rs", "self.banks()[place.bank].admit(place.slot, None);", ""),
                (
                    "queue/clients.rs",
                    "let generation = self.registry.seat(place)",
                    "if BROKEN { self.banks()[place.bank].admit(place.slot, None); }
                     let generation = self.registry.seat(place)",
                ),
            ],
            "registering",
            "a_newcomer_is_leased_by_its_own_key",
        ),
        noticed_by(
            "register: take the seat, then clear the cell",
            &[(
                "queue/clients.rs",
                "Ok((self.registry.key_of(place, generation), place))",
                "if BROKEN { self.backlog.clear(self.cells(place.bank), place.slot); }
                 Ok((self.registry.key_of(place, generation), place))",
            )],
            &[
                ("loose_cells", "a_successor_misses_no_request"),
                ("registering", "a_successor_misses_no_request"),
                ("registering", "a_successor_misses_no_locked_request"),
            ],
        ),
        variant(
            "register with a request: put the bank into the ready set, then admit the client",
            &[(
                "queue/clients.rs",
                "self.banks()[place.bank].admit(place.slot, Some(lane));
        self.lane_queue(lane).set.insert(place.bank);",
                "self.lane_queue(lane).set.insert(place.bank);
                 self.banks()[place.bank].admit(place.slot, Some(lane));",
            )],
            "signals",
            "a_newcomer_is_heard",
        ),
        noticed_by(
            "retire a place: make it vacant, then clear the topics",
            &[(
                "queue/clients.rs",
                "self.topics.retire(place);
        self.registry.vacate(self.banks(), place);",
                "self.registry.vacate(self.banks(), place);
                 self.topics.retire(place);",
            )],
            &[
                ("stale_keys", "a_stale_key_subscribes_nobody"),
                ("topics", "a_subscriber_takes_a_place_that_comes_free"),
            ],
        ),
        variant(
            "subscribe: pass the topic's gate, then become a member",
            &[
                (
                    "topics.rs",
                    "row.word(place.bank).fetch_or(now, Ordering::Relaxed);",
                    "if BROKEN { row.pass_gate(); }
                     row.word(place.bank).fetch_or(now, Ordering::Relaxed);",
                ),
                (
                    "topics.rs",
                    "row.pass_gate();\n        true",
                    "if !BROKEN { row.pass_gate(); }\n        true",
                ),
            ],
            "topics",
            "a_subscriber_to_a_topic_misses_nothing",
        ),
        noticed_by(
            "unsubscribe: raise the flag, then leave the row",
            &[
                (
                    "topics.rs",
                    "// In one step, so that there is no moment in which the client can't be reached.",
                    "if BROKEN && members & now != 0 {
                         self.flags(place).fetch_or(left, Ordering::Release);
                     }",
                ),
                ("topics.rs", "self.flags(place).fetch_or(left, Ordering::Release);", ""),
            ],
            &[
                ("topics", "what_was_left_reaches_the_client_until_a_push_that_knew"),
                ("topics", "what_was_left_second_reaches_the_client_until_a_push_that_knew"),
            ],
        ),
    ]
}
