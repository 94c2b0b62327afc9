//! The opening of a session: the server's greeting, the request for TLS, and our answer.
//!
//! Manual: "Connection Phase Packets".

use std::collections::HashMap;

use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, HandshakePacket, HandshakeResponse, SslRequest};
use mysql_common::proto::{MyDeserialize, MySerialize};

use super::error::Failure;
use super::server_error::ServerError;

/// What we tell the server about payload sizes.
const MAX_PACKET: u32 = 1 << 30;
/// utf8mb4_general_ci: known to every server since 5.5.3.
const COLLATION: u8 = 45;
/// Bytes from the end of the version string to the length of the authentication data.
const TO_AUTH_LENGTH: usize = 20;

/// What of the greeting matters later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    /// `@@version` as the server announces it, MariaDB's `5.5.5-` prefix removed.
    pub(super) version: String,
    /// The session's number at the server.
    pub(super) connection_id: u32,
    /// What the server can do.
    pub(super) capabilities: CapabilityFlags,
    /// Random bytes for the password's scramble.
    pub(super) nonce: Vec<u8>,
    /// The authentication plugin the server begins with.
    pub(super) plugin: Vec<u8>,
}

impl Greeting {
    /// Reads the first packet of a connection.
    pub(super) fn parse(packet: &[u8]) -> Result<Self, Failure> {
        if packet.first() == Some(&0xff) {
            let error = ServerError::parse(packet).ok_or(Failure::Protocol("an error packet cut short"))?;
            return Err(error.into());
        }
        if packet.first() != Some(&10) {
            return Err(Failure::Protocol("the greeting is not of protocol version 10"));
        }
        // The length is a signed byte to the packet's parser: a value over 127 is nonsense.
        let version_end = memchr::memchr(0, packet).ok_or(Failure::Protocol("a greeting cut short"))?;
        match packet.get(version_end.saturating_add(1).saturating_add(TO_AUTH_LENGTH)) {
            Some(0..=127) => {}
            _ => return Err(Failure::Protocol("a greeting with impossible authentication data")),
        }
        let packet = HandshakePacket::deserialize((), &mut ParseBuf(packet))
            .map_err(|_| Failure::Protocol("a greeting cut short"))?;
        let capabilities = packet.capabilities();
        let needed = CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_PLUGIN_AUTH;
        if !capabilities.contains(needed) {
            return Err(Failure::Protocol("the server is older than MySQL 5.5"));
        }
        let version = packet.server_version_str().into_owned();
        let version = match version.strip_prefix("5.5.5-") {
            Some(real) if real.contains("MariaDB") => real.to_owned(),
            _ => version,
        };
        Ok(Self {
            version,
            connection_id: packet.connection_id(),
            capabilities,
            nonce: packet.nonce(),
            plugin: packet.auth_plugin_name_ref().unwrap_or_default().to_vec(),
        })
    }

    /// Whether the server can encrypt.
    pub(super) fn offers_tls(&self) -> bool {
        self.capabilities.contains(CapabilityFlags::CLIENT_SSL)
    }
}

/// What we and the server both can do. `LOCAL INFILE` is not among it.
fn common_capabilities(server: CapabilityFlags, tls: bool) -> CapabilityFlags {
    let ours = CapabilityFlags::CLIENT_LONG_PASSWORD
        | CapabilityFlags::CLIENT_LONG_FLAG
        | CapabilityFlags::CLIENT_PROTOCOL_41
        | CapabilityFlags::CLIENT_TRANSACTIONS
        | CapabilityFlags::CLIENT_SECURE_CONNECTION
        | CapabilityFlags::CLIENT_PLUGIN_AUTH
        | CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
        | CapabilityFlags::CLIENT_CONNECT_ATTRS;
    let tls = if tls { CapabilityFlags::CLIENT_SSL } else { CapabilityFlags::empty() };
    (ours & server) | tls
}

/// The packet after which TLS begins.
pub(super) fn ssl_request(greeting: &Greeting) -> Vec<u8> {
    let mut packet = Vec::new();
    SslRequest::new(common_capabilities(greeting.capabilities, true), MAX_PACKET, COLLATION).serialize(&mut packet);
    packet
}

/// Who we are: account, plugin and the plugin's first data.
pub(super) fn response(greeting: &Greeting, tls: bool, user: &str, plugin: &[u8], data: &[u8]) -> Vec<u8> {
    let capabilities = common_capabilities(greeting.capabilities, tls);
    let attributes = capabilities.contains(CapabilityFlags::CLIENT_CONNECT_ATTRS).then(|| {
        HashMap::from([
            ("_client_name".to_owned(), env!("CARGO_PKG_NAME").to_owned()),
            ("_client_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("program_name".to_owned(), env!("CARGO_PKG_NAME").to_owned()),
            ("_client_role".to_owned(), "binary_log_listener".to_owned()),
        ])
    });
    let mut packet = Vec::new();
    HandshakeResponse::new(
        Some(data),
        (5, 5, 3),
        Some(user.as_bytes()),
        None::<&[u8]>,
        Some(AuthPlugin::from_bytes(plugin)),
        capabilities,
        attributes,
        MAX_PACKET,
    )
    .serialize(&mut packet);
    packet
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
pub(super) mod tests {
    use mysql_common::constants::StatusFlags;

    use super::*;

    /// A greeting as a server sends it.
    pub(in crate::source) fn greeting(version: &str, plugin: &str, extra: CapabilityFlags) -> Vec<u8> {
        let capabilities = CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_PLUGIN_AUTH
            | CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
            | extra;
        let mut packet = Vec::new();
        HandshakePacket::new(
            10,
            version.as_bytes(),
            77,
            *b"abcdefgh",
            Some(&b"ijklmnopqrst\0"[..]),
            capabilities,
            45,
            StatusFlags::empty(),
            Some([plugin.as_bytes(), b"\0"].concat()),
        )
        .serialize(&mut packet);
        packet
    }

    #[test]
    fn a_greeting_gives_version_nonce_and_plugin() {
        let packet = greeting("5.5.5-10.11.8-MariaDB-log", "mysql_native_password", CapabilityFlags::CLIENT_SSL);
        let greeting = Greeting::parse(&packet).unwrap();
        assert_eq!(greeting.version, "10.11.8-MariaDB-log");
        assert_eq!(greeting.nonce, b"abcdefghijklmnopqrst");
        assert_eq!(greeting.plugin, b"mysql_native_password");
        assert_eq!(greeting.connection_id, 77);
        assert!(greeting.offers_tls());
    }

    #[test]
    fn a_greeting_cut_anywhere_or_with_any_byte_changed_never_panics() {
        let packet = greeting("9.7.4", "caching_sha2_password", CapabilityFlags::empty());
        for length in 0..packet.len() {
            let _ = Greeting::parse(&packet[..length]);
        }
        for at in 0..packet.len() {
            for value in [0, 1, 7, 127, 128, 200, 255] {
                let mut changed = packet.clone();
                changed[at] = value;
                let _ = Greeting::parse(&changed);
            }
        }
        assert!(Greeting::parse(b"HTTP/1.1 400 Bad Request\r\n").is_err());
    }

    #[test]
    fn a_server_that_refuses_at_once_is_heard() {
        match Greeting::parse(b"\xff\x10\x04Too many connections") {
            Err(Failure::Server(error)) => assert_eq!(error.code, 1040),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn local_infile_is_never_offered() {
        let all = common_capabilities(CapabilityFlags::all(), true);
        assert!(!all.contains(CapabilityFlags::CLIENT_LOCAL_FILES));
        assert!(all.contains(CapabilityFlags::CLIENT_SSL));
    }
}
