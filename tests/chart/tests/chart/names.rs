use chart_tests::{Chart, Tools};

use crate::matrix;

/// Helm's own limit.
const LONGEST_RELEASE: usize = 53;

#[test]
fn names_and_labels_of_a_long_release_are_within_limits() {
    let Some(tools) = Tools::of_this_test() else { return };
    let release = "r".repeat(LONGEST_RELEASE);
    for values in ["kafka", "broker-in-memory", "topic-mode"] {
        for object in Chart::new(tools).ci(values).release(&release).objects() {
            let name = object.name();
            assert!(name.len() <= 63, "{values}: {} {name} has {}", object.kind(), name.len());
            let revision = object.api_version().starts_with("serving.").then(|| format!("{name}-00001"));
            assert!(
                revision.is_none_or(|revision| revision.len() <= 63),
                "{name}: its revisions are too long"
            );
            for pointer in ["/metadata/labels", "/spec/template/metadata/labels"] {
                for (key, value) in
                    object.at(pointer).and_then(serde_json::Value::as_object).into_iter().flatten()
                {
                    let text = value.as_str().unwrap_or_else(|| panic!("{name}: {key} is no text"));
                    assert!(text.len() <= 63 && is_label(text), "{name}: {key}={text}");
                }
            }
        }
    }
}

#[test]
fn two_long_releases_share_no_name() {
    let Some(tools) = Tools::of_this_test() else { return };
    let names = |last: &str| -> Vec<String> {
        let release = format!("{}{last}", "r".repeat(LONGEST_RELEASE - 1));
        let objects = Chart::new(tools).ci("kafka").release(release).objects();
        objects.iter().map(|object| format!("{} {}", object.kind(), object.name())).collect()
    };
    let (one, other) = (names("a"), names("b"));
    assert!(one.iter().all(|name| !other.contains(name)), "{one:?} and {other:?}");
}

#[test]
fn objects_are_labelled_and_templates_never_change_with_the_chart() {
    let Some(tools) = Tools::of_this_test() else { return };
    for (values, objects) in matrix(tools) {
        for object in objects {
            let place = format!("{values}: {} {}", object.kind(), object.name());
            for label in ["name", "instance", "component", "part-of", "managed-by", "version"] {
                let pointer = format!("/metadata/labels/app.kubernetes.io~1{label}");
                assert!(!object.text(&pointer).is_empty(), "{place} has no label {label}");
            }
            let Some(template) = object.at("/spec/template/metadata") else { continue };
            let labels: Vec<_> =
                template["labels"].as_object().into_iter().flatten().map(|(key, _)| key).collect();
            assert_eq!(labels.len(), 4, "{place}: {labels:?}");
            assert!(!template.to_string().contains(env!("CARGO_PKG_VERSION")), "{place} names the release");
        }
    }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.chars().all(inner) && end(text.chars().next()) && end(text.chars().last())
}
