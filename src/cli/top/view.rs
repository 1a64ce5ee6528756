//! How the machines of this host are drawn while somebody watches them.

use crate::cli::list::{advice, lasted};
use crate::ops::inventory::Entry;
use crate::ops::machines::percent;
use crate::ops::settings::env;
use crate::ops::top::{Mode, Overview};
use ratatui::Frame;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// What all but names and bars takes of a line.
const OTHERS: usize = 53;

/// What a name has of a line at least, and bars have beside a name that is longer.
const NAME: usize = 14;
const LEAST_BARS: usize = 13;

/// What bars are drawn with, and what stands for the rest of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bars {
    /// Blocks of eight heights.
    Blocks,
    /// Letters that get darker.
    Ascii,
}

impl Bars {
    /// Returns the bars of this terminal: one whose locale is no UTF-8 has ASCII only.
    pub(super) fn of_locale() -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(env).find(|value| !value.is_empty());
        let is_wide = locale.is_some_and(|name| name.to_uppercase().replace('-', "").contains("UTF8"));
        if is_wide { Self::Blocks } else { Self::Ascii }
    }

    /// Returns the bar of a share of a processor, in thousandths, beside the greatest one.
    fn of(self, share: u64, most: u64) -> char {
        let all: &[char; 9] = match self {
            Self::Blocks => &[' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Self::Ascii => &[' ', '.', ':', '-', '=', '+', '*', '#', '@'],
        };
        let height = share.saturating_mul(8).div_ceil(most.max(1)).min(8);
        all[usize::try_from(height).unwrap_or_default()]
    }

    /// Returns a text, and of one that is too long its beginning and a mark that there is more.
    fn cut(self, text: &str, width: usize) -> String {
        if text.chars().count() <= width {
            return text.into();
        }
        let more = match self {
            Self::Blocks => '…',
            Self::Ascii => '+',
        };
        text.chars().take(width.saturating_sub(1)).chain([more]).collect()
    }
}

/// Draws it, with those bars.
pub(super) fn draw(view: &Overview, bars: Bars, frame: &mut Frame<'_>) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    // The title, two headings, an empty line and the line of keys.
    let room = height.saturating_sub(5);
    let shown = view.shown();
    let rows = shown.len().clamp(1, (room / 2).max(1));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = vec![Line::styled(title(view, shown.len()), bold)];
    lines.extend(machines(view, bars, &shown, rows, width, bold));
    lines.push(Line::raw(""));
    lines.extend(of_threads(view, bars, room.saturating_sub(rows), bold));
    lines.truncate(height.saturating_sub(1));
    lines.resize(height.saturating_sub(1), Line::raw(""));
    lines.push(Line::raw(keys(view)));
    frame.render_widget(Paragraph::new(lines), area);
}

fn title(view: &Overview, shown: usize) -> String {
    let running = view.all.iter().filter(|one| one.process.is_some()).count();
    let total: u64 = view.all.iter().filter_map(|one| view.share(one)).sum();
    let of = if shown == view.all.len() { String::new() } else { format!("{shown} of ") };
    let all = view.all.len();
    let machines = if all == 1 { "machine" } else { "machines" };
    format!("{}: {of}{all} {machines}, {running} running, {}% CPU, by {}", view.host, percent(total), view.order.word())
}

fn machines(
    view: &Overview,
    bars: Bars,
    shown: &[&Entry],
    rows: usize,
    width: usize,
    bold: Style,
) -> Vec<Line<'static>> {
    let head = ["NAME", "STATE", "PID", "UPTIME", "CPUS", "MEMORY", "CPU%"].map(String::from);
    let wide = name_width(shown, width);
    let mut lines = vec![Line::styled(format!("  {}", columns(&head, bars, wide)), bold)];
    let at = shown.iter().position(|one| view.is_chosen(one)).unwrap_or_default();
    let first = (at + 1).saturating_sub(rows);
    for one in shown.iter().skip(first).take(rows) {
        let is_chosen = view.is_chosen(one);
        let process = one.process.as_ref();
        let cells = [
            one.name.clone().unwrap_or_else(|| "-".into()),
            one.state.to_string(),
            process.map_or("-".into(), |it| it.pid.to_string()),
            process.map_or("-".into(), |it| lasted(it.uptime)),
            one.shape.cpus.map_or("-".into(), |count| count.to_string()),
            one.shape.memory.map_or("-".into(), |size| size.to_string()),
            view.share(one).map_or("-".into(), percent),
        ];
        let mark = if is_chosen { '>' } else { ' ' };
        let room = width.saturating_sub(OTHERS + wide);
        let text = format!("{mark} {}  {}", columns(&cells, bars, wide), history(view, bars, one, room));
        let style = if is_chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        lines.push(Line::styled(text.trim_end().to_string(), style));
    }
    if shown.is_empty() {
        let what = if view.all.is_empty() { "there is no machine on this host" } else { "no machine has this text" };
        lines.push(Line::raw(format!("  {what}")));
    }
    lines
}

/// How wide names are: as the longest one, where the terminal has room for it and for bars.
fn name_width(shown: &[&Entry], width: usize) -> usize {
    let longest = shown.iter().filter_map(|one| one.name.as_ref()).map(|name| name.chars().count()).max();
    let room = width.saturating_sub(OTHERS + LEAST_BARS).max(NAME);
    longest.unwrap_or_default().clamp(NAME, room)
}

/// What a machine has used until now, as bars; a full one is as many processors as it has.
fn history(view: &Overview, bars: Bars, one: &Entry, room: usize) -> String {
    let most = one.shape.cpus.unwrap_or(1).saturating_mul(1000);
    let drawn: Vec<char> = view.history(one).into_iter().map(|share| bars.of(share, most)).collect();
    drawn[drawn.len().saturating_sub(room)..].iter().collect()
}

fn of_threads(view: &Overview, bars: Bars, room: usize, bold: Style) -> Vec<Line<'static>> {
    let head = ["THREAD", "NAME", "FOR", "STATE", "CPU%", "ON", "WAITS FOR"].map(String::from);
    let head = thread_columns(&head, bars);
    let mut lines = vec![Line::styled(format!("  {head}"), bold)];
    for thread in view.chosen_threads().iter().take(room) {
        let cells = [
            thread.id.to_string(),
            thread.name.clone(),
            thread.work().to_string(),
            thread.state.clone(),
            thread.cpu.map_or("-".into(), percent),
            thread.processor.map_or("-".into(), |number| number.to_string()),
            thread.wait.clone().unwrap_or_else(|| "-".into()),
        ];
        lines.push(Line::raw(format!("  {}", thread_columns(&cells, bars)).trim_end().to_string()));
    }
    lines
}

/// What the last line says: a question, an answer, or the keys.
fn keys(view: &Overview) -> String {
    let name = view.chosen().and_then(|one| one.name.clone()).unwrap_or_default();
    match view.mode {
        Mode::Stop => format!("stop {name}? y stops it, any other key does not"),
        Mode::Filter => format!("show only: {}_", view.filter),
        Mode::Choose if !view.notice.is_empty() => view.notice.clone(),
        Mode::Choose => {
            let keys = "q leave  o order  / filter  l log  v screen  p plan  s stop";
            let advice = view.chosen().and_then(advice);
            advice.unwrap_or_else(|| {
                if view.filter.is_empty() { keys.into() } else { format!("only: {}  {keys}", view.filter) }
            })
        }
    }
}

fn columns(cells: &[String; 7], bars: Bars, wide: usize) -> String {
    let [name, state, pid, uptime, cpus, memory, cpu] = cells;
    let (name, state) = (bars.cut(name, wide), bars.cut(state, 12));
    format!("{name:<wide$} {state:<12} {pid:>7} {uptime:>7} {cpus:>4} {memory:>7} {cpu:>6}")
}

fn thread_columns(cells: &[String; 7], bars: Bars) -> String {
    let [id, name, work, state, cpu, on, wait] = cells;
    let (name, work) = (bars.cut(name, 18), bars.cut(work, 10));
    format!("{id:>7} {name:<18} {work:<10} {state:<6} {cpu:>6} {on:>3}  {wait}")
}

#[cfg(test)]
mod tests;
