//! What R prints within the width of its page: matrices of texts, and named numbers.

use super::numbers::format;

const PAGE: usize = 80;

fn width(text: &str) -> usize {
    text.chars().count()
}

fn right(text: &str, to: usize) -> String {
    let blanks = to.saturating_sub(width(text));
    format!("{}{text}", " ".repeat(blanks))
}

/// Columns aligned to the right, as many as fit side by side.
pub fn matrix(names: &[&str], head: &[String], columns: &[Vec<String>]) -> String {
    let label = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let widths: Vec<usize> = head
        .iter()
        .zip(columns)
        .map(|(head, cells)| {
            let cells = cells.iter().map(|cell| width(cell)).max().unwrap_or(0);
            cells.max(width(head))
        })
        .collect();
    let mut text = String::new();
    let mut from = 0;
    while from < columns.len() {
        let mut all = label;
        let mut to = from;
        while to < columns.len() && (to == from || all + 1 + widths[to] < PAGE) {
            all += 1 + widths[to];
            to += 1;
        }
        text.push_str(&" ".repeat(label));
        for at in from..to {
            text.push(' ');
            text.push_str(&right(&head[at], widths[at]));
        }
        text.push('\n');
        for (row, name) in names.iter().enumerate() {
            text.push_str(name);
            text.push_str(&" ".repeat(label - width(name)));
            for at in from..to {
                text.push(' ');
                text.push_str(&right(&columns[at][row], widths[at]));
            }
            text.push('\n');
        }
        from = to;
    }
    text
}

/// Numbers below their names.
pub fn named(names: &[&str], numbers: &[f64], digits: usize, gap: usize) -> String {
    let cells = format(numbers, digits);
    let cell = cells.iter().map(|cell| width(cell)).max().unwrap_or(0);
    let name = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let each = cell.max(name);
    let line = (PAGE / (each + gap)).max(1);
    let mut text = String::new();
    let blanks = " ".repeat(gap);
    for from in (0..cells.len()).step_by(line) {
        let range = from..(from + line).min(cells.len());
        for name in &names[range.clone()] {
            text.push_str(&right(name, each));
            text.push_str(&blanks);
        }
        text.push('\n');
        for cell in &cells[range] {
            text.push_str(&right(cell, each));
            text.push_str(&blanks);
        }
        text.push('\n');
    }
    text
}
