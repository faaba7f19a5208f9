//! From the pipeline file's words to a receiver that delivers.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lettre::transport::smtp::authentication::Credentials;
use pipeline_config::receiver::{self as config, Authorization, Setting};
use pipeline_config::{Secret, SecretError, SecretRef};
use reqwest::Url;
use reqwest::header::HeaderValue;
use thiserror::Error;

use crate::Receiver;
use crate::alertmanager::Alertmanager;
use crate::ntfy::Ntfy;
use crate::outgoing::Outgoing;
use crate::row::Row;
use crate::slack::Slack;
use crate::smtp::{MailboxError, Server, Smtp};
use crate::token::{TokenError, bearer};
use crate::webhook::{SigningKey, SigningKeyError, Webhook};

/// Why a receiver cannot be used. Never holds a secret.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// An address is no `http` or `https` URL.
    #[error("the receiver's address is not an http or https URL")]
    Url,
    /// A signing secret is none.
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    /// A token cannot be sent.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A mail address is none.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
}

/// Where environment variables are looked up.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Opens a receiver with its secrets as they are now. Opening connects to nothing and is cheap: it is done anew before
/// use, because mounted secrets change.
///
/// # Errors
/// [`OpenError`]
pub fn open(
    receiver: &config::Receiver,
    outgoing: &Arc<Outgoing>,
    lookup: Lookup<'_>,
) -> Result<Box<dyn Receiver>, OpenError> {
    let outgoing = Arc::clone(outgoing);
    Ok(match receiver {
        config::Receiver::Webhook(webhook) => {
            let key =
                |secret: &SecretRef| Ok::<_, OpenError>(SigningKey::parse(secret.resolve(lookup)?.expose())?);
            let keys = webhook.secrets.iter().map(key).collect::<Result<_, _>>()?;
            Box::new(Webhook::new(outgoing, url(&setting(&webhook.url, lookup)?)?, keys))
        }
        config::Receiver::Smtp(smtp) => Box::new(open_smtp(smtp, outgoing, lookup)?),
        config::Receiver::Slack(slack) => {
            Box::new(Slack::new(outgoing, url(slack.url.resolve(lookup)?.expose())?))
        }
        config::Receiver::Alertmanager(alertmanager) => {
            let replica = |address: &Setting| url(&setting(address, lookup)?);
            let replicas = alertmanager.urls.iter().map(replica).collect::<Result<_, _>>()?;
            let authorization =
                alertmanager.authorization.as_ref().map(|how| authorization(how, lookup)).transpose()?;
            Box::new(Alertmanager::new(outgoing, replicas, authorization))
        }
        config::Receiver::Row => Box::new(Row),
        config::Receiver::Ntfy(ntfy) => {
            let token = ntfy.token.as_ref().map(|token| token.resolve(lookup)).transpose()?;
            Box::new(Ntfy::new(outgoing, url(&ntfy.url)?, setting(&ntfy.topic, lookup)?, token.as_ref())?)
        }
    })
}

/// The same of a mail account, which sends mails of any kind.
///
/// # Errors
/// [`OpenError`]
pub fn open_smtp(
    smtp: &config::Smtp,
    outgoing: Arc<Outgoing>,
    lookup: Lookup<'_>,
) -> Result<Smtp, OpenError> {
    let login = match &smtp.login {
        Some(login) => {
            let password = login.password.resolve(lookup)?;
            Some(Credentials::new(login.user.clone(), password.expose().to_owned()))
        }
        None => None,
    };
    let server =
        Server { host: smtp.host.clone(), port: smtp.port, tls: smtp.tls, login, hello: smtp.hello.clone() };
    Ok(Smtp::new(outgoing, server, &smtp.from, &smtp.to)?)
}

fn authorization(how: &Authorization, lookup: Lookup<'_>) -> Result<HeaderValue, OpenError> {
    match how {
        Authorization::Bearer(token) => Ok(bearer(&token.resolve(lookup)?)?),
        Authorization::Basic(login) => {
            let password = login.password.resolve(lookup)?;
            let encoded = BASE64.encode(format!("{}:{}", login.user, password.expose()));
            let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).map_err(|_| TokenError)?;
            value.set_sensitive(true);
            Ok(value)
        }
    }
}

pub(crate) fn setting(setting: &Setting, lookup: Lookup<'_>) -> Result<String, SecretError> {
    match setting {
        Setting::Plain(text) => Ok(text.clone()),
        Setting::Secret(secret) => secret.resolve(lookup).map(|secret: Secret| secret.expose().to_owned()),
    }
}

/// A parse error is not repeated: the address may be a secret.
pub(crate) fn url(text: &str) -> Result<Url, OpenError> {
    let url = Url::parse(text.trim()).map_err(|_| OpenError::Url)?;
    if matches!(url.scheme(), "http" | "https") && url.host().is_some() {
        Ok(url)
    } else {
        Err(OpenError::Url)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pipeline_config::SecretRef;
    use pipeline_config::receiver::{Receiver, Setting, Slack, Webhook};

    use super::{OpenError, open};
    use crate::{AddressPolicy, Outgoing};

    fn error(receiver: &Receiver, secret: &str) -> OpenError {
        let outgoing = Arc::new(Outgoing::new(AddressPolicy::default(), None));
        let lookup = |name: &str| (name == "SECRET").then(|| secret.to_owned());
        open(receiver, &outgoing, &lookup).err().expect("the receiver must not open")
    }

    #[test]
    fn an_error_never_holds_the_secret() {
        let slack =
            |name: &str| Receiver::Slack(Slack { url: SecretRef::Env(name.into()), max_per_hour: 60 });
        let webhook = Receiver::Webhook(Webhook {
            url: Setting::Plain("https://example.com".into()),
            secrets: vec![SecretRef::Env("SECRET".into())],
            max_per_hour: 60,
        });
        for (receiver, secret) in
            [(slack("SECRET"), "hunter2"), (slack("SECRET"), "ftp://hunter2"), (webhook, "hunter2")]
        {
            assert!(!format!("{0} {0:?}", error(&receiver, secret)).contains("hunter2"));
        }
        assert!(error(&slack("OTHER"), "x").to_string().contains("OTHER"));
    }
}
