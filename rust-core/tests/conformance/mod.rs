//! One suite with the same case names for every transport: its promises, and the texts with which it refuses the rest.
//!
//! Each case has one body. It runs in a process of its own, which must leave nothing when it ends: see `alone`. The
//! differences between transports are in `nature`, and nowhere else.
//!
//! | cases | live in |
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
    carried: order boundaries empty one_byte exactly_a_limit one_over_a_limit hundred_megabytes back_pressure batches;
    meeting: connect_before_listen nobody_there two_listeners both_ways_and_calls;
    closing: close_when_fresh close_with_unread close_while_receiving close_while_sending close_after_the_other;
    restarts: listener_restart connector_restart both_restart three_restarts;
    garbage: garbage;
    processes: half_a_frame stale_leftovers fork descriptor_limits;
}
