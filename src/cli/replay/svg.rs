//! The curve as a picture: people exposed against honest principals refused, both by their logarithm.

use std::fmt::Write as _;

use super::table::{honest, name};
use crate::cli::report::grouped;
use crate::simulate::replay::{Means, Ready, Report};

/// The picture and the field in it, in pixels.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 70.0;

/// Draws one run.
pub(super) fn picture(ready: &Ready, report: &Report) -> String {
    let points: Vec<(Means, u64, u64)> = report
        .outcomes
        .iter()
        .map(|outcome| (outcome.means, honest(report, &outcome.counts), outcome.counts.exposed))
        .collect();
    let decades = |of: fn(&(Means, u64, u64)) -> u64| {
        let most = points.iter().map(of).max().unwrap_or(1);
        most.max(10).ilog10() + 1
    };
    let (across, up) = (decades(|point| point.1), decades(|point| point.2));
    let place = |refused: u64, exposed: u64| {
        (
            LEFT + part(refused, across) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - part(exposed, up) * (HEIGHT - TOP - BOTTOM),
        )
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    text(&mut svg, LEFT, 30.0, "start", 15, &ready.scenario().title);
    axes(&mut svg, across, up);
    let curve = points.iter().filter(|(means, ..)| matches!(means, Means::Gateway(_)));
    let line: Vec<String> = curve
        .map(|(_, refused, exposed)| {
            let (x, y) = place(*refused, *exposed);
            format!("{x:.1},{y:.1}")
        })
        .collect();
    put(
        &mut svg,
        format_args!(
            "<polyline fill=\"none\" stroke=\"#0a5\" stroke-width=\"2\" points=\"{}\"/>\n",
            line.join(" ")
        ),
    );
    for (means, refused, exposed) in &points {
        let (x, y) = place(*refused, *exposed);
        let colour = if matches!(means, Means::Gateway(_)) {
            "#0a5"
        } else {
            "#c30"
        };
        put(
            &mut svg,
            format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"/>\n"),
        );
        text(&mut svg, x + 9.0, y + 4.0, "start", 12, &name(ready, *means));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where a number stands on an axis of so many decades; what is nought stands at its beginning.
fn part(number: u64, decades: u32) -> f64 {
    ((number as f64 + 1.0).log10() / f64::from(decades)).min(1.0)
}

fn axes(svg: &mut String, across: u32, up: u32) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for decade in 0..=across {
        let x = LEFT + f64::from(decade) / f64::from(across) * (right - LEFT);
        put(
            svg,
            format_args!("<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>\n"),
        );
        text(svg, x, bottom + 18.0, "middle", 11, &grouped(10_u64.pow(decade)));
    }
    for decade in 0..=up {
        let y = bottom - f64::from(decade) / f64::from(up) * (bottom - TOP);
        put(
            svg,
            format_args!("<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>\n"),
        );
        text(svg, LEFT - 6.0, y + 4.0, "end", 11, &grouped(10_u64.pow(decade)));
    }
    let middle = LEFT.midpoint(right);
    text(
        svg,
        middle,
        HEIGHT - 25.0,
        "middle",
        13,
        "honest principals refused or challenged",
    );
    text(svg, LEFT, TOP - 8.0, "middle", 13, "people exposed");
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, size: u32, text: &str) {
    let safe = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    put(
        svg,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{safe}</text>\n"),
    );
}

fn put(svg: &mut String, what: std::fmt::Arguments<'_>) {
    svg.write_fmt(what).expect("a text takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nought_stands_at_the_beginning_and_the_last_decade_at_the_end() {
        assert!(part(0, 3).abs() < 1e-9);
        assert!((part(999, 3) - 1.0).abs() < 1e-9 && (part(5_000, 3) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_title_cannot_break_out_of_its_picture() {
        let mut svg = String::new();
        text(&mut svg, 0.0, 0.0, "start", 12, "</text><script>&");
        assert!(svg.contains("&lt;/text&gt;&lt;script&gt;&amp;</text>"), "{svg}");
    }
}
