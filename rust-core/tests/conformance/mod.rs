//! One suite of cases for every transport: its promises, and the errors of everything else.
//!
//! Each case is one function for all transports. It runs in a separate process, which must leave nothing: see
//! `alone`. Only `nature` has the differences between transports.
//!
//! | cases | module |
//! |---|---|
//! | delivery | `carried` |
//! | connecting | `meeting` |
//! | closing in every state | `closing` |
//! | restarts of either side | `restarts` |
//! | invalid bytes | `garbage` |
//! | other processes, and too few descriptors | `processes`, with the parts of `roles` |

mod alone;
mod carried;
mod closing;
mod garbage;
mod meeting;
mod nature;
mod processes;
mod restarts;
mod roles;
mod sides;

macro_rules! suite {
    ($($group:ident: $($case:ident)*;)*) => {
        suite! { @ shm SHM $($group: $($case)*;)* }
        suite! { @ unix UNIX $($group: $($case)*;)* }
        suite! { @ tcp TCP $($group: $($case)*;)* }
        suite! { @ fifo FIFO $($group: $($case)*;)* }
        suite! { @ spool SPOOL $($group: $($case)*;)* }
        suite! { @ dgram DGRAM $($group: $($case)*;)* }
        suite! { @ file FILE $($group: $($case)*;)* }
        suite! { @ journal JOURNAL $($group: $($case)*;)* }
    };
    (@ $transport:ident $nature:ident $($group:ident: $($case:ident)*;)*) => {
        mod $transport {
            $($(#[test] fn $case() {
                crate::conformance::alone::run(&crate::conformance::nature::$nature, stringify!($case), crate::conformance::$group::$case);
            })*)*
        }
    };
}

suite! {
    carried:
        messages_arrive_once_in_order
        bodies_of_boundary_sizes_arrive_unchanged
        empty_bodies_and_values_arrive
        bodies_of_one_byte_arrive
        message_of_exactly_the_limit_arrives
        message_over_the_limit_is_refused
        message_of_100_mib_arrives_or_is_refused
        sender_without_reader_waits_or_overwrites
        batches_arrive_once_in_order
        lent_bytes_arrive_in_memory_of_the_program;
    meeting:
        side_that_connects_first_waits_for_the_other
        missing_peer_is_reported_as_not_found
        second_holder_of_a_name_is_refused_or_shares_it
        answers_and_calls_work_or_are_refused;
    closing:
        close_before_any_message_releases_the_name
        close_with_unread_messages_reports_or_stores_them
        close_ends_a_waiting_receive
        close_ends_a_waiting_send
        close_after_or_together_with_the_peer_succeeds;
    restarts:
        holder_restart_keeps_unconsumed_messages_as_promised
        connector_restart_keeps_unconsumed_messages_as_promised
        restart_of_both_sides_keeps_stored_messages
        restarts_after_close_lose_and_repeat_nothing;
    garbage:
        invalid_bytes_are_refused_and_other_peers_continue;
    processes:
        killed_sender_leaves_no_partial_message
        name_of_a_killed_holder_is_taken_over
        forked_child_cannot_use_inherited_sides
        lack_of_descriptors_is_reported_and_passes;
}
