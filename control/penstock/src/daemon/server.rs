// SPDX-License-Identifier: Apache-2.0
//! The management interface: HTTP on the unix socket, one request at a time to the control task.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

use super::boot::BootError;
use super::listing::Reply;

/// What can be asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    Services,
    Servers,
    Connections { limit: u32 },
    Workers,
    Ports,
    Drops,
}

/// A question to the control task.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) what: What,
    pub(super) reply: Reply,
}

type Requests = mpsc::Sender<Request>;

/// The socket, taken before anything else of the machine is; gone from the file system when
/// dropped.
#[derive(Debug)]
pub(super) struct Listener {
    socket: std::os::unix::net::UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Takes `path`; who asks there waits until it is served.
    ///
    /// # Errors
    /// [`BootError::Socket`]; also when another daemon answers there.
    pub(super) fn take(path: &Path) -> Result<Self, BootError> {
        let socket = bind(path).map_err(|source| BootError::Socket {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            log::debug!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Answers what is asked on the socket; the future serves until it is dropped.
///
/// # Errors
/// [`BootError::Runtime`].
pub(super) fn serve(
    listener: &Listener,
    requests: Requests,
) -> Result<impl Future<Output = ()> + use<>, BootError> {
    let runtime = |source| BootError::Runtime { source };
    let socket = listener.socket.try_clone().map_err(runtime)?;
    let socket = UnixListener::from_std(socket).map_err(runtime)?;
    let ask = |what: What| {
        get(move |State(requests): State<Requests>| async move { answer(&requests, what).await })
    };
    let router = Router::new()
        .route("/v1/services", ask(What::Services))
        .route("/v1/servers", ask(What::Servers))
        .route("/v1/workers", ask(What::Workers))
        .route("/v1/ports", ask(What::Ports))
        .route("/v1/drops", ask(What::Drops))
        .route("/v1/connections", get(connections))
        .with_state(requests);
    Ok(async move {
        if let Err(error) = axum::serve(socket, router).await {
            log::error!("the management interface ended: {error}");
        }
    })
}

/// A socket that a dead daemon left behind is replaced; a living one's is not, nor is anything that
/// is no socket.
fn bind(path: &Path) -> std::io::Result<std::os::unix::net::UnixListener> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            let what = "something that is no socket has that name";
            return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, what));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(std::io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(listener)
}

/// The owner and the group may ask.
const SOCKET_MODE: u32 = 0o660;

#[derive(Debug, Deserialize)]
struct ConnectionsQuery {
    limit: Option<u32>,
}

/// Connections listed unless somebody asks for more.
const CONNECTIONS_DEFAULT: u32 = 10_000;

async fn connections(
    State(requests): State<Requests>,
    Query(query): Query<ConnectionsQuery>,
) -> Response {
    let limit = query.limit.unwrap_or(CONNECTIONS_DEFAULT);
    answer(&requests, What::Connections { limit }).await
}

async fn answer(requests: &Requests, what: What) -> Response {
    let (reply, answer) = oneshot::channel();
    let sent = requests.send(Request { what, reply }).await;
    let text = match (sent, answer.await) {
        (Ok(()), Ok(text)) => text,
        (Err(_), _) | (_, Err(_)) => Err("the daemon is stopping".to_owned()),
    };
    let json = [(header::CONTENT_TYPE, "application/json")];
    match text {
        Ok(text) => (json, text).into_response(),
        Err(error) => {
            let text = serde_json::to_string(&api::Problem { error }).unwrap_or_default();
            (StatusCode::SERVICE_UNAVAILABLE, json, text).into_response()
        }
    }
}

/// An answer as JSON text.
pub(super) fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_socket_s_place_is_left_alone() {
        let file = std::env::temp_dir().join(format!("penstock-socket-{}", std::process::id()));
        std::fs::write(&file, "precious").unwrap();
        let refused = bind(&file).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_dead_daemon_s_socket_is_replaced_and_a_living_one_s_is_not() {
        let path = std::env::temp_dir().join(format!("penstock-stale-{}", std::process::id()));
        let living = bind(&path).unwrap();
        assert_eq!(
            bind(&path).unwrap_err().kind(),
            std::io::ErrorKind::AddrInUse
        );
        drop(living);
        drop(bind(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
    }
}
