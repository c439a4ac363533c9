//! The plots, as SVG.

use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;

const FONT: &str = "sans-serif";
const WIDTH: u32 = 960;
const HEIGHT: u32 = 360;
/// Okabe and Ito's colours, which everybody can tell apart.
const COLORS: [RGBColor; 4] =
    [RGBColor(0, 130, 95), RGBColor(213, 94, 0), RGBColor(0, 90, 178), RGBColor(204, 121, 167)];

pub(crate) type Points = Vec<(f64, f64)>;

#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) x: &'static str,
    pub(crate) lines: Vec<(String, Points)>,
    pub(crate) logarithmic: bool,
}

pub(crate) fn svg(panels: Vec<Panel>) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let size = (WIDTH, HEIGHT * panels.len() as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        for (part, panel) in area.split_evenly((panels.len(), 1)).iter().zip(panels) {
            draw(part, panel)?;
        }
        area.present()?;
    }
    Ok(svg)
}

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: Panel) -> Result<(), Box<dyn Error>> {
    let points = || panel.lines.iter().flat_map(|(_, points)| points);
    let (left, right) =
        points().fold((f64::MAX, 1.0), |(low, high), at| (at.0.min(low), at.0.max(high)));
    let (low, high) =
        points().fold((f64::MAX, 0.0), |(low, high), at| (at.1.min(low), at.1.max(high)));
    let mut chart = ChartBuilder::on(area);
    chart.caption(&panel.title, (FONT, 15)).margin(12).x_label_area_size(40).y_label_area_size(80);
    macro_rules! fill {
        ($chart:expr) => {{
            let mut chart = $chart;
            chart.configure_mesh().light_line_style(TRANSPARENT).x_desc(panel.x).draw()?;
            for ((name, points), color) in panel.lines.into_iter().zip(COLORS.iter().cycle()) {
                let drawn = chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
                let mark = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color);
                drawn.label(name).legend(mark);
            }
            let mut labels = chart.configure_series_labels();
            let labels = labels.position(SeriesLabelPosition::UpperRight);
            labels.border_style(BLACK.mix(0.3)).background_style(WHITE.mix(0.8)).draw()?;
        }};
    }
    if panel.logarithmic {
        // Above the lines is room for the legend.
        let (x, y) = ((left..right).log_scale(), (low * 0.8..high * 8.0).log_scale());
        fill!(chart.build_cartesian_2d(x, y)?);
    } else {
        fill!(chart.build_cartesian_2d(0.0..right, 0.0..high * 1.1)?);
    }
    Ok(())
}
