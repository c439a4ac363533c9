//! Fan-outs on demand, to everyone and to topics.

use super::variant;
use crate::Mutant;

pub(super) fn all() -> Vec<Mutant> {
    vec![
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
            "of several topics only the first one's visits count",
            &[("queue/converge.rs", ".take(usize::from(*any))", ".take(1)")],
            "several_topics",
            "a_publish_to_several_topics_does_not_converge_early",
        ),
        variant(
            "of several topics only the first one is told the number",
            &[(
                "queue/publish.rs",
                "let fan_outs = topics.iter().filter_map(",
                "let fan_outs = topics[..1].iter().filter_map(",
            )],
            "several_topics",
            "a_member_of_several_topics_is_pushed_to_once",
        ),
    ]
}
