use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use postgres_local::{Instance, Options, find_binaries};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use runtime::Env;
use store::{Database, DatabaseSettings};

/// A server that speaks TLS as `localhost`, and the file of the authority that signed its certificate.
fn server(directory: &Path, port: u16) -> (Instance, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
    for (name, text) in
        [("root.crt", authority.pem()), ("tls.crt", certificate.pem()), ("tls.key", key.serialize_pem())]
    {
        std::fs::write(path(name), text).unwrap();
    }
    // The first start makes the files, whose owner must own the key too.
    let options = Options::new(directory.join("postgres")).without_fsync().loopback_port(port);
    drop(Instance::start(&options).unwrap());
    let owner = directory.join("postgres").metadata().unwrap();
    chown(path("tls.key"), Some(owner.uid()), Some(owner.gid())).unwrap();
    std::fs::set_permissions(path("tls.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let options = options
        .setting("ssl", "on")
        .setting("ssl_cert_file", path("tls.crt"))
        .setting("ssl_key_file", path("tls.key"));
    (Instance::start(&options).unwrap(), path("root.crt"))
}

#[tokio::test]
async fn a_certificate_is_verified_wherever_tls_is_used() {
    if find_binaries().is_err() {
        // Reported by name.
        assert!(testkit::postgres().await.is_none());
        return;
    }
    let directory = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir_in("/tmp")
        .unwrap();
    let port = testkit::free_port();
    let (instance, root) = server(directory.path(), port);
    let password = instance.password().unwrap();
    let url = format!("postgresql://postgres:{password}@localhost:{port}/postgres?sslmode=verify-full");
    let settings = |pairs: &[(&str, &str)]| DatabaseSettings::from_env(&mut Env::from_pairs(pairs));

    let trusting = settings(&[("DATABASE_URL", &url), ("PGSSLROOTCERT", &root)]);
    store::migrate(&trusting).await.unwrap();
    let client = Database::new(&trusting).client().await.unwrap();
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    assert!(client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));

    let strangers = settings(&[("DATABASE_URL", &url)]);
    assert!(Database::new(&strangers).client().await.is_err(), "nobody known has signed it");
}

#[tokio::test]
async fn a_server_that_offers_no_tls_gets_no_password() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // As it is without `sslmode` for another machine.
    let url = format!("postgresql://a:hunter2@127.0.0.1:{port}/x?sslmode=require&connect_timeout=5");
    let database = Database::new(&DatabaseSettings::from_url(&url).unwrap());
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 8];
        stream.read_exact(&mut asked).await.unwrap();
        // SSLRequest (PostgreSQL's manual, 55.7): its length and 80877103.
        assert_eq!(asked, [0, 0, 0, 8, 4, 210, 22, 47]);
        stream.write_all(b"N").await.unwrap();
        let mut told = Vec::new();
        stream.read_to_end(&mut told).await.unwrap();
        told
    };
    let (refused, told) = tokio::join!(database.client(), server);
    assert!(refused.is_err());
    assert_eq!(told, b"", "not even the user's name");
}
