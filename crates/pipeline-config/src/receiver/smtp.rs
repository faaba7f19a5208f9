//! A mail account.

use std::net::IpAddr;

use settings::{Choice, Fields, Object, OneOrMany, Parsed, Shape, Text, Whole};

use super::address::host;
use super::bound::{FOR_PEOPLE, bound};
use crate::network::{self, Network};
use crate::secret::{Login, Reference};

pub(super) const KIND: &str = "smtp";
pub(super) const TEXT: &str = "E-mail.";

/// A mail account to send from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// The submission server's name.
    pub host: String,
    /// Its port; 587 by default, 465 with [`Tls::Implicit`].
    pub port: u16,
    /// How the connection is secured.
    pub tls: Tls,
    /// The account; `None`: the server wants none.
    pub login: Option<Login>,
    /// The sender (`Freshet <alerts@example.com>`).
    pub from: String,
    /// The addressees; at least one.
    pub to: Vec<String>,
    /// The name that EHLO gives (RFC 5321, section 4.1.1.1); the domain of `from` by default.
    pub hello: String,
    /// The most alerts that begin here within an hour ([`super::bound`]).
    pub max_per_hour: u32,
}

/// How a mail connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// STARTTLS, required (RFC 3207).
    #[default]
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// None: for a relay on the same machine or network.
    None,
}

pub(super) fn shape(network: &Network) -> impl Shape<Value = Smtp> {
    Object::new("Smtp", "A mail account to send from.", |fields: &Fields<'_>| {
        let host = fields.required("host", "The submission server's name.", host(network));
        let port =
            fields.optional("port", "Its port; 587 where absent, 465 with `tls: tls`.", Whole(1, 65_535));
        let modes = Choice(&[("starttls", Tls::StartTls), ("tls", Tls::Implicit), ("none", Tls::None)]);
        let tls = fields.or("tls", "How the connection is secured.", modes, Tls::default());
        let login = optional_login(fields);
        if tls == Tls::None && login.is_some() {
            let text = "a password is never sent without TLS: say `tls: starttls` or `tls: tls`";
            fields.report.mistake(fields.place_of("user"), text);
        }
        let from = fields.required("from", "The sender.", Parsed::new(mailbox));
        let to = fields.required("to", "The addressees.", OneOrMany(Parsed::new(mailbox)));
        let hello = fields.optional(
            "hello",
            "The name that EHLO gives; the domain of `from` where absent.",
            Parsed::new(hello),
        );
        let domain = from.as_deref().and_then(|from| from.trim_end_matches('>').rsplit_once('@'));
        let hello = hello.or(domain.map(|(_, domain)| domain.to_owned()));
        let max_per_hour = bound(fields, FOR_PEOPLE);
        let default_port = if tls == Tls::Implicit { 465 } else { 587 };
        let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default_port);
        Some(Smtp { host: host?, port, tls, login, from: from?, to: to?, hello: hello?, max_per_hour })
    })
}

/// `user` and `password`: both or none.
fn optional_login(fields: &Fields<'_>) -> Option<Login> {
    let user = fields.optional("user", "The account.", Text);
    let password = fields.optional("password", "Its password.", Reference);
    if fields.has("user") != fields.has("password") {
        fields.report.mistake(fields.place, "`user` and `password` belong together");
    }
    Some(Login { user: user?, password: password? })
}

/// A domain, or an address literal (RFC 5321, section 4.1.3).
fn hello(text: &str) -> Result<String, &'static str> {
    let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let good = match literal {
        Some(literal) => literal.strip_prefix("IPv6:").unwrap_or(literal).parse::<IpAddr>().is_ok(),
        None => network::is_host(text),
    };
    if good {
        Ok(text.to_owned())
    } else {
        Err("expected a name like `mail.example.com` or a literal like `[192.0.2.7]`")
    }
}

/// A mail address, alone or as `Name <address>`.
fn mailbox(text: &str) -> Result<String, &'static str> {
    let address = text.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or(text);
    let good = address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && network::is_host(host));
    if good && !address.contains(char::is_whitespace) {
        return Ok(text.to_owned());
    }
    Err("expected a mail address like `ops@example.com` or `Freshet <ops@example.com>`")
}
