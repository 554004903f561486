// SPDX-License-Identifier: Apache-2.0
//! tests/run.awk, which makes the sum of `make test`: nothing that fails may be lost in it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::repo::root;

/// What it prints of cargo's output, and whether it calls that a success.
fn sum(output: &str) -> (String, bool) {
    let mut awk = Command::new("awk")
        .arg("-f")
        .arg(root().join("tests/run.awk"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = awk.stdin.take().unwrap();
    input.write_all(output.as_bytes()).unwrap();
    drop(input);
    let done = awk.wait_with_output().unwrap();
    (
        String::from_utf8(done.stdout).unwrap(),
        done.status.success(),
    )
}

/// The last line.
fn total(output: &str) -> (String, bool) {
    let (text, success) = sum(output);
    (text.lines().last().unwrap_or_default().to_owned(), success)
}

const UNIT: &str =
    "     Running unittests src/lib.rs (target/debug/deps/penstock_a-0123456789abcdef)\n";
const LAB: &str = "     Running tests/lab.rs (target/debug/deps/lab-0123456789abcdef)\n";

fn result(passed: u32, failed: u32, ignored: u32) -> String {
    let verdict = if failed > 0 { "FAILED" } else { "ok" };
    format!(
        "test result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored; \
         0 measured; 0 filtered out; finished in 0.10s\n"
    )
}

#[test]
fn passed_tests_of_all_binaries_are_added_up() {
    let doc = "   Doc-tests penstock_a\n";
    let text = format!(
        "{UNIT}{}{LAB}{}{doc}{}cargo ended with 0\n",
        result(5, 0, 0),
        result(2, 0, 0),
        result(1, 0, 0)
    );
    assert_eq!(
        total(&text),
        ("total: 8 passed, 0 failed, 0 skipped".to_owned(), true)
    );
}

#[test]
fn skipped_tests_are_not_counted_as_passed() {
    let text = format!(
        "{LAB}skipped: a: no root\ntest b ... skipped: b: no veth\nok\ntest c ... ignored, slow\n\
         test d ... ignored, started by b\n---- e stdout ----\nskipped: no pages\n{}\
         cargo ended with 0\n",
        result(5, 0, 2)
    );
    assert_eq!(
        total(&text),
        ("total: 2 passed, 0 failed, 4 skipped".to_owned(), true)
    );
    let reasons = sum(&text).0;
    for reason in ["a: no root", "b: no veth", "slow", "no pages"] {
        assert!(reasons.contains(reason), "{reason} in {reasons}");
    }
}

#[test]
fn failed_and_crashed_binaries_fail_the_sum() {
    let text = format!("{UNIT}{}cargo ended with 101\n", result(4, 1, 0));
    assert_eq!(
        total(&text),
        ("total: 4 passed, 1 failed, 0 skipped".to_owned(), false)
    );
    let crashed = format!(
        "{UNIT}running 3 tests\n{LAB}{}cargo ended with 101\n",
        result(4, 0, 0)
    );
    assert_eq!(
        total(&crashed),
        ("total: 4 passed, 1 failed, 0 skipped".to_owned(), false)
    );
    let killed = format!("{LAB}running 3 tests\ncargo ended with 137\n");
    assert_eq!(
        total(&killed),
        ("total: 0 passed, 1 failed, 0 skipped".to_owned(), false)
    );
}

#[test]
fn nothing_run_and_cargo_failing_are_failures() {
    assert_eq!(
        total("cargo ended with 0\n"),
        ("total: 0 passed, 0 failed, 0 skipped".to_owned(), false)
    );
    let text = format!("{UNIT}{}error: x\ncargo ended with 101\n", result(4, 0, 0));
    assert_eq!(
        total(&text),
        ("total: 4 passed, 1 failed, 0 skipped".to_owned(), false)
    );
    // Killed before it could say how it ended.
    let text = format!("{UNIT}{}", result(4, 0, 0));
    assert_eq!(
        total(&text),
        ("total: 4 passed, 1 failed, 0 skipped".to_owned(), false)
    );
}
