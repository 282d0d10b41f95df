//! What was found: a table for people, JSON for machines.

use std::fmt::Write;

use serde::Serialize;

/// One measured number and what it is held against.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    /// The row's name.
    pub(crate) row: &'static str,
    /// What was measured.
    pub(crate) measure: String,
    /// The product's number with its unit.
    pub(crate) product: String,
    /// The reference's, where there is one.
    pub(crate) reference: Option<String>,
    /// The number that counts: a ratio or the product's own.
    pub(crate) value: f64,
    /// What it is to be, where it is to be something.
    pub(crate) target: Option<Target>,
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Target {
    /// Not more.
    AtMost(f64),
    /// Less.
    Below(f64),
    /// Not less.
    AtLeast(f64),
}

impl Target {
    fn is_reached(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::Below(limit) => value < limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit}"),
            Self::Below(limit) => format!("< {limit}"),
            Self::AtLeast(limit) => format!("≥ {limit}"),
        }
    }

    /// How far away, as a factor of what it had to be.
    fn distance(self, value: f64) -> f64 {
        match self {
            Self::AtMost(limit) | Self::Below(limit) => value / limit,
            Self::AtLeast(limit) => limit / value,
        }
    }
}

impl Finding {
    /// A number of the product alone, held against `target`.
    pub(crate) fn own(row: &'static str, measure: &str, value: f64, unit: &str, target: Target) -> Self {
        let product = number(value, unit);
        Self { row, measure: measure.to_owned(), product, reference: None, value, target: Some(target) }
    }

    /// The product's number beside the reference's; `value` is what counts.
    pub(crate) fn pair(row: &'static str, measure: &str, numbers: (f64, f64), unit: &str, value: f64) -> Self {
        let (product, reference) = (number(numbers.0, unit), Some(number(numbers.1, unit)));
        Self { row, measure: measure.to_owned(), product, reference, value, target: None }
    }

    /// A number that is only shown.
    pub(crate) fn shown(row: &'static str, measure: &str, value: f64, unit: &str) -> Self {
        let product = number(value, unit);
        Self { row, measure: measure.to_owned(), product, reference: None, value, target: None }
    }

    /// The same, held against `target`.
    pub(crate) fn reaching(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    fn verdict(&self) -> String {
        match self.target {
            None => String::new(),
            Some(target) if target.is_reached(self.value) => "reached".to_owned(),
            Some(target) => format!("MISSED {:.2}×", target.distance(self.value)),
        }
    }
}

fn number(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}").trim_end().to_owned()
}

/// What one row brought: numbers, or why there are none.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Section {
    /// The row's name.
    pub(crate) row: &'static str,
    /// The words for it.
    pub(crate) title: &'static str,
    /// The numbers.
    pub(crate) findings: Vec<Finding>,
    /// Why it was left out, or failed.
    pub(crate) remark: Option<String>,
}

/// The table.
pub(crate) fn table(sections: &[Section]) -> String {
    let mut out = String::new();
    let header = line("", "product", "reference", "value", "target", "");
    for Section { row, title, findings, remark } in sections {
        // Writing into memory does not fail.
        let _ = write!(out, "\n{row}: {title}\n{header}");
        for finding in findings {
            let reference = finding.reference.as_deref().unwrap_or("");
            let target = finding.target.map(Target::text).unwrap_or_default();
            let value = number(finding.value, "");
            out += &line(&finding.measure, &finding.product, reference, &value, &target, &finding.verdict());
        }
        if let Some(remark) = remark {
            let _ = writeln!(out, "  {remark}");
        }
    }
    out
}

fn line(measure: &str, product: &str, reference: &str, value: &str, target: &str, verdict: &str) -> String {
    let text = format!("  {measure:<44} {product:>13} {reference:>13} {value:>9} {target:>8}  {verdict}");
    format!("{}\n", text.trim_end())
}

/// Targets that were missed, and rows without numbers.
pub(crate) fn missed(sections: &[Section]) -> (usize, usize) {
    let findings = sections.iter().flat_map(|section| &section.findings);
    let missed = findings.filter(|finding| finding.target.is_some_and(|target| !target.is_reached(finding.value)));
    (missed.count(), sections.iter().filter(|section| section.findings.is_empty()).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_says_by_how_much() {
        let finding = Finding::own("boot", "start", 450.0, "ms", Target::AtMost(300.0));
        assert_eq!(finding.verdict(), "MISSED 1.50×");
        let finding = Finding::shown("drain", "x", 0.5, "").reaching(Target::AtLeast(0.4));
        assert_eq!(finding.verdict(), "reached");
    }

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!([number(0.123, "ms"), number(12.34, ""), number(1234.5, "/s")], ["0.12 ms", "12.3", "1234 /s"]);
    }
}
