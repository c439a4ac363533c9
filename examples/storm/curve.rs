//! How pushes sent and freshness trade for one another, drawn.

use crate::designs::Name;
use crate::plot::{FONT, SIZE, color};
use crate::report::Outcome;
use crate::run::{Scenario, run};
use crate::table::{count, time};
use plotters::prelude::*;
use pushlane::debounce::{Pace, Stretch};
use std::error::Error;
use std::time::Duration;

/// The intervals, in milliseconds, while 10,000 clients are busy. None: no pace at all.
const INTERVALS: [Option<u64>; 4] = [None, Some(2_000), Some(4_000), Some(8_000)];

/// One run: what it cost, and what it brought.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    name: &'static str,
    label: String,
    pushes: u64,
    half: Duration,
    most: Duration,
}

impl Point {
    fn of(outcome: &Outcome, label: String) -> Option<Self> {
        let (half, most) = (outcome.freshness(50)?, outcome.freshness(99)?);
        Some(Self { name: outcome.name, label, pushes: outcome.counts.pushes, half, most })
    }
}

/// 1.4 as it has run, and pushlane at each of the paces. 1.1 loses changes: there is nothing to
/// compare.
pub(crate) fn points(scenario: &mut Scenario, outcomes: &[Outcome]) -> Vec<Point> {
    let others = outcomes.iter().filter(|outcome| outcome.name == Name::V1_4.text());
    let mut points: Vec<_> =
        others.filter_map(|outcome| Point::of(outcome, String::new())).collect();
    for interval in INTERVALS {
        let shortest = Duration::from_millis(interval.unwrap_or(0).min(100));
        let longest = Duration::from_millis(interval.unwrap_or(0));
        scenario.knobs.pace =
            interval.map(|_| Pace::new(Stretch::between(shortest, longest, 10_000)));
        let outcome = run(scenario, Name::Pushlane, &mut || ());
        let label = interval.map_or("pushlane".to_owned(), |_| time(Some(longest)));
        points.extend(Point::of(&outcome, label));
    }
    points
}

/// Pushes to the right, time upwards: left and low is better.
pub(crate) fn draw(title: &str, points: &[Point]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let most = points.iter().map(|point| point.pushes).max().unwrap_or(1).max(1) as f64;
        let seconds = |time: Duration| time.as_secs_f64().max(1e-3);
        let low = points.iter().map(|point| seconds(point.half)).fold(1.0, f64::min);
        let high = points.iter().map(|point| seconds(point.most)).fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(&area)
            .caption(title, (FONT, 17))
            .margin(16)
            .margin_right(40)
            .x_label_area_size(44)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..most * 1.1, (low / 2.0..high * 2.0).log_scale())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.5))
            .label_style((FONT, 14))
            .x_desc("pushes sent, for intervals of so many seconds")
            .y_desc("freshness, seconds: half (full) and 99 % (hollow) of all pairs")
            .x_label_formatter(&|&value| count(value as u64))
            .draw()?;
        for name in [Name::V1_4.text(), Name::Pushlane.text()] {
            let color = color(name);
            let run: Vec<_> = points.iter().filter(|point| point.name == name).collect();
            for (times, is_full) in
                [(Point::half as fn(&Point) -> Duration, true), (Point::most, false)]
            {
                let at = |point: &&Point| (point.pushes as f64, seconds(times(point)));
                let line = run.iter().map(at);
                chart.draw_series(LineSeries::new(line.clone(), color.stroke_width(2)))?;
                let mark = if is_full { color.filled() } else { color.stroke_width(2) };
                chart.draw_series(line.map(|at| Circle::new(at, 4, mark)))?;
                let text = |point: &&Point| {
                    let label = if point.label.is_empty() { name } else { &point.label };
                    let style = (FONT, 13).into_font().color(&color);
                    let (x, y) = at(point);
                    EmptyElement::at((x, y)) + Text::new(label.to_owned(), (7, -12), style)
                };
                chart.draw_series(run.iter().map(text))?;
            }
        }
        area.present()?;
    }
    Ok(svg)
}

impl Point {
    fn half(&self) -> Duration {
        self.half
    }

    fn most(&self) -> Duration {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_drawn_twice_and_named() {
        let point = |name, label: &str, pushes| Point {
            name,
            label: label.to_owned(),
            pushes,
            half: Duration::from_millis(300),
            most: Duration::from_secs(2),
        };
        let points = [point("v1_4", "", 1_000), point("pushlane", "pushlane", 2_000)];
        let svg = draw("title", &points).unwrap();
        assert_eq!(svg.matches("<circle").count(), 4);
        assert_eq!((svg.matches("pushlane").count(), svg.matches("v1_4").count()), (2, 2));
    }
}
