//! What the API server says, in words for people.

use runtime::Failure;

/// A failure of the API server or of the connection to it.
pub(crate) fn failed(error: &kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) if status.code == 401 => Failure::new(
            "the cluster does not know you: its credentials in the kubeconfig are missing or expired",
        )
        .hint("sign in again, or name another context with --context"),
        // The message names user, verb, resource and namespace.
        kube::Error::Api(status) if status.code == 403 => Failure::new(format!(
            "the cluster does not allow it: {}",
            status.message
        ))
        .hint(
            "ask for a Role with this verb on this resource; docs/operations.md lists what the command needs",
        ),
        kube::Error::Api(status) => Failure::new(format!("the API server refused: {}", status.message)),
        kube::Error::Auth(cause) => {
            Failure::because("the credentials of the kubeconfig cannot be used", cause)
                .hint("sign in again, or name another context with --context")
        }
        kube::Error::Service(cause) => unreachable(cause.as_ref()),
        kube::Error::HyperError(cause) => unreachable(cause),
        other => Failure::because("the cluster cannot be asked", other),
    }
}

fn unreachable(cause: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::because("the API server cannot be reached", cause)
        .hint("is the cluster running, and is this its context? `kubectl cluster-info` asks the same")
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::failed;

    #[test]
    fn a_missing_right_is_named_with_verb_and_resource() {
        let message = "services.serving.knative.dev is forbidden: User \"ann\" cannot list resource \"services\" \
            in API group \"serving.knative.dev\" in the namespace \"plant\"";
        let status = Status { code: 403, message: message.to_owned(), ..Status::default() };
        let text = failed(&kube::Error::Api(Box::new(status))).to_string();
        assert!(text.contains("cannot list resource \"services\"") && text.contains("Role"), "{text}");
    }
}
