// SPDX-License-Identifier: Apache-2.0
//! Cost against flow count, as an SVG file.

use std::fmt::Write as _;

use super::figures::Row;
use super::machine::Machine;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 60.0;
/// Distinct also for the colour-blind (Okabe and Ito); the first is the floor's.
const COLOURS: [&str; 6] = [
    "#555555", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
];
const TICKS_MAX: f64 = 8.0;

/// One line of the plot.
#[derive(Debug)]
struct Series {
    label: String,
    dashes: &'static str,
    points: Vec<(f64, f64)>,
}

/// Where figures are on the paper.
#[derive(Debug)]
struct Scale {
    least_flows: f64,
    most_flows: f64,
    most_ns: f64,
}

impl Scale {
    fn x(&self, flows: f64) -> f64 {
        let span = (self.most_flows / self.least_flows).log2();
        let part = if span > 0.0 {
            (flows / self.least_flows).log2() / span
        } else {
            0.5
        };
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, ns: f64) -> f64 {
        HEIGHT - BOTTOM - ns / self.most_ns * (HEIGHT - TOP - BOTTOM)
    }
}

/// The plot of these rows.
pub(super) fn svg(machine: &Machine, rows: &[Row]) -> String {
    let series = series(rows);
    let flows = || rows.iter().map(|row| f64::from(row.flows));
    let highest = series
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.1);
    let step = tick_step(highest.fold(1.0, f64::max));
    let highest = series
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.1);
    let scale = Scale {
        least_flows: flows().fold(f64::INFINITY, f64::min),
        most_flows: flows().fold(1.0, f64::max),
        most_ns: (highest.fold(1.0, f64::max) / step).ceil() * step,
    };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let memory = if machine.huge_pages {
        "huge pages"
    } else {
        "4 KiB pages"
    };
    let about = format!(
        "{}, {memory}, {}, {}",
        machine.cpu, machine.dpdk, machine.date
    );
    label(
        &mut text,
        (LEFT, 24.0),
        "start",
        "CPU time per packet, one worker, 60-byte UDP over IPv4",
    );
    label(&mut text, (LEFT, 42.0), "start", &about);
    axes(&mut text, &scale, step, rows);
    for ((place, line), colour) in (0u32..).zip(&series).zip(COLOURS.iter().cycle()) {
        draw(
            &mut text,
            &scale,
            line,
            colour,
            TOP + 20.0 * f64::from(place),
        );
    }
    text.push_str("</svg>\n");
    text
}

/// testpmd, and each mode on the port and alone.
fn series(rows: &[Row]) -> Vec<Series> {
    let line = |label: String, dashes, rows: Vec<&Row>, figure: fn(&Row) -> f64| {
        let points = rows.iter().map(|row| (f64::from(row.flows), figure(row)));
        let mut points: Vec<(f64, f64)> = points.collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup_by(|a, b| a.0.total_cmp(&b.0).is_eq());
        Series {
            label,
            dashes,
            points,
        }
    };
    let mut modes: Vec<_> = rows.iter().map(|row| row.mode).collect();
    modes.sort_by_key(|mode| mode.name());
    modes.dedup();
    let floor = line(
        "testpmd 5tswap".to_owned(),
        "6 4",
        rows.iter().collect(),
        Row::floor_ns,
    );
    let of = |mode| {
        rows.iter()
            .filter(move |row| row.mode == mode)
            .collect::<Vec<_>>()
    };
    let name = |mode: super::Mode| mode.name().to_uppercase();
    let port = modes
        .iter()
        .map(|mode| line(name(*mode), "none", of(*mode), Row::ns));
    let alone = modes.iter().map(|mode| {
        let label = format!("{}, director alone", name(*mode));
        line(label, "2 3", of(*mode), Row::director_ns)
    });
    std::iter::once(floor).chain(port).chain(alone).collect()
}

fn axes(text: &mut String, scale: &Scale, step: f64, rows: &[Row]) {
    let (left, right) = (LEFT, WIDTH - RIGHT);
    let mut ns = 0.0;
    while ns <= scale.most_ns + step / 2.0 {
        let y = scale.y(ns);
        rule(text, (left, y), (right, y), "#dddddd");
        label(text, (left - 8.0, y + 4.0), "end", &format!("{ns:.0}"));
        ns += step;
    }
    let mut flows: Vec<u32> = rows.iter().map(|row| row.flows).collect();
    flows.sort_unstable();
    flows.dedup();
    for flows in flows {
        let x = scale.x(f64::from(flows));
        rule(
            text,
            (x, HEIGHT - BOTTOM),
            (x, HEIGHT - BOTTOM + 5.0),
            "#000000",
        );
        label(
            text,
            (x, HEIGHT - BOTTOM + 20.0),
            "middle",
            &flows.to_string(),
        );
    }
    rule(text, (left, TOP), (left, HEIGHT - BOTTOM), "#000000");
    rule(
        text,
        (left, HEIGHT - BOTTOM),
        (right, HEIGHT - BOTTOM),
        "#000000",
    );
    label(
        text,
        (f64::midpoint(left, right), HEIGHT - 16.0),
        "middle",
        "flows (log scale)",
    );
    let y = f64::midpoint(TOP, HEIGHT - BOTTOM);
    let _written = writeln!(
        text,
        "<text transform=\"translate(20 {y:.1}) rotate(-90)\" text-anchor=\"middle\">ns of CPU \
         per packet</text>"
    );
}

/// A line with its points, and its place in the legend.
fn draw(text: &mut String, scale: &Scale, line: &Series, colour: &str, legend_y: f64) {
    let places: Vec<(f64, f64)> = line
        .points
        .iter()
        .map(|(flows, ns)| (scale.x(*flows), scale.y(*ns)))
        .collect();
    let path: Vec<String> = places
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let style = format!(
        "fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{}\"",
        line.dashes
    );
    let _written = writeln!(text, "<polyline points=\"{}\" {style}/>", path.join(" "));
    for (x, y) in places {
        let _written = writeln!(
            text,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
        );
    }
    let x = WIDTH - RIGHT + 14.0;
    let _written = writeln!(
        text,
        "<polyline points=\"{x},{legend_y} {},{legend_y}\" {style}/>",
        x + 24.0
    );
    label(text, (x + 30.0, legend_y + 4.0), "start", &line.label);
}

fn rule(text: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _written = writeln!(
        text,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>"
    );
}

fn label(text: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _written = writeln!(
        text,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}

/// 1, 2 or 5 times a power of ten, so that there are few ticks.
fn tick_step(most: f64) -> f64 {
    let mut power = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if most / (factor * power) <= TICKS_MAX {
                return factor * power;
            }
        }
        power *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mode;
    use super::super::figures::tests::row;
    use super::*;

    fn plot() -> String {
        let rows = [
            row(Mode::Dr, 4096),
            row(Mode::Nat, 4096),
            row(Mode::Dr, 1_000_000),
            row(Mode::Nat, 1_000_000),
        ];
        let mut machine = Machine::of_this(true, "DPDK".to_owned());
        machine.cpu = "A & B <C>".to_owned();
        svg(&machine, &rows)
    }

    #[test]
    fn every_element_is_closed_and_every_word_escaped() {
        let text = plot();
        let mut open: Vec<&str> = Vec::new();
        for piece in text.split('<').skip(1) {
            let (tag, _) = piece.split_once('>').expect("a tag that ends");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(text.contains("A &amp; B &lt;C&gt;"));
        assert!(!text.contains("NaN") && !text.contains("inf"));
    }

    #[test]
    fn the_plot_has_a_line_for_the_floor_and_two_for_each_mode() {
        let text = plot();
        // Each in the plot and in the legend.
        assert_eq!(text.matches("<polyline").count(), 2 * 5);
        for word in [
            "testpmd 5tswap",
            ">DR<",
            "NAT, director alone",
            ">4096<",
            ">1000000<",
        ] {
            assert!(text.contains(word), "{word}");
        }
    }

    #[test]
    fn one_flow_count_is_enough_for_a_plot() {
        let text = svg(
            &Machine::of_this(false, String::new()),
            &[row(Mode::Dr, 4096)],
        );
        assert!(!text.contains("NaN"));
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert!((tick_step(80.0) - 10.0).abs() < 1e-9);
        assert!((tick_step(81.0) - 20.0).abs() < 1e-9);
        assert!((tick_step(3.0) - 1.0).abs() < 1e-9);
    }
}
