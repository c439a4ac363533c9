//! The plots, as SVG.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use pushlane_bench::scenarios::groups;

use super::Fallible;
use super::results::{Results, is_ours};

const FONT: &str = "sans-serif";
const SIZE: (u32, u32) = (960, 520);

/// Okabe and Ito's colours, which everybody can tell apart; green is ours.
fn color(name: &str) -> RGBColor {
    match name {
        "merge queue" => RGBColor(230, 159, 0),
        "merge queue, parking_lot" => RGBColor(213, 94, 0),
        "dashmap and channel" => RGBColor(86, 180, 233),
        "client-go work queue" => RGBColor(204, 121, 167),
        "kube-runtime scheduler" => RGBColor(120, 120, 120),
        "tokio Notify each" => RGBColor(170, 150, 40),
        "state words" => RGBColor(0, 90, 178),
        name if name.contains("Journal") => RGBColor(90, 190, 150),
        name if name.contains("Shared") => RGBColor(60, 160, 60),
        _ => RGBColor(0, 130, 95),
    }
}

/// What a line plot shows.
struct Lines<'a> {
    file: &'a str,
    title: &'a str,
    x: &'a str,
    y: &'a str,
    series: BTreeMap<String, Vec<(f64, f64)>>,
}

/// Draws all plots for which there is something to draw.
pub(super) fn draw(results: &Results, directory: &Path) -> Fallible {
    fs::create_dir_all(directory)?;
    let by_clients = |group, per_client: bool| {
        let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for row in results.in_group(group) {
            // Those with a payload are another matter.
            if let Ok(clients) = row.value.parse::<f64>() {
                let cost = if per_client { row.median / clients } else { row.median };
                // A logarithmic axis has no zero: none stands where one would.
                series.entry(row.name.clone()).or_default().push((clients.max(1.0), cost));
            }
        }
        series
    };
    let mut threads: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for row in results.in_group(groups::CONTENDED) {
        threads.entry(row.name.clone()).or_default().push((2.0 * row.clients(), 1e3 / row.median));
    }
    let clients = "clients";
    let plots = [
        Lines {
            file: "fan-out",
            title: "A publish to all, nobody queued",
            x: clients,
            y: "ns a client",
            series: by_clients(groups::IDLE, true),
        },
        Lines {
            file: "drain",
            title: "Serving everybody after a publish to all",
            x: clients,
            y: "ns a push",
            series: by_clients(groups::DRAIN, true),
        },
        Lines {
            file: "cycle",
            title: "Publish to one client, lease, complete",
            x: clients,
            y: "ns",
            series: by_clients(groups::CYCLE, false),
        },
        Lines {
            file: "everyone",
            title: "Publish to everyone, on demand: the whole publish",
            x: clients,
            y: "ns",
            series: by_clients(groups::ON_DEMAND, false),
        },
        Lines {
            file: "leave",
            title: "Unregister and register",
            x: "topics (none at the left)",
            y: "ns",
            series: by_clients(groups::LEAVE, false),
        },
        Lines {
            file: "forget",
            title: "Subscribe, unsubscribe and the push that forgets",
            x: "topics (none at the left)",
            y: "ns",
            series: by_clients(groups::FORGET, false),
        },
        Lines {
            file: "vacancy",
            title: "Unregister, and register a round away",
            x: clients,
            y: "ns",
            series: by_clients(groups::VACANCY, false),
        },
        Lines {
            file: "awaited",
            title: "A push after a publish to everyone",
            x: clients,
            y: "ns a push",
            series: by_clients(groups::AWAITED, false),
        },
        Lines {
            file: "behind",
            title: "A push, each client the same number of publishes behind",
            x: "publishes to everyone since the last push",
            y: "ns a push",
            series: by_clients(groups::BEHIND, false),
        },
        Lines {
            file: "threads",
            title: "Publishers and workers at once",
            x: "threads, half of them workers",
            y: "million operations a second",
            series: threads,
        },
    ];
    for plot in plots.into_iter().filter(|plot| !plot.series.is_empty()) {
        let path = directory.join(format!("{}.svg", plot.file));
        fs::write(path, lines(plot)?)?;
    }
    let bars = bars(results);
    if !bars.is_empty() {
        fs::write(directory.join("targets.svg"), draw_bars(&bars)?)?;
    }
    Ok(())
}

fn lines(mut plot: Lines<'_>) -> Fallible<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        plot.series.values_mut().for_each(|points| points.sort_by(|a, b| a.0.total_cmp(&b.0)));
        let points = || plot.series.values().flatten();
        let range = |of: fn(&(f64, f64)) -> f64| {
            let least = points().map(of).fold(f64::INFINITY, f64::min);
            let most = points().map(of).fold(0.0, f64::max);
            (least, most)
        };
        let ((mut left, mut right), (bottom, top)) =
            (range(|point| point.0), range(|point| point.1));
        if right / left < 10.0 {
            // A logarithmic axis has its labels at the powers of ten.
            left = 10_f64.powf(left.log10().floor());
            right = 10_f64.powf(right.log10().ceil());
        }
        let mut chart = ChartBuilder::on(&area)
            .caption(plot.title, (FONT, 18))
            .margin(16)
            .margin_right(210)
            .x_label_area_size(46)
            .y_label_area_size(70)
            .build_cartesian_2d(
                (left..right * 1.05).log_scale(),
                (bottom * 0.7..top * 1.5).log_scale(),
            )?;
        let number = |value: &f64| match *value {
            value if value >= 1_000.0 => super::tables::thousands(value),
            value => format!("{value}"),
        };
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.5))
            .label_style((FONT, 13))
            .x_desc(plot.x)
            .y_desc(plot.y)
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .draw()?;
        let mut labels = Vec::new();
        for (name, points) in &plot.series {
            let (color, width) = (color(name), if is_ours(name) { 3 } else { 2 });
            chart
                .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(width)))?;
            let dots = points.iter().map(|&point| Circle::new(point, 3, color.filled()));
            chart.draw_series(dots)?;
            if let Some(last) = points.last() {
                labels.push((chart.backend_coord(last).1, name, color));
            }
        }
        // Each name stands beside its line's end, moved apart where lines end alike.
        let edge = chart.backend_coord(&(right, bottom)).0 + 24;
        labels.sort_by_key(|(y, ..)| *y);
        let mut below = i32::MIN;
        for (y, name, color) in labels {
            let y = y.max(below.saturating_add(18));
            below = y;
            let style =
                (FONT, 14).into_font().color(&color).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(name.as_str(), (edge, y), style))?;
        }
        area.present()?;
    }
    Ok(svg)
}

/// How many times as fast as the best peer, and who that is.
fn bars(results: &Results) -> Vec<(String, f64, String)> {
    let size = "100000";
    let scenarios = [
        ("fan-out, idle, direct", groups::IDLE, "pushlane, direct", size),
        ("fan-out, payload, Shared", groups::PAYLOAD, "pushlane Shared", size),
        ("fan-out, queued", groups::MERGE_NOTHING, "pushlane, direct", size),
        ("merging 1 key, Shared", groups::MERGE_1, "pushlane Shared", size),
        ("merging 16 keys, Shared", groups::MERGE_16, "pushlane Shared", size),
        ("merging 256 keys, Shared", groups::MERGE_256, "pushlane Shared", "1000"),
        ("fan-out to 1 in 100", groups::SCOPE, "pushlane", "1 in 100"),
        ("fan-out to 1 in 10", groups::SCOPE, "pushlane", "1 in 10"),
        ("publish, lease, complete", groups::CYCLE, "pushlane", "1000"),
        ("drain", groups::DRAIN, "pushlane", size),
        ("1 publisher, 1 worker", groups::CONTENDED, "pushlane", "1"),
        ("2 publishers, 2 workers", groups::CONTENDED, "pushlane", "2"),
        ("2 publishers to all, 2 workers", groups::CONTENDED_ALL, "pushlane", "2"),
        ("wake-up of a thread", groups::LATENCY, "pushlane, blocking", "thread"),
        ("wake-up of a task, async", groups::LATENCY, "pushlane, async", "task"),
        ("wake-up of a task, tokio", groups::LATENCY, "pushlane, tokio", "task"),
    ];
    let bar = |(what, group, name, value): (&str, &str, &str, &str)| {
        let (ours, best) = (results.median(group, name, value)?, results.best_peer(group, value)?);
        Some((what.to_owned(), best.median / ours, best.name.clone()))
    };
    scenarios.into_iter().filter_map(bar).collect()
}

fn draw_bars(bars: &[(String, f64, String)]) -> Fallible<String> {
    let mut svg = String::new();
    {
        let (row, head) = (26, 70);
        let height = head + row * bars.len() as i32 + 20;
        let area = SVGBackend::with_string(&mut svg, (SIZE.0, height as u32)).into_drawing_area();
        area.fill(&WHITE)?;
        let most = bars.iter().map(|bar| bar.1).fold(10.0, f64::max).log10();
        let least = bars.iter().map(|bar| bar.1).fold(0.5, f64::min).log10();
        let (left, right) = (230.0, 700.0);
        let at =
            |ratio: f64| (left + (ratio.log10() - least) / (most - least) * (right - left)) as i32;
        let text = |size| (FONT, size).into_font().color(&BLACK);
        let title = "Against the best of the others";
        area.draw(&Text::new(title, (16, 16), text(18)))?;
        for tick in [0.1_f64, 1.0, 10.0, 100.0, 1_000.0, 10_000.0] {
            if tick.log10() < least || tick.log10() > most {
                continue;
            }
            let strong = if tick == 1.0 { 0.6 } else { 0.15 };
            let line = vec![(at(tick), head - 8), (at(tick), height - 16)];
            area.draw(&PathElement::new(line, BLACK.mix(strong)))?;
            let style = text(13).pos(Pos::new(HPos::Center, VPos::Bottom));
            area.draw(&Text::new(format!("{tick}×"), (at(tick), head - 10), style))?;
        }
        for (index, (what, ratio, best)) in bars.iter().enumerate() {
            let y = head + row * index as i32;
            let color = if *ratio >= 1.0 { RGBColor(0, 130, 95) } else { RGBColor(213, 94, 0) };
            let (from, to) = (at(ratio.min(1.0)), at(ratio.max(1.0)));
            area.draw(&Rectangle::new(
                [(from, y + 3), (to.max(from + 1), y + 19)],
                color.filled(),
            ))?;
            let centre = |side| Pos::new(side, VPos::Center);
            area.draw(&Text::new(what.as_str(), (220, y + 11), text(14).pos(centre(HPos::Right))))?;
            let label = format!("{}  ({best})", super::tables::ratio(*ratio, 1.0));
            let style = (FONT, 13).into_font().color(&color).pos(centre(HPos::Left));
            area.draw(&Text::new(label, (to + 8, y + 11), style))?;
        }
        area.present()?;
    }
    Ok(svg)
}
