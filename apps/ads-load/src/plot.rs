//! A run, drawn: how latency is distributed, CPU and memory of the server over time.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::cli::Design;
use crate::clients::Outcome;
use crate::process::Cost;
use crate::report::percentile;

const SIZE: (u32, u32) = (960, 1_200);
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Line = (RGBColor, Vec<(f64, f64)>);

/// Distinguishable also without telling red from green.
fn color(design: Design) -> RGBColor {
    match design {
        Design::Pushlane => RGBColor(0, 130, 95),
        Design::Naive => RGBColor(213, 94, 0),
        Design::Floor => RGBColor(120, 120, 120),
    }
}

pub(crate) fn svg(title: &str, outcomes: &[(Design, Outcome)]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let area = area.titled(title, (FONT, 13))?;
        let (legend, area) = area.split_vertically(28);
        let designs: Vec<_> = outcomes.iter().map(|(design, _)| *design).collect();
        name(&legend, &designs)?;
        let parts = area.split_evenly((4, 1));
        for (which, whom) in ["some", "everybody"].into_iter().enumerate() {
            let title = format!("a change for {whom}, due to ACK: one in N takes longer");
            let lines = outcomes
                .iter()
                .map(|(design, outcome)| (color(*design), tail(&outcome.latencies[which])));
            draw(&parts[which], &title, ["N", "ms"], lines.collect(), true)?;
        }
        let cpu = |samples: &[(_, Cost)]| {
            let rates = samples.windows(2).map(|pair: &[(std::time::Duration, Cost)]| {
                let took = (pair[1].0 - pair[0].0).as_secs_f64();
                (pair[1].0.as_secs_f64(), (pair[1].1.cpu - pair[0].1.cpu) / took * 100.0)
            });
            rates.collect::<Vec<_>>()
        };
        let over_time = |of: &dyn Fn(&Outcome) -> Vec<(f64, f64)>| {
            let line = |(design, outcome): &(Design, Outcome)| (color(*design), of(outcome));
            outcomes.iter().map(line).collect::<Vec<_>>()
        };
        let axes = ["seconds", "% of a core"];
        let lines = over_time(&|outcome| cpu(&outcome.samples));
        draw(&parts[2], "CPU of the server", axes, lines, false)?;
        let memory = |outcome: &Outcome| {
            let samples = outcome.samples.iter();
            samples.map(|(at, cost)| (at.as_secs_f64(), cost.resident as f64 / 1e6)).collect()
        };
        draw(&parts[3], "memory of the server", ["seconds", "MB"], over_time(&memory), false)?;
        area.present()?;
    }
    Ok(svg)
}

/// One in N takes at least so many milliseconds, for N from 1 to as many as there are.
fn tail(sorted: &[u32]) -> Vec<(f64, f64)> {
    let steps = (0..).map(|step| 10_f64.powf(f64::from(step) / 10.0));
    let steps = steps.take_while(|one_in| *one_in <= sorted.len() as f64);
    steps.map(|one_in| (one_in, percentile(sorted, 1.0 - 1.0 / one_in).max(0.01))).collect()
}

/// Which colour is which, in one row: within a chart there is no place that no line crosses.
fn name(area: &Area<'_>, designs: &[Design]) -> Result<(), Box<dyn Error>> {
    for (nth, design) in designs.iter().enumerate() {
        let (x, y) = (72 + 130 * nth as i32, 14);
        let style = color(*design).stroke_width(3);
        area.draw(&PathElement::new([(x, y), (x + 24, y)], style))?;
        area.draw(&Text::new(format!("{design:?}"), (x + 32, y - 6), (FONT, 14)))?;
    }
    Ok(())
}

fn draw(
    area: &Area<'_>,
    title: &str,
    [x_axis, y_axis]: [&str; 2],
    lines: Vec<Line>,
    logarithmic: bool,
) -> Result<(), Box<dyn Error>> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let right = points().map(|point| point.0).fold(1.0, f64::max);
    let top = points().map(|point| point.1).fold(1.0, f64::max) * 1.2;
    let bottom = points().map(|point| point.1).fold(top, f64::min).max(0.01);
    let mut chart = ChartBuilder::on(area);
    chart.caption(title, (FONT, 15)).margin(12).x_label_area_size(36).y_label_area_size(60);
    macro_rules! fill {
        ($chart:expr) => {{
            let mut chart = $chart;
            let mut mesh = chart.configure_mesh();
            mesh.light_line_style(TRANSPARENT).x_desc(x_axis).y_desc(y_axis);
            mesh.x_label_formatter(&f64::to_string).y_label_formatter(&f64::to_string).draw()?;
            for (color, points) in lines {
                chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
            }
        }};
    }
    if logarithmic {
        let (x, y) = ((1.0..right.max(10.0)).log_scale(), (bottom..top).log_scale());
        fill!(chart.build_cartesian_2d(x, y)?);
    } else {
        fill!(chart.build_cartesian_2d(0.0..right, 0.0..top)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_design_is_drawn() {
        let outcome = |at| Outcome {
            latencies: [(1..2_000).collect(), Vec::new()],
            samples: (0..at)
                .map(|at| (std::time::Duration::from_secs(at), Cost::default()))
                .collect(),
            ..Outcome::default()
        };
        let outcomes = [(Design::Pushlane, outcome(5)), (Design::Naive, outcome(0))];
        let svg = svg("title", &outcomes).unwrap();
        assert!(svg.contains("Pushlane") && svg.contains("Naive") && svg.contains("</svg>"));
    }

    #[test]
    fn the_tail_ends_at_the_slowest_of_all() {
        let slowest = tail(&(1..=1_000).map(|ms| ms * 1_000).collect::<Vec<_>>());
        assert_eq!(slowest.first(), Some(&(1.0, 1.0)));
        assert!(slowest.last().is_some_and(|(n, ms)| (n - 1_000.0).abs() < 1.0 && *ms >= 999.0));
    }
}
