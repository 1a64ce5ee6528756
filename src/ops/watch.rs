//! What is drawn anew again and again on a terminal of its own, until somebody leaves.

use crate::diag::Diagnostic;
use crate::host::full_screen::{FullScreen, Woken};
use crate::host::terminal;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use std::time::{Duration, Instant};

/// How often it is looked at most.
const SHORTEST: Duration = Duration::from_secs(1);

/// How many columns and lines a terminal has that does not tell.
const USUAL: (usize, usize) = (80, 24);

/// Draws that often what is there by then, until q, Esc or Ctrl-C is pressed. What is drawn is asked with how many columns and lines
/// there are.
pub(crate) fn watch(
    every: Duration,
    look: &mut dyn FnMut(usize, usize) -> Result<Vec<String>, Vec<Diagnostic>>,
) -> Result<(), Vec<Diagnostic>> {
    let mut screen = FullScreen::open()?;
    loop {
        let until = Instant::now() + every.max(SHORTEST);
        let (columns, lines) = terminal::size().unwrap_or(USUAL);
        let drawn: Vec<Line<'_>> = look(columns, lines)?.into_iter().map(Line::raw).collect();
        screen.draw(|frame| frame.render_widget(Paragraph::new(drawn), frame.area()))?;
        loop {
            match screen.wait(until)? {
                Woken::Key(key) if leaves(key) => return Ok(()),
                Woken::Key(_) => {}
                Woken::StopAsked => return Ok(()),
                Woken::TimeOver => break,
            }
        }
    }
}

/// Whether a key leaves.
fn leaves(key: KeyEvent) -> bool {
    let is_interrupt = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
    is_interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}
