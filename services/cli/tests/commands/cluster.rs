//! What commands on a cluster say where there is no cluster.

use std::net::TcpListener;

use crate::process::{freshet, freshet_with};

/// A kubeconfig whose API server is at this address.
fn kubeconfig(folder: &tempfile::TempDir, server: &str) -> String {
    let file = folder.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         contexts: [{{name: here, context: {{cluster: c, user: u, namespace: plant}}}}]\n\
         clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
    );
    std::fs::write(&file, text).expect("the folder is writable");
    file.display().to_string()
}

#[test]
fn without_a_kubeconfig_it_says_how_to_name_one() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nothing").display().to_string();
    for command in [&["doctor"][..], &["status"], &["drain"], &["dead-letters", "list", "-n", "plant"]] {
        let run = freshet_with(command, &[("KUBECONFIG", &nowhere), ("HOME", "/nonexistent")]);
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert!(run.stderr.contains("there is no kubeconfig to use"), "{}", run.stderr);
        assert!(run.stderr.contains("--kubeconfig FILE"), "{}", run.stderr);
    }
}

#[test]
fn an_unknown_context_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = kubeconfig(&folder, "http://127.0.0.1:9");
    let run = freshet(&["status", "--kubeconfig", &file, "--context", "elsewhere"]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("the kubeconfig cannot be used"), "{}", run.stderr);
    assert!(run.stderr.contains("elsewhere"), "{}", run.stderr);
}

#[test]
fn an_api_server_that_is_away_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.local_addr().expect("the listener is bound").port()
    };
    let file = kubeconfig(&folder, &format!("http://127.0.0.1:{port}"));
    let run = freshet(&["doctor", "--kubeconfig", &file]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("the API server cannot be reached"), "{}", run.stderr);
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    for arguments in
        [&["doctor", "--topic", "x"][..], &["status", "--since", "soon"], &["migrate", "--topic", "x"]]
    {
        assert_eq!(freshet(arguments).status, 2, "{arguments:?}");
    }
}
