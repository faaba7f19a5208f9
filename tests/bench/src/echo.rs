//! The floors: a bare actix-web server that echoes, and one that acknowledges. Run as processes of their own
//! (`bench echo`, `bench acknowledge`), as the stages are.

use std::process::Command;

use actix_web::{App, HttpResponse, HttpServer, web};

/// Serves until it is killed. `echo` answers 200 with the body, anything else 202 without one.
///
/// # Errors
/// Where the port cannot be had.
pub fn serve(role: &str) -> std::io::Result<()> {
    let port: u16 = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let echo = role == "echo";
    actix_web::rt::System::new().block_on(
        HttpServer::new(move || {
            App::new().default_service(web::to(move |body: web::Bytes| async move {
                if echo { HttpResponse::Ok().body(body) } else { HttpResponse::Accepted().finish() }
            }))
        })
        .workers(2)
        .bind(("127.0.0.1", port))?
        .run(),
    )
}

/// The command that runs `role` of this program.
///
/// # Panics
/// If this program has no path.
pub fn command(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a running program has a path"));
    command.arg(role);
    command
}
