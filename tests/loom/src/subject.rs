// SPDX-License-Identifier: Apache-2.0
//! The publisher under test: the worker's own, or a broken copy of it.

use crate::value::Value;
use crate::{broken, snapshot};

/// What the models use of `snapshot.rs`.
pub(crate) trait Subject: 'static {
    type Publisher;
    type Reader: Send + 'static;

    fn channel(first: Value, readers: usize) -> (Self::Publisher, Vec<Self::Reader>);
    fn publish(publisher: &mut Self::Publisher, value: Value) -> u64;
    fn collect(publisher: &mut Self::Publisher) -> usize;
    fn seen_by_all(publisher: &Self::Publisher) -> u64;
    fn read(reader: &mut Self::Reader, look: impl FnOnce(&Value));
}

macro_rules! subjects {
    ($($name:ident = $($module:ident)::+;)*) => {
        $(
            #[derive(Debug)]
            pub(crate) struct $name;

            impl Subject for $name {
                type Publisher = $($module)::+::Publisher<Value>;
                type Reader = $($module)::+::Reader<Value>;

                fn channel(first: Value, readers: usize) -> (Self::Publisher, Vec<Self::Reader>) {
                    $($module)::+::channel(first, readers)
                }
                fn publish(publisher: &mut Self::Publisher, value: Value) -> u64 {
                    publisher.publish(value)
                }
                fn collect(publisher: &mut Self::Publisher) -> usize {
                    publisher.collect()
                }
                fn seen_by_all(publisher: &Self::Publisher) -> u64 {
                    publisher.seen_by_all()
                }
                fn read(reader: &mut Self::Reader, look: impl FnOnce(&Value)) {
                    look(&reader.read());
                    reader.passed();
                }
            }
        )*
    };
}

subjects! {
    Worker = snapshot;
    Intact = broken::intact;
    LoadsBeforeItAnnounces = broken::loads_before_it_announces;
    NoFenceInTheReader = broken::no_fence_in_the_reader;
    NoFenceInThePublisher = broken::no_fence_in_the_publisher;
    RaisesTheEpochBeforeItSwaps = broken::raises_the_epoch_before_it_swaps;
    LeavesWithoutRelease = broken::leaves_without_release;
    PublishesWithoutRelease = broken::publishes_without_release;
    FreesOneEpochTooEarly = broken::frees_one_epoch_too_early;
    ClaimsToHaveSeenBeforeItHas = broken::claims_to_have_seen_before_it_has;
}
