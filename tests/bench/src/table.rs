//! One table of medians beside their budgets, on the terminal and in `target/bench/results.json`.

use std::path::Path;

use serde::Serialize;

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The median of several runs.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it may be at most, or must be at least; `None` where there is no budget.
    pub budget: Option<f64>,
    /// Whether the budget is met; `None` where there is none.
    pub met: Option<bool>,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Table(Vec<Figure>);

impl Table {
    /// A figure without a bound.
    pub fn tell(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.push(Figure { name: name.into(), value, unit, budget: None, met: None });
    }

    /// A figure that may be `budget` at most.
    pub fn at_most(&mut self, name: impl Into<String>, value: f64, unit: &'static str, budget: f64) {
        self.push(Figure {
            name: name.into(),
            value,
            unit,
            budget: Some(budget),
            met: Some(value <= budget),
        });
    }

    /// A figure that must be `budget` at least.
    pub fn at_least(&mut self, name: impl Into<String>, value: f64, unit: &'static str, budget: f64) {
        self.push(Figure {
            name: name.into(),
            value,
            unit,
            budget: Some(budget),
            met: Some(value >= budget),
        });
    }

    fn push(&mut self, figure: Figure) {
        eprintln!("  {}: {:.2} {}", figure.name, figure.value, figure.unit);
        self.0.push(figure);
    }

    /// Writes `results.json` into `folder` and prints the table.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn close(&self, folder: &Path) -> std::io::Result<()> {
        self.close_as(&folder.join("results.json"))
    }

    /// Writes the figures into `file` and prints the table.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn close_as(&self, file: &Path) -> std::io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, serde_json::to_vec_pretty(&self.0)?)?;
        println!("{:<62} {:>12} {:<14} {:>10}", "figure", "median", "unit", "budget");
        for figure in &self.0 {
            let budget = figure.budget.map(|budget| format!("{budget:.2}")).unwrap_or_default();
            let verdict = match figure.met {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "",
            };
            println!("{:<62} {:>12.2} {:<14} {budget:>10} {verdict}", figure.name, figure.value, figure.unit);
        }
        Ok(())
    }
}

/// The median of `values`.
///
/// # Panics
/// If there are none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
