//! Where the database is.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use runtime::Env;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

const DEFAULT_POOL_SIZE: usize = 4;
const DEFAULT_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
const DEFAULT_PORT: u16 = 5432;
/// What a URL may say behind its `?`.
const PARAMETERS: [&str; 19] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslmode",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Where the database is, and how much of it one process takes.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// Where queries go; perhaps through a transaction pooler.
    pub(crate) config: Config,
    /// Past the pooler.
    pub(crate) direct: Config,
    pub(crate) root_certificates: Option<PathBuf>,
    pub(crate) pool_size: usize,
    pub(crate) acquire_timeout: Duration,
}

impl DatabaseSettings {
    /// Reads `DATABASE_URL`, or the `PG*` variables, and what the README lists beside them. Mistakes are noted in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let config = match env.text("DATABASE_URL") {
            Some(url) => parsed(env, "DATABASE_URL", &url),
            None => from_pg_variables(env),
        };
        let direct = env.text("DATABASE_DIRECT_URL").map(|url| parsed(env, "DATABASE_DIRECT_URL", &url));
        Self {
            direct: direct.unwrap_or_else(|| config.clone()),
            config,
            root_certificates: env.text("PGSSLROOTCERT").map(PathBuf::from),
            pool_size: env.number_or("DATABASE_POOL_SIZE", DEFAULT_POOL_SIZE, 1..=100),
            acquire_timeout: env.millis_or("DATABASE_ACQUIRE_TIMEOUT_MS", DEFAULT_ACQUIRE_TIMEOUT),
        }
    }

    /// The database at `url`, with the defaults for the rest.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn from_url(url: &str) -> Result<Self, tokio_postgres::Error> {
        let config = parse(url)?;
        Ok(Self {
            direct: config.clone(),
            config,
            root_certificates: None,
            pool_size: DEFAULT_POOL_SIZE,
            acquire_timeout: DEFAULT_ACQUIRE_TIMEOUT,
        })
    }

    /// How many connections one process may have.
    pub fn connections(&self) -> usize {
        self.pool_size
    }

    /// Sets how many connections one process may have.
    #[must_use]
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections;
        self
    }

    /// How long to wait for a connection.
    #[must_use]
    pub fn acquire_timeout(mut self, limit: Duration) -> Self {
        self.acquire_timeout = limit;
        self
    }
}

fn parsed(env: &mut Env, name: &str, url: &str) -> Config {
    parse(url).unwrap_or_else(|_| {
        // The parser's own text may hold the password.
        env.mistake(name, mistake(url));
        Config::new()
    })
}

/// What is wrong with a URL that could not be parsed. Of what stands in it only the name of a parameter is named.
fn mistake(url: &str) -> String {
    match unknown_parameter(url) {
        Some("sslrootcert") => {
            "has the parameter `sslrootcert`, which is not known; the variable PGSSLROOTCERT names the file"
                .to_owned()
        }
        Some(parameter) => format!("has the parameter `{parameter}`, which is not known"),
        None => "is not a PostgreSQL connection string".to_owned(),
    }
}

/// The first parameter that is not known; `None` where what looks like one may be a part of the password.
fn unknown_parameter(url: &str) -> Option<&str> {
    let (_, behind_scheme) = url.split_once("://")?;
    let (before, parameters) = behind_scheme.split_once('?')?;
    if before.matches('@').count() > 1 || parameters.contains('@') || parameters.contains("password=") {
        return None;
    }
    let mut names = parameters.split('&').filter_map(|parameter| Some(parameter.split_once('=')?.0));
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    names.find(|name| !PARAMETERS.contains(name)).filter(|name| is_name(name))
}

fn parse(url: &str) -> Result<Config, tokio_postgres::Error> {
    // libpq's words for what happens here always: the certificate is verified wherever TLS is used.
    let url =
        url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
    let mut config: Config = url.parse()?;
    complete(&mut config);
    Ok(config)
}

/// Whether nothing of what is sent to the database leaves this machine: its sockets, and the loopback interface.
pub(crate) fn is_local(config: &Config) -> bool {
    let is_local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    };
    match config.get_hostaddrs() {
        [] => config.get_hosts().iter().all(is_local),
        addresses => addresses.iter().all(IpAddr::is_loopback),
    }
}

fn from_pg_variables(env: &mut Env) -> Config {
    let mut config = Config::new();
    match env.text("PGHOST") {
        Some(host) => config.host(host),
        None => {
            env.mistake("DATABASE_URL", "is not set, and neither is PGHOST");
            &mut config
        }
    };
    config.port(env.number_or("PGPORT", DEFAULT_PORT, 1..=u16::MAX));
    config.user(env.text_or("PGUSER", "freshet"));
    if let Some(password) = env.text("PGPASSWORD") {
        config.password(password);
    }
    let user = env.text_or("PGUSER", "freshet");
    config.dbname(env.text_or("PGDATABASE", &user));
    match env.text_or("PGSSLMODE", "prefer").as_str() {
        "disable" => config.ssl_mode(SslMode::Disable),
        "prefer" => config.ssl_mode(SslMode::Prefer),
        "require" | "verify-ca" | "verify-full" => config.ssl_mode(SslMode::Require),
        _ => {
            env.mistake("PGSSLMODE", "is none of disable, prefer, require, verify-ca, verify-full");
            &mut config
        }
    };
    complete(&mut config);
    config
}

/// What is not said. "TLS where the server offers it" is no answer over a network: whoever is on the way says that it does not,
/// asks for the password in clear, and gets it (PostgreSQL's manual, 34.19.1). So `prefer`, which is also what nothing means, is
/// TLS on the way to another machine, and none within this one.
fn complete(config: &mut Config) {
    if config.get_ssl_mode() == SslMode::Prefer {
        config.ssl_mode(if is_local(config) { SslMode::Disable } else { SslMode::Require });
    }
    if config.get_application_name().is_none() {
        config.application_name("freshet");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(DEFAULT_ACQUIRE_TIMEOUT);
    }
}

#[cfg(test)]
mod tests {
    use runtime::Env;
    use tokio_postgres::config::{Host, SslMode};

    use super::{DatabaseSettings, PARAMETERS};

    #[test]
    fn the_url_wins_over_the_pg_variables() {
        let mut env = Env::from_pairs(&[
            ("DATABASE_URL", "postgresql://a:b@db.example/c?sslmode=verify-full"),
            ("PGHOST", "elsewhere"),
        ]);
        let settings = DatabaseSettings::from_env(&mut env);
        assert_eq!(env.finish(), Ok(()));
        assert_eq!(settings.config.get_hosts(), [Host::Tcp("db.example".into())]);
        assert_eq!(settings.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(settings.direct, settings.config);
    }

    #[test]
    fn every_mistake_is_listed_and_no_password_with_it() {
        let mut env = Env::from_pairs(&[
            ("DATABASE_URL", "postgresql://a:hunter2@host:port/x"),
            ("DATABASE_POOL_SIZE", "0"),
        ]);
        DatabaseSettings::from_env(&mut env);
        let errors = env.finish().unwrap_err().to_string();
        assert_eq!(
            errors,
            "DATABASE_URL: is not a PostgreSQL connection string\nDATABASE_POOL_SIZE: is not between 1 and 100"
        );
    }

    #[test]
    fn a_parameter_that_is_not_known_is_named_without_its_value() {
        let said = |url: &str| {
            let mut env = Env::from_pairs(&[("DATABASE_URL", url)]);
            DatabaseSettings::from_env(&mut env);
            env.finish().unwrap_err().to_string()
        };
        assert_eq!(
            said("postgresql://a:hunter2@db/x?sslmode=require&sslrootcert=/run/ca.crt"),
            "DATABASE_URL: has the parameter `sslrootcert`, which is not known; \
             the variable PGSSLROOTCERT names the file"
        );
        assert_eq!(
            said("postgres://a@db/x?sslmod=require"),
            "DATABASE_URL: has the parameter `sslmod`, which is not known"
        );
        // A password that was not encoded looks like parameters, and a value may be the wrong one.
        for url in [
            "postgresql://a:p@ss?hunter=2@db/x",
            "postgresql://a:hunter?x=2@db/x?sslmod=require",
            "postgresql://a:b@db/x?Hunter2=y",
            "postgresql://a@db/x?sslmode=hunter2",
            "postgresql://a@db/x?hunter",
            "postgresql://db/x?password=hunter&two=2",
            "host=db password=hunter two=2",
        ] {
            assert_eq!(said(url), "DATABASE_URL: is not a PostgreSQL connection string", "{url}");
        }
    }

    #[test]
    fn the_way_to_another_machine_is_encrypted_unless_it_is_said_otherwise() {
        let mode = |url: &str| DatabaseSettings::from_url(url).unwrap().config.get_ssl_mode();
        for url in [
            "postgresql://a:b@db.example/c",
            "postgresql://a:b@db.example/c?sslmode=prefer",
            "postgresql://a:b@10.0.0.1/c",
            "postgresql://a:b@localhost,db.example/c",
            "postgresql://a:b@localhost/c?hostaddr=10.0.0.1",
            "postgresql://a:b@127.0.0.1/c?sslmode=require",
            "host=db.example user=a",
        ] {
            assert_eq!(mode(url), SslMode::Require, "{url}");
        }
        for url in [
            "postgresql://a:b@db.example/c?sslmode=disable",
            "postgresql://a:b@localhost/c",
            "postgresql://a:b@127.0.0.7,[::1]/c",
            "postgresql://a@/c?host=/run/postgresql",
            "postgresql://a:b@db.example/c?hostaddr=127.0.0.1",
        ] {
            assert_eq!(mode(url), SslMode::Disable, "{url}");
        }
        let variables = |mode: &str| {
            let mut env = Env::from_pairs(&[("PGHOST", "db.example"), ("PGSSLMODE", mode)]);
            let settings = DatabaseSettings::from_env(&mut env);
            env.finish().map(|()| settings.config.get_ssl_mode()).map_err(|mistakes| mistakes.to_string())
        };
        assert_eq!(variables("prefer"), Ok(SslMode::Require));
        assert_eq!(variables("disable"), Ok(SslMode::Disable));
        assert!(variables("allow").is_err());
    }

    #[test]
    fn every_parameter_that_is_named_as_known_is() {
        let value = |parameter| match parameter {
            "sslmode" | "channel_binding" => "require",
            "sslnegotiation" => "direct",
            "load_balance_hosts" => "random",
            "target_session_attrs" => "any",
            "hostaddr" => "127.0.0.1",
            _ => "1",
        };
        for parameter in PARAMETERS {
            let url = format!("postgresql://a@db/x?{parameter}={}", value(parameter));
            assert!(DatabaseSettings::from_url(&url).is_ok(), "{url}");
        }
    }

    #[test]
    fn without_any_address_the_start_is_refused() {
        let mut env = Env::from_pairs(&[]);
        DatabaseSettings::from_env(&mut env);
        assert!(env.finish().unwrap_err().to_string().contains("neither is PGHOST"));
    }
}
