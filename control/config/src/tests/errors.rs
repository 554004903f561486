// SPDX-License-Identifier: Apache-2.0
//! Structure: syntax, keys and their types. Every error of a file at once.

use super::{DIRECTOR, PORT, SERVER, SERVICE, bad, one_error, one_warning};
use crate::{Code, FILE_BYTES_MAX, parse};

#[test]
fn text_that_is_not_toml_is_an_error_where_it_stops_to_be() {
    let text = format!("{DIRECTOR}idle \"poll\"\n");
    one_error(&text, Code::Syntax, (4, 6), "=");
}

#[test]
fn a_key_without_a_value_is_told_so() {
    let text = format!("{DIRECTOR}idle =\n");
    one_error(&text, Code::Syntax, (4, 7), "a value is missing");
}

#[test]
fn a_cpu_list_without_quotes_is_told_to_have_them() {
    let text = "[director]\nname = \"lb1\"\nworkers = 1-3\n";
    one_error(text, Code::Syntax, (3, 11), "put it in quotes: \"1-3\"");
}

#[test]
fn an_address_without_quotes_is_told_to_have_them() {
    let text = format!("{DIRECTOR}{SERVICE}[[service.server]]\naddress = 10.0.0.1\n");
    one_error(
        &text,
        Code::Syntax,
        (10, 11),
        "put it in quotes: \"10.0.0.1\"",
    );
}

#[test]
fn a_string_that_is_not_closed_is_one_error() {
    let text = "[director]\nname = \"lb1\nworkers = \"1\"\n";
    one_error(text, Code::Syntax, (2, 12), "expected `\"`");
}

#[test]
fn a_list_that_is_not_closed_is_one_error() {
    let text = format!("{DIRECTOR}[[port]]\naddresses = [\"192.0.2.2/24\"\n{SERVICE}{SERVER}");
    let report = bad(&text);
    let found: Vec<_> = report
        .errors()
        .map(|e| (e.code, e.line, e.column))
        .collect();
    assert_eq!(found, [(Code::Syntax, 5, 13)]);
}

#[test]
fn errors_behind_a_broken_line_are_found_too() {
    let text = "[director]\nname = lb1\nidle \"poll\"\nworkers = \"x\"\n[[port]]\n\
                device = \"eth0\"\nname = \"front\"\naddresses = [\"192.0.2.2/24\"\n\
                [[service]]\nname = \"web\"\nlisten = tcp://192.0.2.1:80\nscheduler = \"rr\"\n\
                forward = \"nta\"\n[[service.server]]\naddress = 10.0.0.1:80\n\
                [[service.server]\nweight = -1\n[limits]\nicmp = 1\n";
    let report = bad(text);
    let found: Vec<_> = report.errors().map(|e| (e.code, e.line)).collect();
    assert_eq!(
        found,
        [
            (Code::Syntax, 2),
            (Code::Syntax, 3),
            (Code::BadCpuList, 4),
            (Code::BadDevice, 6),
            (Code::Syntax, 8),
            (Code::Syntax, 11),
            (Code::NotOneOf, 13),
            (Code::Syntax, 15),
            (Code::Syntax, 16),
            (Code::UnknownKey, 19),
        ],
        "{}",
        report.render("lb.toml", text, false)
    );
}

#[test]
fn a_table_with_a_broken_header_is_left_out_with_what_is_below_it() {
    let text =
        format!("{DIRECTOR}[[service]\nname = 1\n[[service.server]]\nweight = -1\n[api]\nx = 1\n");
    let found: Vec<_> = bad(&text).errors().map(|e| (e.code, e.line)).collect();
    assert_eq!(found, [(Code::Syntax, 4), (Code::UnknownKey, 9)]);
}

#[test]
fn a_list_without_a_comma_is_an_error_at_the_entry() {
    let text = format!(
        "{DIRECTOR}{}",
        PORT.replace(
            "[\"192.0.2.2/24\"]",
            "[\n\"192.0.2.2/24\"\n\"10.0.0.1/8\"\n]"
        )
    );
    one_error(&text, Code::Syntax, (10, 1), "separate the entries by `,`");
}

#[test]
fn a_key_twice_is_an_error_at_the_second() {
    let text = format!("{DIRECTOR}name = \"lb2\"\n");
    one_error(&text, Code::Syntax, (4, 1), "stands once");
}

#[test]
fn a_table_twice_is_an_error_at_the_second() {
    let text = format!("{DIRECTOR}[api]\n[api]\n");
    one_error(&text, Code::Syntax, (5, 2), "duplicate key");
}

#[test]
fn a_key_twice_hides_no_other_error() {
    let text = "[director]\nname = \"a\"\nname = \"b\"\n[[service]]\nname = \"w\"\n";
    let found: Vec<_> = bad(text).errors().map(|e| (e.code, e.line)).collect();
    let missing = (Code::MissingKey, 4);
    assert_eq!(
        found,
        [
            (Code::MissingKey, 1),
            (Code::Syntax, 3),
            missing,
            missing,
            missing
        ]
    );
}

#[test]
fn a_broken_line_hides_missing_keys_of_its_own_table_alone() {
    let text = "[director]\nname \"lb1\"\nworkers = \"1\"\n[[service]]\nname = \"w\"\n\
                scheduler = \"rr\"\nforward = \"nat\"\n";
    let found: Vec<_> = bad(text).errors().map(|e| (e.code, e.line)).collect();
    assert_eq!(found, [(Code::Syntax, 2), (Code::MissingKey, 4)]);
}

#[test]
fn an_unknown_key_is_told_the_one_that_was_meant() {
    let text = format!("{DIRECTOR}{SERVICE}scheduller = \"rr\"\n{SERVER}");
    let error = one_error(
        &text,
        Code::UnknownKey,
        (9, 1),
        "unknown key `scheduller` in [service]",
    );
    assert_eq!(error.help.as_deref(), Some("did you mean `scheduler`?"));
    assert_eq!(error.key, "service.web.scheduller");
    assert_eq!(
        error.span,
        text.find("scheduller").unwrap()..text.find(" = \"rr\"").unwrap()
    );
}

#[test]
fn a_misspelt_key_is_not_missing_as_well() {
    let text = format!("{DIRECTOR}{SERVICE}{SERVER}").replace("listen", "lisetn");
    one_error(&text, Code::UnknownKey, (6, 1), "did you mean `listen`?");
}

#[test]
fn an_unknown_key_like_no_other_is_told_all_there_are() {
    let text = format!("{DIRECTOR}[api]\nlisten_on_tcp_port_too = 1\n");
    one_error(&text, Code::UnknownKey, (5, 1), "| socket");
}

#[test]
fn a_key_of_another_table_is_told_its_home() {
    let text = format!("{DIRECTOR}{SERVICE}flows_max = 5\n{SERVER}");
    one_error(
        &text,
        Code::UnknownKey,
        (9, 1),
        "`flows_max` belongs in [director]",
    );
}

#[test]
fn an_unknown_table_is_told_the_one_that_was_meant() {
    let text = format!("{DIRECTOR}[[services]]\nname = \"web\"\n");
    one_error(&text, Code::UnknownKey, (4, 3), "did you mean `service`?");
}

#[test]
fn an_unknown_punt_class_is_an_error() {
    let text = format!("{DIRECTOR}[limits]\npunt_pps = {{ arp = 1 }}\n");
    one_error(&text, Code::UnknownKey, (5, 14), "in [limits.punt_pps]");
}

#[test]
fn keys_of_a_later_version_are_not_supported_yet() {
    let text = format!("{DIRECTOR}{SERVICE}health = {{ type = \"http\" }}\n{SERVER}");
    one_error(&text, Code::NotSupported, (9, 1), "remove `health`");
}

#[test]
fn a_missing_key_is_told_at_its_table_with_an_example() {
    let text = "[director]\nname = \"lb1\"\n";
    let error = one_error(text, Code::MissingKey, (1, 1), "workers = \"1-3\"");
    assert_eq!(error.message, "`workers` is missing in [director]");
}

#[test]
fn every_required_key_is_missed() {
    let text =
        format!("{DIRECTOR}[[port]]\n[[service]]\n[[service.server]]\n[[port]]\n[[port.vlan]]\n");
    let missing: Vec<_> = bad(&text).errors().map(|error| error.key.clone()).collect();
    let expected = [
        "port[1].name",
        "port[1].device",
        "service[1].name",
        "service[1].listen",
        "service[1].scheduler",
        "service[1].forward",
        "service[1].server[1].address",
        "port[2].name",
        "port[2].device",
        "port[2].vlan[1].id",
    ];
    assert_eq!(missing, expected);
}

#[test]
fn a_file_without_a_director_is_an_error() {
    one_error("", Code::MissingKey, (1, 1), "add [director]");
}

#[test]
fn a_value_of_another_type_is_an_error_with_an_example() {
    for (line, column, fragment) in [
        ("idle = 1", 8, "`idle` is an integer, expected a string"),
        (
            "flows_max = \"many\"",
            13,
            "is a string, expected an integer",
        ),
        ("flows_max = 1.5", 13, "write flows_max = 1000000"),
        ("control_cpu = [0]", 15, "is an array, expected a string"),
        ("huge_pages = true", 14, "is a boolean"),
        ("drain_s = 2026-01-01", 11, "is a datetime"),
        ("drain_s = {}", 11, "is a table"),
    ] {
        let text = format!("{DIRECTOR}{line}\n");
        one_error(&text, Code::WrongType, (4, column), fragment);
    }
}

#[test]
fn a_flag_is_true_or_false() {
    let text = format!("{DIRECTOR}{PORT}promiscuous = \"yes\"\n");
    one_error(&text, Code::WrongType, (9, 15), "expected true or false");
}

#[test]
fn a_list_of_strings_holds_strings() {
    let text = format!(
        "{DIRECTOR}[[port]]\nname = \"a\"\ndevice = \"net_null0\"\n\
         addresses = [\"10.0.0.1/8\", 4]\n"
    );
    let error = one_error(&text, Code::WrongType, (7, 28), "a list of strings");
    assert_eq!(error.key, "port.a.addresses[2]");
}

#[test]
fn a_single_table_where_a_list_belongs_is_told_the_brackets() {
    let text = format!("{DIRECTOR}[service]\nname = \"web\"\n");
    one_error(
        &text,
        Code::WrongType,
        (4, 1),
        "write [[service]], once for each",
    );
}

#[test]
fn a_list_where_a_single_table_belongs_is_told_the_brackets() {
    let text = format!("{DIRECTOR}[[api]]\nsocket = \"/x\"\n");
    one_error(&text, Code::WrongType, (4, 1), "write [api]");
}

#[test]
fn a_list_of_tables_holds_tables() {
    let text = "service = [1]\n[director]\nname = \"a\"\nworkers = \"1\"\n";
    one_error(text, Code::WrongType, (1, 12), "[[service]]");
}

#[test]
fn six_errors_are_six_errors_in_the_order_of_the_file() {
    let text = "[director]\nname = \"lb1\"\nworkers = \"3-1\"\nidel = \"poll\"\n[[service]]\n\
                name = \"web\"\nlisten = \"tcp://192.0.2.300:80\"\nscheduler = \"lottery\"\n\
                forward = \"nat\"\n[[service]]\nname = \"web\"\nlisten = \"udp://192.0.2.1:53\"\n\
                scheduler = \"rr\"\nforward = \"nat\"\n[[service.server]]\n\
                address = \"10.0.0.1\"\nweight = 70000\n";
    let report = bad(text);
    let found: Vec<_> = report
        .errors()
        .map(|e| (e.code, e.line, e.column))
        .collect();
    assert_eq!(
        found,
        [
            (Code::BadCpuList, 3, 11),
            (Code::UnknownKey, 4, 1),
            (Code::BadAddress, 7, 10),
            (Code::NotOneOf, 8, 13),
            (Code::DuplicateName, 11, 8),
            (Code::OutOfRange, 17, 10),
        ]
    );
    assert_eq!(report.to_string(), "6 errors, 2 warnings");
}

#[test]
fn warnings_stand_beside_errors() {
    let report = bad("[director]\nname = \"\"\nworkers = \"1\"\n");
    assert_eq!(report.errors().count(), 1);
    let warnings: Vec<_> = report.warnings().map(|w| w.code).collect();
    assert_eq!(warnings, [Code::NoPort]);
}

#[test]
fn a_file_without_a_port_is_a_warning() {
    one_warning(DIRECTOR, Code::NoPort, (1, 1), "no packet can come in");
}

#[test]
fn columns_count_characters_and_not_bytes() {
    let text = "[director]\nname = \"lb1\"\nworkers = \"1\"\napi = { \"ä→\" = 1, sokket = 2 }\n";
    let columns: Vec<_> = bad(text).errors().map(|e| e.column).collect();
    // `api` is not a key of [director] at all.
    assert_eq!(columns, [1]);
    let text = format!("api = {{ \"ä→\" = 1, sokket = 2 }}\n{DIRECTOR}");
    let columns: Vec<_> = bad(&text).errors().map(|e| e.column).collect();
    assert_eq!(columns, [9, 19]);
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let text = " ".repeat(FILE_BYTES_MAX + 1);
    one_error(&text, Code::FileTooLarge, (1, 1), "16777217 bytes");
}

#[test]
fn codes_are_unique_and_warnings_are_of_the_fourth_hundred() {
    let mut seen = std::collections::HashSet::new();
    for code in Code::ALL {
        assert!(seen.insert(code.as_str()), "{code} twice");
        assert!(code.as_str().starts_with("PS0"), "{code}");
        assert_eq!(*code >= Code::NoPort, code.as_str().starts_with("PS04"));
    }
}

#[test]
fn the_report_is_an_error_that_counts() {
    let report = parse("").expect_err("empty");
    let error: Box<dyn std::error::Error> = Box::new(report);
    assert_eq!(error.to_string(), "1 error, 1 warning");
}
