// SPDX-License-Identifier: Apache-2.0
//! Broken copies of `snapshot.rs`; `build.rs` says what is broken in each.
#![allow(
    unsafe_code,
    missing_docs,
    unused_qualifications,
    dead_code,
    reason = "copies of a file that has its own reasons"
)]

macro_rules! copies {
    ($($name:ident)*) => {
        $(
            pub mod $name {
                use crate::kept::Box;
                include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
            }
        )*
    };
}

copies! {
    intact
    loads_before_it_announces
    no_fence_in_the_reader
    no_fence_in_the_publisher
    raises_the_epoch_before_it_swaps
    leaves_without_release
    publishes_without_release
    frees_one_epoch_too_early
    claims_to_have_seen_before_it_has
}
