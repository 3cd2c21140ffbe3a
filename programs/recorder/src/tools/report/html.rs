//! The report as one page of HTML without scripts or network access. Plots are inline drawings.

use std::fmt::{self, Write};

use linkspan::{NdArray, Timestamp};

use super::bins::{Bins, Span};
use super::collect::{Name, Report};
use super::picture;

/// The height of a plot's coordinates; the width is the number of bins.
const HEIGHT: f64 = 100.0;
/// The most points of a line through an array.
const POINTS: usize = 512;

/// The permissions of the page: its own style and pictures. Texts of other programs cannot run or load anything.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

pub struct Head<'a> {
    pub title: &'a str,
    pub facts: &'a [(String, String)],
    pub problems: &'a [String],
}

/// Returns the page. `unit` returns the unit of a field, if its schema has one.
pub fn page(
    head: &Head<'_>,
    report: &Report,
    unit: &dyn Fn(&str, &str) -> Option<String>,
) -> Result<String, fmt::Error> {
    let mut page = String::new();
    let title = escaped(head.title);
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{}</style>\n<main>\n<h1>{title}</h1>\n",
        include_str!("style.css")
    )?;
    facts(&mut page, head, report)?;
    overview(&mut page, report)?;
    page.push_str("<div class=\"names\">\n");
    for (name, recorded) in &report.names {
        section(&mut page, report, name, recorded, &|path| unit(name, path))?;
    }
    page.push_str("</div>\n");
    events(&mut page, report)?;
    page.push_str("</main>\n</html>\n");
    Ok(page)
}

fn facts(page: &mut String, head: &Head<'_>, report: &Report) -> fmt::Result {
    page.push_str("<section>\n<dl class=\"facts\">\n");
    let mut fact = |name: &str, text: &str| {
        writeln!(page, "<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), escaped(text))
    };
    if let Some(extent) = report.extent {
        let (first, last) = extent.times();
        fact("from", &instant(first))?;
        fact("to", &instant(last))?;
        fact("duration", &duration(extent.duration()))?;
    }
    let (messages, bytes, missed) = totals(report);
    fact("names", &report.names.len().to_string())?;
    fact("messages", &grouped(messages))?;
    fact("size of the messages", &size(bytes))?;
    fact("missed", &grouped(missed))?;
    head.facts.iter().try_for_each(|(name, text)| fact(name, text))?;
    page.push_str("</dl>\n");
    if report.further > 0 {
        writeln!(
            page,
            "<p class=\"bad\">{} messages of further names are not shown.</p>",
            grouped(report.further)
        )?;
    }
    for problem in head.problems {
        writeln!(page, "<p class=\"bad\">{}</p>", escaped(problem))?;
    }
    page.push_str("</section>\n");
    Ok(())
}

fn totals(report: &Report) -> (u64, u64, u64) {
    report.names.values().fold((0, 0, 0), |(messages, bytes, missed), name| {
        (
            messages.saturating_add(name.messages),
            bytes.saturating_add(name.bytes),
            missed.saturating_add(name.missed),
        )
    })
}

fn overview(page: &mut String, report: &Report) -> fmt::Result {
    page.push_str(
        "<section class=\"table\">\n<table>\n<tr><th>name</th><th class=\"number\">messages</th><th class=\"number\">a second</th>\
         <th class=\"number\">size</th><th class=\"number\">missed</th></tr>\n",
    );
    for (name, recorded) in &report.names {
        let bad = if recorded.missed > 0 { " bad" } else { "" };
        writeln!(
            page,
            "<tr><td><a href=\"#{anchor}\">{name}</a></td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number{bad}\">{}</td></tr>",
            grouped(recorded.messages),
            rate(recorded),
            size(recorded.bytes),
            grouped(recorded.missed),
            anchor = anchor(name),
            name = escaped(name),
        )?;
    }
    page.push_str("</table>\n</section>\n");
    Ok(())
}

/// Returns the messages per second between the first and the last message.
fn rate(name: &Name) -> String {
    let seconds = name.last.saturating_sub(name.first) as f64 / 1e9;
    if name.messages < 2 || seconds == 0.0 {
        "–".to_owned()
    } else {
        format!("{:.1}", name.messages.saturating_sub(1) as f64 / seconds)
    }
}

fn section(
    page: &mut String,
    report: &Report,
    name: &str,
    recorded: &Name,
    unit: &dyn Fn(&str) -> Option<String>,
) -> fmt::Result {
    let time = report.extent.map_or((recorded.first, recorded.last), |extent| extent.continuous());
    writeln!(page, "<section id=\"{}\">\n<h2>{}</h2>", anchor(name), escaped(name))?;
    write!(
        page,
        "<p class=\"faint\">{} messages, {} a second, {}",
        grouped(recorded.messages),
        rate(recorded),
        size(recorded.bytes)
    )?;
    if recorded.missed > 0 {
        write!(page, ", <span class=\"bad\">{} missed</span>", grouped(recorded.missed))?;
    }
    page.push_str("</p>\n");
    rates(page, time, recorded)?;
    for (path, series) in &recorded.series {
        let unit = unit(path).map_or(String::new(), |unit| format!(" {unit}"));
        let label = if path.is_empty() { "value" } else { path };
        writeln!(page, "<h3>{} <span class=\"faint\">{}</span></h3>", escaped(label), escaped(&unit))?;
        plot(page, time, &series.bins, series.span, label, &unit)?;
        let Span { least, greatest } = series.span;
        writeln!(
            page,
            "<figcaption><span>least {}{u}</span><span>greatest {}{u}</span><span>last {}{u}</span></figcaption></figure>",
            short(least),
            short(greatest),
            short(series.last),
            u = escaped(&unit)
        )?;
    }
    for (path, array) in &recorded.arrays {
        let unit = unit(path).map_or(String::new(), |unit| format!(" {unit}"));
        show_array(page, if path.is_empty() { "array" } else { path }, array, &unit)?;
    }
    if recorded.further {
        page.push_str("<p class=\"faint\">Further fields are not shown.</p>\n");
    }
    page.push_str("</section>\n");
    Ok(())
}

/// Returns the horizontal position of a time in a plot.
fn across((first, last): (u64, u64), time: u64) -> f64 {
    let whole = last.saturating_sub(first).max(1) as f64;
    time.saturating_sub(first) as f64 / whole * Bins::<u64>::COUNT as f64
}

fn rates(page: &mut String, time: (u64, u64), recorded: &Name) -> fmt::Result {
    let greatest = recorded.rate.filled().map(|(_, count)| count).max().unwrap_or(1) as f64;
    // The rate uses the messages of a bin, limited to the duration of the recording.
    let whole = time.1.saturating_sub(time.0).max(1);
    let a_second = greatest / (recorded.rate.width().min(whole) as f64 / 1e9);
    begin_axes(page, &format!("{} a second", short(a_second)), "", "0")?;
    page.push_str(&open("rate", "messages over time"));
    let width = recorded.rate.width() as f64 / whole as f64 * Bins::<u64>::COUNT as f64;
    let mut bars = String::new();
    for (at, count) in recorded.rate.filled() {
        let (x, height) = (across(time, at) - width / 2.0, count as f64 / greatest * (HEIGHT - 8.0));
        write!(bars, "M{x:.2} {HEIGHT}v-{height:.2}h{:.2}V{HEIGHT}z", width.max(0.6))?;
    }
    write!(page, "<path class=\"bars\" d=\"{bars}\"/>")?;
    let mut gaps = String::new();
    for (at, _) in recorded.gaps.filled() {
        write!(gaps, "M{:.2} 0v{HEIGHT}h1.5V0z", across(time, at))?;
    }
    if !gaps.is_empty() {
        write!(page, "<path class=\"gap\" d=\"{gaps}\"><title>messages were missed here</title></path>")?;
    }
    page.push_str("</svg>");
    end_axes(page, &times(time))?;
    page.push_str("<figcaption><span>messages over the time of the recording");
    if !gaps.is_empty() {
        page.push_str("; red: some were missed");
    }
    page.push_str("</span></figcaption></figure>\n");
    Ok(())
}

/// Begins a figure with labels of values, from top to bottom.
fn begin_axes(page: &mut String, above: &str, middle: &str, below: &str) -> fmt::Result {
    page.push_str("<figure><div class=\"axes\"><div class=\"values\">");
    for value in [above, middle, below] {
        write!(page, "<span>{}</span>", escaped(value))?;
    }
    page.push_str("</div>");
    Ok(())
}

/// Ends the figure with labels below the drawing, from left to right.
fn end_axes(page: &mut String, labels: &[String]) -> fmt::Result {
    page.push_str("<div class=\"times\">");
    for label in labels {
        write!(page, "<span>{}</span>", escaped(label))?;
    }
    page.push_str("</div></div>");
    Ok(())
}

/// Returns the labels of times, with dates if the recording spans several days.
fn times((first, last): (u64, u64)) -> Vec<String> {
    let middle = first.saturating_add(last.saturating_sub(first) / 2);
    let texts = [first, middle, last].map(instant);
    let day = |text: &str| text.split_once(' ').map(|(day, _)| day.to_owned());
    let is_one_day = day(&texts[0]) == day(&texts[2]);
    let short = |text: &String| match text.split_once(' ') {
        Some((_, time)) if is_one_day => time.to_owned(),
        _ => text.clone(),
    };
    texts.iter().map(short).collect()
}

/// Returns the labels of values: maximum, middle and minimum, or one label if they are equal.
fn values(span: Span, unit: &str) -> [String; 3] {
    let text = |number: f64| format!("{}{unit}", short(number));
    if span.least == span.greatest {
        return [String::new(), text(span.least), String::new()];
    }
    [text(span.greatest), text(span.least / 2.0 + span.greatest / 2.0), text(span.least)]
}

fn open(class: &str, label: &str) -> String {
    format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">",
        Bins::<u64>::COUNT,
        escaped(label)
    )
}

/// Writes the range of each bin as an area, and a line through its middle. Both break at gaps.
fn plot(
    page: &mut String,
    time: (u64, u64),
    bins: &Bins<Span>,
    span: Span,
    label: &str,
    unit: &str,
) -> fmt::Result {
    let [above, middle, below] = values(span, unit);
    begin_axes(page, &above, &middle, &below)?;
    page.push_str(&open("plot", &format!("{label} over time")));
    let (mut areas, mut lines) = (String::new(), String::new());
    for run in bins.runs() {
        let points: Vec<_> = run
            .iter()
            .map(|(at, bin)| (across(time, *at), down(span, bin.least), down(span, bin.greatest)))
            .collect();
        let upper = points.iter().map(|(x, _, above)| format!("{x:.2} {above:.2}"));
        let lower = points.iter().rev().map(|(x, below, _)| format!("{x:.2} {below:.2}"));
        write!(areas, "M{}z", upper.chain(lower).collect::<Vec<_>>().join("L"))?;
        let middle: Vec<_> =
            points.iter().map(|(x, below, above)| format!("{x:.2} {:.2}", (below + above) / 2.0)).collect();
        write!(lines, "M{}", line(&middle))?;
    }
    write!(page, "<path class=\"area\" d=\"{areas}\"/><path class=\"line\" d=\"{lines}\"/></svg>")?;
    end_axes(page, &times(time))
}

/// Returns the points of a line; a single point becomes a short line.
fn line(points: &[String]) -> String {
    match points {
        [one] => format!("{one}h2"),
        several => several.join("L"),
    }
}

/// Returns the vertical position of a number in a plot.
fn down(span: Span, number: f64) -> f64 {
    // Halving avoids overflow: the difference of two finite numbers may be infinite.
    let height = span.greatest / 2.0 - span.least / 2.0;
    let part = if height > 0.0 { (number / 2.0 - span.least / 2.0) / height } else { 0.5 };
    HEIGHT - 6.0 - part * (HEIGHT - 12.0)
}

fn show_array(page: &mut String, path: &str, array: &NdArray, unit: &str) -> fmt::Result {
    let shape = array.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ");
    writeln!(
        page,
        "<h3>{} <span class=\"faint\">{} {shape}, the last one</span></h3>",
        escaped(path),
        array.dtype.name()
    )?;
    let unit = escaped(unit);
    if let Some(drawn) = picture::picture(array) {
        return writeln!(
            page,
            "<figure><img alt=\"{} as a picture\" src=\"{}\"><figcaption><span>dark {}{unit}</span><span>bright {}{unit}</span></figcaption></figure>",
            escaped(path),
            drawn.address,
            short(drawn.least),
            short(drawn.greatest)
        );
    }
    let ([length], Ok(count)) =
        (&array.shape[..], usize::try_from(array.shape.iter().copied().fold(1, u64::saturating_mul)))
    else {
        return Ok(());
    };
    let step = count.div_ceil(POINTS).max(1);
    let numbers: Vec<f64> = (0..count).step_by(step).map(|at| picture::number(array, at)).collect();
    let finite = numbers.iter().copied().filter(|n| n.is_finite());
    let span = finite.fold(Span { least: f64::INFINITY, greatest: f64::NEG_INFINITY }, |span, n| Span {
        least: span.least.min(n),
        greatest: span.greatest.max(n),
    });
    if span.least > span.greatest {
        return Ok(());
    }
    let scale = Bins::<u64>::COUNT as f64 / numbers.len().max(2).saturating_sub(1) as f64;
    let points: Vec<_> = numbers.iter().enumerate().map(|(i, n)| (i as f64 * scale, *n)).collect();
    // Non-finite numbers break the line.
    let runs = points.split(|(_, n)| !n.is_finite()).filter(|run| !run.is_empty());
    let drawn: Vec<_> = runs
        .map(|run| {
            let places: Vec<_> = run.iter().map(|(x, n)| format!("{x:.2} {:.2}", down(span, *n))).collect();
            format!("M{}", line(&places))
        })
        .collect();
    let [above, middle, below] = values(span, "");
    begin_axes(page, &above, &middle, &below)?;
    write!(
        page,
        "{}<path class=\"line\" d=\"{}\"/></svg>",
        open("plot", &format!("{path} over its index")),
        drawn.concat()
    )?;
    end_axes(page, &["0".to_owned(), length.saturating_sub(1).to_string()])?;
    writeln!(
        page,
        "<figcaption><span>over its index</span><span>least {}{unit}</span><span>greatest {}{unit}</span></figcaption></figure>",
        short(span.least),
        short(span.greatest)
    )
}

fn events(page: &mut String, report: &Report) -> fmt::Result {
    page.push_str("<section class=\"table\">\n<h2>Events</h2>\n<table>\n<tr><th>time</th><th>what</th><th>name</th><th></th></tr>\n");
    for event in &report.events {
        let bad = if matches!(event.kind.as_str(), "missed" | "full" | "refused") { " bad" } else { "" };
        writeln!(
            page,
            "<tr><td>{}</td><td class=\"what{bad}\">{}</td><td class=\"name\">{}</td><td class=\"text\">{}</td></tr>",
            instant(event.clock),
            escaped(&event.kind),
            escaped(&event.name),
            escaped(&event.text)
        )?;
    }
    page.push_str("</table>\n");
    if report.events_not_listed > 0 {
        writeln!(
            page,
            "<p class=\"faint\">{} further events are not listed.</p>",
            grouped(report.events_not_listed)
        )?;
    }
    page.push_str("</section>\n");
    Ok(())
}

/// Escapes text for an element or attribute, on one line, with visible forms of invisible characters.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in linkspan::one_line(text).to_string().chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// Returns an anchor: letters and digits unchanged, other bytes as `_` and two hexadecimal digits.
fn anchor(name: &str) -> String {
    let mut anchor = String::from("n-");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() {
            anchor.push(char::from(byte));
        } else {
            anchor.push_str(&format!("_{byte:02x}"));
        }
    }
    anchor
}

fn instant(nanoseconds: u64) -> String {
    let whole = nanoseconds.saturating_sub(nanoseconds % 1_000_000);
    Timestamp(i64::try_from(whole).unwrap_or(i64::MAX)).to_string().replace('T', " ")
}

fn duration(nanoseconds: u64) -> String {
    let seconds = nanoseconds as f64 / 1e9;
    let whole = nanoseconds / 1_000_000_000;
    match whole {
        0..60 => format!("{seconds:.3} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && digits.len().saturating_sub(i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut number = bytes as f64;
    let mut unit = 0;
    while number >= 1_000.0 && unit < units.len().saturating_sub(1) {
        number /= 1_000.0;
        unit = unit.saturating_add(1);
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{number:.1} {}", units[unit]) }
}

fn short(number: f64) -> String {
    let magnitude = number.abs();
    if number == number.trunc() && magnitude < 1e6 {
        format!("{number}")
    } else if (1e-3..1e6).contains(&magnitude) {
        let decimals = 4i32.saturating_sub(magnitude.log10().floor() as i32).clamp(0, 6) as usize;
        let text = format!("{number:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{number:.3e}")
    }
}
