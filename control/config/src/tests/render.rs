// SPDX-License-Identifier: Apache-2.0
//! What an operator reads.

use super::{DIRECTOR, bad};

fn rendered(text: &str) -> String {
    bad(text).render("lb.toml", text, false)
}

#[test]
fn an_error_shows_its_line_and_points_at_the_place() {
    let text = format!(
        "{DIRECTOR}flows = 1\n[[port]]\nname = \"a\"\ndevice = \"net_null0\"\n\
         [[service]]\nscheduller = \"rr\"\n"
    );
    let rendered = rendered(&text);
    let expected = "\
error[PS0103]: unknown key `scheduller` in [service]
 --> lb.toml:9:1
  |
9 | scheduller = \"rr\"
  | ^^^^^^^^^^ did you mean `scheduler`?
  = key: service[1].scheduller
  = allowed: name, listen, scheduler, scheduler_flags, forward, drain_s, ";
    assert!(rendered.contains(expected), "{rendered}");
}

#[test]
fn the_margin_is_as_wide_as_the_line_number() {
    let text = format!("{DIRECTOR}{}idle = 1\n", "\n".repeat(100));
    let rendered = rendered(&text);
    let expected = "\
error[PS0105]: `idle` is an integer, expected a string
   --> lb.toml:104:8
    |
104 | idle = 1
    |        ^ write idle = \"poll\"
    = key: director.idle
    = allowed: \"poll\", \"adaptive\"
";
    assert!(
        rendered.starts_with("warning") && rendered.contains(expected),
        "{rendered}"
    );
}

#[test]
fn the_last_line_counts() {
    assert!(rendered("").ends_with("\nlb.toml: 1 error, 1 warning\n"));
}

#[test]
fn colours_are_there_when_asked_for_and_only_then() {
    let report = bad("");
    assert!(!report.render("lb.toml", "", false).contains('\u{1b}'));
    assert!(
        report
            .render("lb.toml", "", true)
            .contains("\u{1b}[1;31merror[PS0104]\u{1b}[0m")
    );
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let text = format!("{DIRECTOR}\"a\\u001b[2Jb\" = 1\n'\u{202e}' = 1\n");
    let rendered = rendered(&text);
    assert!(!rendered.contains(['\u{1b}', '\u{202e}']), "{rendered:?}");
}

#[test]
fn a_tab_is_one_column() {
    let text = format!("{DIRECTOR}\tidle = 1\n");
    assert!(rendered(&text).contains("4 |  idle = 1\n  |         ^ write"));
}

#[test]
fn a_long_line_is_shown_around_the_place() {
    let text = format!(
        "{DIRECTOR}[api]\nsocket = \"/{}\" # {}\n",
        "x".repeat(300),
        "y".repeat(300)
    );
    let rendered = rendered(&text);
    assert!(
        rendered.lines().all(|line| line.chars().count() < 200),
        "{rendered}"
    );
    let text = format!("api = {{{}, sokket = 1 }}\n{DIRECTOR}", " ".repeat(300));
    let report = bad(&text).render("lb.toml", &text, false);
    assert!(
        report.contains("| ...") && report.contains("sokket = 1"),
        "{report}"
    );
    assert!(
        report.lines().all(|line| line.chars().count() < 200),
        "{report}"
    );
}

#[test]
fn a_report_for_another_text_does_not_panic() {
    let report = bad("[director]\nname = \"ä\"\nworkers = 1\n");
    for other in ["", "ääääääääääääääääääääää", "\n\n\n"] {
        assert!(
            report
                .render("lb.toml", other, true)
                .contains("lb.toml:2:8")
        );
    }
}
