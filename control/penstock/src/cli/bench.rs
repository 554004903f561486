// SPDX-License-Identifier: Apache-2.0
//! `penstock bench`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum, value_parser};

use super::{EXIT_ERRORS, output};
use crate::bench::{self, FLOWS_MAX, Mode, Plan};

/// Options of `penstock bench`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Forwarding modes.
    #[arg(long, value_enum, value_delimiter = ',',
        default_values_t = [Mode::Dr, Mode::Nat, Mode::Tun, Mode::FullNat])]
    modes: Vec<Mode>,
    /// Flow counts.
    #[arg(long, value_name = "COUNT", value_delimiter = ',',
        default_values_t = [4096, 32_768, 1_000_000],
        value_parser = value_parser!(u32).range(1..=i64::from(FLOWS_MAX)))]
    flows: Vec<u32>,
    /// How often everything is measured, in alternation; medians are shown.
    #[arg(long, value_name = "COUNT", default_value_t = 3,
        value_parser = value_parser!(u32).range(1..=99))]
    runs: u32,
    /// CPU time of one measurement, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1000,
        value_parser = value_parser!(u32).range(10..=60_000))]
    window_ms: u32,
    /// The CPU to measure on [default: the last one].
    #[arg(long)]
    cpu: Option<usize>,
    /// Whether both programs get huge pages.
    #[arg(long, value_enum, default_value_t = HugePages::Auto)]
    huge_pages: HugePages,
    /// DPDK's testpmd, to compare with.
    #[arg(long, value_name = "PROGRAM", default_value = "dpdk-testpmd")]
    testpmd: PathBuf,
    /// Where to write bench.json and bench.svg [default: nowhere].
    #[arg(long, value_name = "DIR", overrides_with = "out")]
    out: Option<PathBuf>,
    /// Measure one thing and print it as JSON: what the benchmark starts for each measurement.
    #[arg(long, hide = true)]
    point: Option<String>,
    /// Print how many MiB of huge pages the measurements want, and do nothing.
    #[arg(long, hide = true)]
    needed_mib: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HugePages {
    /// If there are enough.
    Auto,
    /// Not at all.
    Never,
    /// Or refuse.
    Require,
}

/// Measures and prints.
pub(super) fn bench(arguments: Arguments) -> ExitCode {
    if let Some(point) = &arguments.point {
        return tell(bench::run_point(point).map(|line| output::out(&line)));
    }
    if arguments.needed_mib {
        let most = arguments.flows.iter().copied().max().unwrap_or(0);
        output::out(&bench::needed_mib(most).to_string());
        return ExitCode::SUCCESS;
    }
    let plan = plan(arguments);
    let report = bench::run(&plan, &output::err);
    tell(report.map(|report| {
        let machine = &report.machine;
        output::out(&format!("{machine}\n"));
        output::out(&output::table(&bench::table(&report.rows)));
        if let Some(out) = &plan.out {
            output::out(&format!("\n{0}/bench.json {0}/bench.svg", out.display()));
        }
    }))
}

fn plan(arguments: Arguments) -> Plan {
    Plan {
        modes: without_repeats(arguments.modes),
        flows: without_repeats(arguments.flows),
        runs: arguments.runs,
        window_ms: arguments.window_ms,
        cpu: arguments.cpu,
        huge_pages: match arguments.huge_pages {
            HugePages::Auto => dpdk::HugePages::Auto,
            HugePages::Never => dpdk::HugePages::Never,
            HugePages::Require => dpdk::HugePages::Require,
        },
        testpmd: arguments.testpmd,
        out: arguments.out,
    }
}

fn without_repeats<T: PartialEq>(list: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in list {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

fn tell(outcome: Result<(), bench::BenchError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::err(&format!("error: {}", output::chain(&error)));
            ExitCode::from(EXIT_ERRORS)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Arguments as CommandLine, Verb};
    use super::*;

    fn parse(words: &str) -> Result<Plan, String> {
        let words = format!("penstock bench {words}");
        match CommandLine::try_parse_from(words.split_ascii_whitespace()) {
            Ok(CommandLine {
                verb: Verb::Bench(arguments),
            }) => Ok(plan(arguments)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn without_options_the_rows_that_checks_rely_on_are_measured() {
        let plan = parse("").unwrap();
        assert_eq!(plan.modes, [Mode::Dr, Mode::Nat, Mode::Tun, Mode::FullNat]);
        assert_eq!(plan.flows, [4096, 32_768, 1_000_000]);
        assert_eq!(plan.runs, 3);
        assert_eq!(plan.out, None);
    }

    #[test]
    fn lists_are_separated_by_commas_and_lose_their_repeats() {
        let plan = parse("--modes nat --flows 64,128,64 --runs 5").unwrap();
        assert_eq!(
            (plan.modes, plan.flows, plan.runs),
            (vec![Mode::Nat], vec![64, 128], 5)
        );
    }

    #[test]
    fn the_last_folder_counts() {
        let plan = parse("--out target/bench --out elsewhere").unwrap();
        assert_eq!(plan.out, Some(PathBuf::from("elsewhere")));
    }

    #[test]
    fn what_cannot_be_measured_is_refused_with_what_can() {
        for (words, told) in [
            ("--flows 0", "0 is not in 1..=4000000"),
            ("--flows 5000000", "5000000 is not in 1..=4000000"),
            ("--runs 0", "0 is not in 1..=99"),
            ("--window-ms 1", "1 is not in 10..=60000"),
            ("--modes tunnel", "possible values: dr, nat, tun, fullnat"),
            (
                "--huge-pages maybe",
                "possible values: auto, never, require",
            ),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(told), "{words}: {error}");
        }
    }
}
