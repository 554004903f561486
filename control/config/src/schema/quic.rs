// SPDX-License-Identifier: Apache-2.0
//! `[service.quic]` and what names a server in connection ids.

use model::service::QuicServerId;

use super::{Change, Key, Kind, Preset, Table, number};

/// Config ids go from 0 to 6; 7 is what ids say that name nobody (QUIC-LB §3.1).
const CONFIG_MAX: u32 = 6;
const SERVER_ID_LEN_MAX: u32 = 15;
const _: () = assert!(SERVER_ID_LEN_MAX as usize == QuicServerId::LEN_MAX);

/// How connection ids name servers.
pub(super) static QUIC: Table = Table {
    title: "service.quic",
    doc: "Connection ids name servers (QUIC-LB, plaintext); UDP alone.",
    keys: &[
        number(
            "config",
            0,
            CONFIG_MAX,
            0,
            "The configuration id in the first three bits of connection ids.",
        ),
        number(
            "server_id_len",
            0,
            SERVER_ID_LEN_MAX,
            0,
            "Bytes of a server's id, behind the first byte of a connection id; 0 = there are none.",
        ),
    ],
    later: &[],
};

/// What names a server.
pub(super) const SERVER_ID: Key = Key {
    name: "quic_server_id",
    kind: Kind::Text("hexadecimal digits, two for each byte of server_id_len"),
    preset: Preset::Text(""),
    change: Change::Live,
    doc: "What names it in QUIC connection ids, as its own QUIC software is told; \"\" = nothing.",
    example: "",
};
