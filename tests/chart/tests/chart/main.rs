//! The chart, held against schemas, against the code, and against its own words.

mod documented;
mod generated;
mod kafka;
mod names;
mod network;
mod pipeline;
mod pods;
mod readme;
mod refused;
mod same;
mod topology;
mod valid;

use std::sync::OnceLock;

use chart_tests::{Chart, Object, Tools, values_files};

/// Every file of values in `charts/freshet/ci`, rendered once, by the file's name.
fn matrix(tools: &'static Tools) -> &'static [(String, Vec<Object>)] {
    static MATRIX: OnceLock<Vec<(String, Vec<Object>)>> = OnceLock::new();
    MATRIX.get_or_init(|| {
        let files = values_files();
        assert!(files.len() >= 6, "{files:?}");
        let rendered = files.iter().map(|file| {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            (name, Chart::new(tools).file(file).objects())
        });
        rendered.collect()
    })
}

/// The object of a kind and name; Knative's Service where `kind` is `Service`.
fn object<'a>(objects: &'a [Object], kind: &str, name: &str) -> &'a Object {
    objects
        .iter()
        .find(|object| object.kind() == kind && object.name() == name)
        .unwrap_or_else(|| panic!("{kind} {name} is not rendered"))
}

/// All objects of a kind.
fn of_kind<'a>(objects: &'a [Object], kind: &str) -> Vec<&'a Object> {
    objects.iter().filter(|object| object.kind() == kind).collect()
}
