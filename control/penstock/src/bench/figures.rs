// SPDX-License-Identifier: Apache-2.0
//! From runs to figures: medians, ratios, `bench.json`.

use serde::Serialize;

use super::Mode;
use super::machine::Machine;

/// CPU time per packet, nanoseconds, of measurements that were taken one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Run {
    /// penstock on the port.
    #[serde(rename = "ns_per_packet")]
    pub(super) ns: f64,
    /// testpmd on the same port and capture, in the same run.
    #[serde(rename = "floor_ns_per_packet")]
    pub(super) floor_ns: f64,
    /// The director on a synthetic source.
    #[serde(skip)]
    pub(super) with_source_ns: f64,
    /// The synthetic source alone.
    #[serde(rename = "synthetic_source_ns")]
    pub(super) source_ns: f64,
}

impl Run {
    fn ratio(&self) -> f64 {
        self.ns / self.floor_ns
    }

    fn director_ns(&self) -> f64 {
        self.with_source_ns - self.source_ns
    }
}

/// What was measured: one line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(super) mode: Mode,
    pub(super) flows: u32,
    pub(super) runs: Vec<Run>,
}

impl Row {
    /// Median of penstock's CPU time per packet.
    pub(super) fn ns(&self) -> f64 {
        self.median_of(|run| run.ns)
    }

    /// Median of testpmd's.
    pub(super) fn floor_ns(&self) -> f64 {
        self.median_of(|run| run.floor_ns)
    }

    /// Median of the ratios, each of one run.
    pub(super) fn ratio(&self) -> f64 {
        self.median_of(Run::ratio)
    }

    /// Median of the director's cost without port.
    pub(super) fn director_ns(&self) -> f64 {
        self.median_of(Run::director_ns)
    }

    /// The smallest and the largest ratio.
    pub(super) fn ratio_range(&self) -> (f64, f64) {
        range(self.runs.iter().map(Run::ratio))
    }

    /// How far apart penstock's runs are, in percent of their median.
    pub(super) fn spread_percent(&self) -> f64 {
        let (least, most) = range(self.runs.iter().map(|run| run.ns));
        (most - least) / self.ns() * 100.0
    }

    fn median_of(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(&self.runs.iter().map(figure).collect::<Vec<f64>>())
    }
}

/// The middle one, or the mean of the middle two; NaN of nothing.
pub(super) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(low), Some(high)) if sorted.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(middle)) => *middle,
        (_, None) => f64::NAN,
    }
}

fn range(figures: impl Iterator<Item = f64>) -> (f64, f64) {
    figures.fold(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(least, most), figure| (least.min(figure), most.max(figure)),
    )
}

/// The shape of `bench.json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    rows: Vec<DocumentRow<'a>>,
}

#[derive(Debug, Serialize)]
struct DocumentRow<'a> {
    mode: Mode,
    family: &'static str,
    proto: &'static str,
    flows: u32,
    workers: u32,
    phase: &'static str,
    ns_per_packet: f64,
    floor_ns_per_packet: f64,
    ratio: f64,
    director_ns: f64,
    ratio_min: f64,
    ratio_max: f64,
    spread_percent: f64,
    runs: &'a [Run],
}

/// `bench.json`.
pub(super) fn json(machine: &Machine, rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| {
        let (ratio_min, ratio_max) = row.ratio_range();
        DocumentRow {
            mode: row.mode,
            family: "ipv4",
            proto: "udp",
            flows: row.flows,
            workers: 1,
            phase: "steady",
            ns_per_packet: rounded(row.ns()),
            floor_ns_per_packet: rounded(row.floor_ns()),
            ratio: rounded(row.ratio()),
            director_ns: rounded(row.director_ns()),
            ratio_min: rounded(ratio_min),
            ratio_max: rounded(ratio_max),
            spread_percent: rounded(row.spread_percent()),
            runs: &row.runs,
        }
    });
    let document = Document {
        machine,
        rows: rows.collect(),
    };
    // Numbers, strings and lists of them: cannot fail.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// To hundredths: more would be noise.
fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

/// The table for the terminal, its head first.
pub(crate) fn table(rows: &[Row]) -> Vec<Vec<String>> {
    let head = [
        "mode",
        "flows",
        "penstock_ns",
        "testpmd_ns",
        "ratio",
        "from",
        "to",
        "director_ns",
        "spread_%",
    ];
    let body = rows.iter().map(|row| {
        let (least, most) = row.ratio_range();
        vec![
            row.mode.name().to_owned(),
            row.flows.to_string(),
            format!("{:.1}", row.ns()),
            format!("{:.1}", row.floor_ns()),
            format!("{:.2}", row.ratio()),
            format!("{least:.2}"),
            format!("{most:.2}"),
            format!("{:.1}", row.director_ns()),
            format!("{:.0}", row.spread_percent()),
        ]
    });
    std::iter::once(head.map(str::to_owned).to_vec())
        .chain(body)
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A row of three runs.
    pub(crate) fn row(mode: Mode, flows: u32) -> Row {
        let run = |ns, floor_ns, with_source_ns| Run {
            ns,
            floor_ns,
            with_source_ns,
            source_ns: 7.0,
        };
        Row {
            mode,
            flows,
            runs: vec![
                run(20.0, 10.0, 17.0),
                run(30.0, 20.0, 15.0),
                run(24.0, 16.0, 19.0),
            ],
        }
    }

    #[test]
    fn a_median_is_the_middle_figure() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!((median(&[5.0]) - 5.0).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn ratios_are_of_one_run_each_and_the_middle_one_counts() {
        let row = row(Mode::Dr, 4096);
        assert!((row.ns() - 24.0).abs() < 1e-9);
        assert!((row.floor_ns() - 16.0).abs() < 1e-9);
        // 2.0, 1.5, 1.5
        assert!((row.ratio() - 1.5).abs() < 1e-9);
        assert_eq!(row.ratio_range(), (1.5, 2.0));
        assert!((row.director_ns() - 10.0).abs() < 1e-9);
        assert!((row.spread_percent() - 1000.0 / 24.0).abs() < 1e-9);
    }

    #[test]
    fn the_document_has_the_fields_that_checks_rely_on() {
        let machine = Machine::of_this(false, "DPDK 22.11.11".to_owned());
        let text = json(&machine, &[row(Mode::Nat, 1_000_000)]);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let row = &document["rows"][0];
        assert_eq!(row["mode"], "nat");
        assert_eq!(row["family"], "ipv4");
        assert_eq!(row["proto"], "udp");
        assert_eq!(row["flows"], 1_000_000);
        assert_eq!(row["workers"], 1);
        assert_eq!(row["phase"], "steady");
        assert_eq!(row["ns_per_packet"], 24.0);
        assert_eq!(row["floor_ns_per_packet"], 16.0);
        assert_eq!(row["ratio"], 1.5);
        assert_eq!(row["director_ns"], 10.0);
        assert_eq!(row["runs"].as_array().unwrap().len(), 3);
        for key in [
            "cpu",
            "cores",
            "kernel",
            "dpdk",
            "testpmd",
            "huge_pages",
            "date",
        ] {
            assert!(!document["machine"][key].is_null(), "{key}");
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_row() {
        let table = table(&[row(Mode::Dr, 4096), row(Mode::Nat, 4096)]);
        assert_eq!(table.len(), 3);
        assert!(table.iter().all(|line| line.len() == table[0].len()));
        assert_eq!(table[1][..5], ["dr", "4096", "24.0", "16.0", "1.50"]);
    }
}
