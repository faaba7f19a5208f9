//! The command that the README installs with, on the pipeline file that it shows.

use chart_tests::{Chart, Tools, repository};

/// The words of the command after `begin`, lines that end in `\` joined.
fn command(readme: &str, begin: &str) -> Vec<String> {
    let (_, rest) = readme.split_once(begin).expect("the README shows the command");
    let lines = rest.lines().scan(true, |goes_on, line| {
        let shown = goes_on.then(|| line.trim_end_matches('\\'));
        *goes_on = line.ends_with('\\');
        shown
    });
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

#[test]
fn what_the_readme_installs_is_not_refused() {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("the README is there");
    let (_, rest) = readme.split_once("```yaml\n# freshet.yaml\n").expect("it shows a pipeline");
    let (pipeline, _) = rest.split_once("```").expect("the pipeline ends");
    let Some(tools) = Tools::of_this_test() else { return };
    let file = std::env::temp_dir().join(format!("freshet-readme-{}.yaml", std::process::id()));
    std::fs::write(&file, pipeline).expect("a file can be written");
    let words = command(&readme, "helm install freshet charts/freshet ");
    assert!(words.contains(&"pipelineFile=freshet.yaml".to_owned()), "{words:?}");
    let chart = words.into_iter().fold(Chart::new(tools), |chart, word| {
        chart.argument(word.replace("=freshet.yaml", &format!("={}", file.display())))
    });
    let text = chart.text();
    std::fs::remove_file(&file).expect("it can be removed");
    let text = text.expect("the chart takes it");
    assert!(text.contains("registry.example.com/freshet/freshet-ingest:"), "{text}");
}
