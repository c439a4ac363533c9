//! The backlog over time, drawn.

use crate::report::{Outcome, Sample};
use crate::table::count;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::time::Duration;

pub(crate) const SIZE: (u32, u32) = (960, 480);
pub(crate) const FONT: &str = "sans-serif";
/// Finer than this, lines that go up and down hide one another.
const POINTS: usize = 240;

/// Distinguishable without telling red from green.
pub(crate) fn color(name: &str) -> RGBColor {
    match name {
        "v1_1" => RGBColor(213, 94, 0),
        "v1_4" => RGBColor(86, 140, 200),
        _ => RGBColor(0, 130, 95),
    }
}

/// Draws the backlog of each run as one SVG.
pub(crate) fn backlog(title: &str, outcomes: &[Outcome]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let samples = || outcomes.iter().flat_map(|run| &run.samples);
        let end = samples().map(|sample| sample.at.as_secs_f64()).fold(1.0, f64::max);
        let top = samples().map(|sample| sample.requests).max().unwrap_or(0).max(10) as f64;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, (FONT, 17))
            .margin(16)
            .margin_right(90)
            .x_label_area_size(44)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..end, (1.0..top * 1.5).log_scale())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.5))
            .label_style((FONT, 14))
            .x_desc("virtual time, seconds")
            .y_desc("requests waiting")
            .y_label_formatter(&|&value| count(value as u64))
            .draw()?;
        let mut labelled = Vec::new();
        for run in outcomes {
            let color = color(run.name);
            let line = points(&run.samples, end);
            let last = line.last().copied().unwrap_or((end, 1.0));
            chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
            labelled.push((chart.backend_coord(&(end, last.1)), run.name, color));
        }
        // The name of each line stands at its end, moved apart where lines end alike.
        labelled.sort_by_key(|((_, y), ..)| std::cmp::Reverse(*y));
        let mut above = i32::MAX;
        for ((x, y), name, color) in labelled {
            let y = y.min(above - 18);
            above = y;
            let style =
                (FONT, 15).into_font().color(&color).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(name, (x + 8, y), style))?;
        }
        area.present()?;
    }
    Ok(svg)
}

/// The highest backlog within each stretch of time; one at least, because the scale is logarithmic.
fn points(samples: &[Sample], end: f64) -> Vec<(f64, f64)> {
    let stretch = Duration::from_secs_f64(end / POINTS as f64).max(Duration::from_nanos(1));
    let mut highest: Vec<Option<usize>> = vec![None; POINTS + 1];
    for sample in samples {
        let place = (sample.at.as_nanos() / stretch.as_nanos()).min(POINTS as u128) as usize;
        highest[place] = highest[place].max(Some(sample.requests));
    }
    let points = highest.into_iter().enumerate();
    points
        .filter_map(|(place, highest)| {
            let at = place as f64 * stretch.as_secs_f64();
            highest.map(|highest| (at.min(end), highest.max(1) as f64))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_never_thinned_out() {
        let sample = |at, requests| Sample { at: Duration::from_millis(at), requests, bytes: 0 };
        let mut samples: Vec<_> = (0..10_000).map(|at| sample(at, 3)).collect();
        samples[5_003].requests = 77;
        let points = points(&samples, 10.0);
        assert!(points.len() <= POINTS + 1);
        assert_eq!(points.iter().filter(|point| point.1 == 77.0).count(), 1);
        assert!(points.is_sorted_by(|a, b| a.0 <= b.0));
    }
}
