//! Draws the curves as SVG, both axes logarithmic.

use std::path::Path;

use plotters::prelude::*;

use super::plots::Axis;
use super::run::Measured;
use crate::Result;
use crate::report::time;

/// Formats a point for the legend and the axes.
pub fn amount(axis: Axis, x: f64) -> String {
    let units: &[(f64, &str)] = match axis {
        Axis::Bytes => &[(1073741824.0, " GB"), (1048576.0, " MB"), (1024.0, " kB"), (1.0, " B")],
        Axis::Number => &[(1e6, " M"), (1e3, " k"), (1.0, "")],
    };
    let (unit, name) = units.iter().find(|(unit, _)| x >= *unit * 0.9995).unwrap_or(&(1.0, ""));
    format!("{}{name}", (x / unit * 10.0).round() / 10.0)
}

pub fn draw(plots: &[Measured], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| format!("making {}: {e}", folder.display()))?;
    for plot in plots {
        let path = folder.join(plot.plot.file);
        std::fs::write(&path, picture(plot)?).map_err(|e| format!("writing {}: {e}", path.display()))?;
    }
    Ok(())
}

/// Returns the range of one coordinate, with a margin.
fn range(plot: &Measured, coordinate: impl Fn(&(f64, f64)) -> f64) -> std::ops::Range<f64> {
    let all = plot.curves.iter().flat_map(|curve| curve.points.iter().map(&coordinate));
    let (least, most) = all.fold((f64::INFINITY, 0.0_f64), |(a, b), v| (a.min(v), b.max(v)));
    if least.is_finite() && most > 0.0 { least * 0.8..most * 1.6 } else { 1.0..10.0 }
}

fn picture(plot: &Measured) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (800, 500)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(plot.plot.what, ("sans-serif", 17))
            .margin(14)
            .x_label_area_size(36)
            .y_label_area_size(72)
            .build_cartesian_2d(range(plot, |p| p.0).log_scale(), range(plot, |p| p.1).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_label_formatter(&|x| amount(plot.plot.axis, *x))
            .y_label_formatter(&|y| time(*y))
            .draw()?;
        for (index, curve) in plot.curves.iter().enumerate() {
            // Floors are grey, to highlight our curves.
            let color =
                if curve.ours { Palette99::pick(index).to_rgba() } else { RGBColor(120, 120, 120).to_rgba() };
            let slope = curve.slope().map_or_else(String::new, |slope| format!(", slope {slope:.2}"));
            chart
                .draw_series(LineSeries::new(curve.points.clone(), color.stroke_width(2)))?
                .label(format!("{}{slope}", curve.label))
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
            chart.draw_series(curve.points.iter().map(|point| Circle::new(*point, 3, color.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK)
            .draw()?;
        area.present()?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::run::Curve;

    #[test]
    fn picture_names_each_curve_with_its_slope() {
        let plot = crate::growth::all().remove(0);
        let points: Vec<(f64, f64)> = (0..6).map(|i| (4f64.powi(i), 4f64.powi(i) * 2e3)).collect();
        let curves = [("shm", true, points.clone()), ("floor", false, points), ("empty", true, vec![])]
            .map(|(label, ours, points)| Curve { label: label.into(), ours, points, missing: vec![] });
        let text = picture(&Measured { plot, curves: curves.to_vec() }).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{}", &text[..60]);
        for word in ["shm, slope 1.00", "floor, slope 1.00", "empty", "connections opened"] {
            assert!(text.contains(word), "{word}");
        }
    }

    #[test]
    fn amounts_have_their_unit() {
        assert_eq!(amount(Axis::Bytes, 8.0), "8 B");
        assert_eq!(amount(Axis::Bytes, 1073741824.0), "1 GB");
        assert_eq!(amount(Axis::Number, 1000.0), "1 k");
        assert_eq!(amount(Axis::Number, 256.0), "256");
    }
}
