// SPDX-License-Identifier: Apache-2.0
//! The models: what must hold in every order of events.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loom::model::Builder;
use loom::thread;

use crate::subject::{self, Subject};
use crate::value::{FREED, Token, Value};

/// How often a thread is interrupted where it would not have had to wait. Every broken copy is
/// found with one; two more are what fits into the minute that all models may take.
const PREEMPTIONS: usize = 3;

/// How large a model is; its time grows very fast with each.
#[derive(Debug, Clone, Copy)]
struct Size {
    readers: usize,
    /// By each reader.
    reads: usize,
    /// After the first value.
    publications: u64,
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

/// Readers read while values are published. No reader sees a freed value, an older one than before,
/// or one that `seen_by_all` has declared past; when all readers have left, only the current value
/// is left, and after the end none.
fn publish_beside_readers<S: Subject>(size: Size) {
    let tokens: Vec<_> = (0..=size.publications).map(|_| Token::new()).collect();
    let (mut publisher, readers) = S::channel(Value::new(1, &tokens[0]), size.readers);
    // What `seen_by_all` said. Not loom's: it only watches.
    let promised = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = readers
        .into_iter()
        .map(|mut reader| {
            let promised = Arc::clone(&promised);
            thread::spawn(move || {
                let mut newest = 0;
                for _ in 0..size.reads {
                    S::read(&mut reader, |value| {
                        value.look();
                        assert!(value.number >= newest, "an older value than before");
                        let past = promised.load(Ordering::SeqCst);
                        assert!(value.number >= past, "a value that nobody should hold");
                        newest = value.number;
                    });
                }
            })
        })
        .collect();
    for (number, token) in (2..).zip(&tokens[1..]) {
        let published = S::publish(&mut publisher, Value::new(number, token));
        assert_eq!(published, number);
        let seen = S::seen_by_all(&publisher);
        assert!(seen <= published, "seen before it was there");
        promised.store(seen, Ordering::SeqCst);
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(S::collect(&mut publisher), 0, "kept for readers that left");
    let (current, retired) = tokens.split_last().unwrap();
    assert!(retired.iter().all(|token| token.is_freed()));
    assert!(!current.is_freed());
    drop(publisher);
    assert!(current.is_freed());
}

const ONE_READER: Size = Size {
    readers: 1,
    reads: 2,
    publications: 2,
};

const TWO_READERS: Size = Size {
    readers: 2,
    reads: 1,
    publications: 2,
};

fn one_reader<S: Subject>() {
    check(|| publish_beside_readers::<S>(ONE_READER));
}

fn two_readers<S: Subject>() {
    check(|| publish_beside_readers::<S>(TWO_READERS));
}

#[test]
fn a_reader_beside_two_publications_never_sees_a_freed_value() {
    one_reader::<subject::Worker>();
}

#[test]
fn two_readers_beside_a_publication_never_see_a_freed_value() {
    two_readers::<subject::Worker>();
}

#[test]
fn publishing_never_waits_for_a_reader_that_holds_a_value() {
    check(|| {
        type S = subject::Worker;
        let tokens = [(); 3].map(|()| Token::new());
        let (mut publisher, mut readers) = S::channel(Value::new(1, &tokens[0]), 2);
        // In one thread: a publication that waited would wait for ever.
        S::read(&mut readers[0], |value| {
            S::publish(&mut publisher, Value::new(2, &tokens[1]));
            S::publish(&mut publisher, Value::new(3, &tokens[2]));
            assert_eq!(S::collect(&mut publisher), 2);
            value.look();
        });
        assert_eq!(S::collect(&mut publisher), 0);
        assert!(tokens[0].is_freed() && tokens[1].is_freed());
    });
}

#[test]
fn a_sleeping_reader_holds_nothing_up() {
    check(|| {
        type S = subject::Worker;
        let tokens = [(); 2].map(|()| Token::new());
        let (mut publisher, mut readers) = S::channel(Value::new(1, &tokens[0]), 1);
        S::read(&mut readers[0], Value::look);
        S::publish(&mut publisher, Value::new(2, &tokens[1]));
        assert!(tokens[0].is_freed());
        assert_eq!(S::seen_by_all(&publisher), 1, "it slept through the second");
    });
}

#[test]
fn a_reader_keeps_what_it_holds_when_the_publisher_goes() {
    check(|| {
        type S = subject::Worker;
        let tokens = [(); 2].map(|()| Token::new());
        let (mut publisher, mut readers) = S::channel(Value::new(1, &tokens[0]), 1);
        S::read(&mut readers[0], |value| {
            S::publish(&mut publisher, Value::new(2, &tokens[1]));
            drop(publisher);
            value.look();
        });
        S::read(&mut readers[0], Value::look);
    });
}

#[test]
fn the_copies_pass_where_nothing_is_broken() {
    one_reader::<subject::Intact>();
}

/// Runs the model named in `BROKEN_COPY`; a refusal may end in a panic while panicking, which ends
/// the process.
#[test]
#[ignore = "started by the_models_refuse_every_broken_copy"]
fn a_broken_copy() {
    match std::env::var(BROKEN_COPY).as_deref() {
        Ok("loads_before_it_announces") => one_reader::<subject::LoadsBeforeItAnnounces>(),
        Ok("no_fence_in_the_reader") => one_reader::<subject::NoFenceInTheReader>(),
        Ok("no_fence_in_the_publisher") => one_reader::<subject::NoFenceInThePublisher>(),
        Ok("raises_the_epoch_first") => one_reader::<subject::RaisesTheEpochBeforeItSwaps>(),
        Ok("leaves_without_release") => one_reader::<subject::LeavesWithoutRelease>(),
        Ok("publishes_without_release") => one_reader::<subject::PublishesWithoutRelease>(),
        Ok("frees_too_early") => one_reader::<subject::FreesOneEpochTooEarly>(),
        Ok("claims_too_early") => one_reader::<subject::ClaimsToHaveSeenBeforeItHas>(),
        other => panic!("{BROKEN_COPY} is {other:?}"),
    }
}

const BROKEN_COPY: &str = "BROKEN_COPY";

/// What loom says about a read and a free without an order.
const UNORDERED: &str = "Causality violation";

#[test]
fn the_models_refuse_every_broken_copy() {
    for (copy, refusals) in [
        ("loads_before_it_announces", &[UNORDERED, FREED][..]),
        ("no_fence_in_the_reader", &[UNORDERED, FREED]),
        ("no_fence_in_the_publisher", &[UNORDERED, FREED]),
        ("raises_the_epoch_first", &[UNORDERED, FREED]),
        ("leaves_without_release", &[UNORDERED]),
        ("publishes_without_release", &[UNORDERED]),
        ("frees_too_early", &[UNORDERED, FREED]),
        (
            "claims_too_early",
            &[
                "seen before it was there",
                "a value that nobody should hold",
            ],
        ),
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "models::a_broken_copy",
                "--ignored",
                "--nocapture",
            ])
            .env(BROKEN_COPY, copy)
            .env("RUST_BACKTRACE", "0")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        let why = refusals.iter().find(|refusal| text.contains(**refusal));
        assert!(!output.status.success() && why.is_some(), "{copy}:\n{text}");
        eprintln!("{copy}: {}", why.unwrap());
    }
}
