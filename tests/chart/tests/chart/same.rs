use chart_tests::{Chart, Object, Tools, values_files};

use crate::object;

/// Templates of pods by their object.
fn templates(objects: &[Object]) -> Vec<(String, Option<serde_json::Value>)> {
    objects
        .iter()
        .map(|object| (format!("{} {}", object.kind(), object.name()), object.at("/spec/template").cloned()))
        .collect()
}

fn without_token(chart: &Chart) -> Chart {
    chart.clone().set("helmTest.existingSecret=given")
}

#[test]
fn rendering_twice_gives_the_same() {
    let Some(tools) = Tools::of_this_test() else { return };
    for file in values_files() {
        let chart = without_token(&Chart::new(tools).file(&file));
        let (first, second) = (chart.text().expect("it is rendered"), chart.text().expect("it is rendered"));
        assert_eq!(first, second, "{}", file.display());
    }
}

#[test]
fn an_upgrade_renders_what_the_install_did() {
    let Some(tools) = Tools::of_this_test() else { return };
    let chart = without_token(&Chart::new(tools).ci("kafka"));
    let upgrade = chart.clone().argument("--is-upgrade").text().expect("it is rendered");
    assert_eq!(chart.text().expect("it is rendered"), upgrade);
}

#[test]
fn helm_3_renders_what_helm_4_does() {
    let Some(tools) = Tools::of_this_test() else { return };
    if !tools.has_helm_3() {
        println!(
            "skipped: helm_3_renders_what_helm_4_does: `.ci/chart-tools target/chart-tools with-helm-3` fetches it"
        );
        return;
    }
    for file in values_files() {
        let chart = without_token(&Chart::new(tools).file(&file));
        let older = chart.clone().helm("helm-3").text().unwrap_or_else(|refusal| panic!("{}", refusal.0));
        assert_eq!(chart.text().expect("it is rendered"), older, "{}", file.display());
    }
}

#[test]
fn only_what_reads_the_pipeline_is_rolled_by_it() {
    let Some(tools) = Tools::of_this_test() else { return };
    let chart = Chart::new(tools).ci("topic-mode");
    let before = templates(&chart.objects());
    let after = templates(&chart.set("pipeline.lateness=20m").objects());
    let rolled: Vec<_> = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .map(|(before, _)| before.0.as_str())
        .collect();
    assert_eq!(
        rolled,
        [
            "Service farm-alert",
            "Service farm-cleanup",
            "Service farm-ingest",
            "Service farm-notify",
            "Service farm-scheduler",
            "Service farm-transform",
            "Deployment farm-worker"
        ]
    );
}

#[test]
fn a_migration_job_is_another_one_exactly_when_it_runs_something_else() {
    let Some(tools) = Tools::of_this_test() else { return };
    let name = |chart: Chart| {
        let objects = chart.objects();
        let job = objects.iter().find(|object| object.name().contains("-migrate-")).expect("there is one");
        job.name().to_owned()
    };
    let chart = Chart::new(tools).ci("kafka");
    let first = name(chart.clone());
    assert_eq!(first, name(chart.clone().set("stages.alert.maxScale=4").set("pipeline.tick=1m")));
    assert_ne!(first, name(chart.clone().set("image.tag=v2")));
    assert_ne!(first, name(chart.set("broker.partitions=20")));
}

#[test]
fn the_hook_records_which_pipeline_is_active() {
    let Some(tools) = Tools::of_this_test() else { return };
    for file in values_files() {
        let objects = Chart::new(tools).file(&file).objects();
        let hook = object(&objects, "Job", "farm-activate");
        assert_eq!(hook.annotation("helm.sh/hook"), Some("post-install,post-upgrade,post-rollback"));
        let policy = hook.annotation("helm.sh/hook-delete-policy");
        assert_eq!(policy, Some("before-hook-creation,hook-succeeded"), "uninstall would leave it");
        let arguments = &hook.containers()[0].spec["args"];
        assert_eq!(arguments[0], "activate");
        assert_eq!(arguments[1], "/etc/freshet");
    }
}
