//! Proves who we are: scrambles, plugin switches, and the full exchange of `caching_sha2_password`.
//!
//! The password itself leaves this process only over TLS or a Unix socket, or encrypted by the server's RSA key when
//! the user allowed asking for it or named it beforehand. `mysql_clear_password` is refused. Manual: "Authentication
//! Phase"; "Caching SHA-2 Pluggable Authentication".

use mysql_common::io::ParseBuf;
use mysql_common::packets::AuthSwitchRequest;
use mysql_common::proto::MyDeserialize;
use mysql_common::scramble::{scramble_native, scramble_sha256};
use zeroize::Zeroizing;

use crate::secret::Secret;

use super::error::Failure;
use super::packet::PacketStream;
use super::public_key::PublicKey;
use super::server_error::ServerError;

/// How many times a server may ask for another plugin.
const MAX_SWITCHES: usize = 2;
/// How many packets a login may take.
const MAX_PACKETS: usize = 12;

const OK: u8 = 0x00;
const MORE_DATA: u8 = 0x01;
const NEXT_FACTOR: u8 = 0x02;
const SWITCH: u8 = 0xfe;
const ERROR: u8 = 0xff;

/// `caching_sha2_password`: the server knew the scramble.
const FAST_OK: u8 = 3;
/// `caching_sha2_password`: the server needs the password itself.
const FULL: u8 = 4;

/// What we have to log in with.
pub(super) struct Credentials<'a> {
    /// The password.
    pub(super) password: &'a Secret,
    /// Whether nobody can listen: TLS, or a Unix socket.
    pub(super) secure: bool,
    /// The server's key, if the user named it.
    pub(super) pinned_key: Option<PublicKey>,
    /// Whether to ask the server for its key.
    pub(super) ask_for_key: bool,
}

/// The plugins we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plugin {
    Native,
    CachingSha2,
    Sha256,
}

impl Plugin {
    /// The plugin to begin with: the server's, where we know it.
    pub(super) fn first(name: &[u8]) -> Self {
        Self::from_name(name).unwrap_or(Self::CachingSha2)
    }

    fn from_name(name: &[u8]) -> Result<Self, Failure> {
        match name {
            b"mysql_native_password" => Ok(Self::Native),
            b"caching_sha2_password" => Ok(Self::CachingSha2),
            b"sha256_password" => Ok(Self::Sha256),
            b"mysql_clear_password" | b"dialog" => Err(Failure::ClearTextRefused { plugin: text(name) }),
            _ => Err(Failure::AuthPlugin { plugin: text(name) }),
        }
    }

    /// The name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
            Self::Sha256 => "sha256_password",
        }
    }
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// One login: what was agreed so far.
pub(super) struct Login<'a> {
    credentials: Credentials<'a>,
    plugin: Plugin,
    nonce: Vec<u8>,
    /// The request for the server's key is out.
    key_requested: bool,
}

impl<'a> Login<'a> {
    /// A login that begins with the plugin and the nonce of the server's greeting.
    pub(super) fn new(credentials: Credentials<'a>, plugin: Plugin, nonce: Vec<u8>) -> Self {
        Self { credentials, plugin, nonce, key_requested: false }
    }

    /// The plugin in use.
    pub(super) fn plugin(&self) -> Plugin {
        self.plugin
    }

    /// The plugin's first data.
    pub(super) fn first_data(&mut self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let password = self.credentials.password.expose();
        let scramble = match self.plugin {
            Plugin::Native => scramble_native(&self.nonce, password.as_bytes()).map(|s| s.to_vec()),
            Plugin::CachingSha2 => scramble_sha256(&self.nonce, password.as_bytes()).map(|s| s.to_vec()),
            Plugin::Sha256 if password.is_empty() => Some(vec![0]),
            Plugin::Sha256 => return self.password(1),
        };
        Ok(Zeroizing::new(scramble.unwrap_or_default()))
    }

    /// Answers the server's packets until it lets us in or refuses.
    pub(super) async fn run(mut self, stream: &mut PacketStream) -> Result<(), Failure> {
        let mut switches = 0;
        for _ in 0..MAX_PACKETS {
            let packet = stream.read().await?;
            let answer = match packet.split_first() {
                Some((&OK, _)) => return Ok(()),
                Some((&ERROR, _)) => {
                    let error = ServerError::parse(packet).ok_or(Failure::Protocol("an error packet cut short"))?;
                    return Err(error.into());
                }
                Some((&SWITCH, _)) if switches == MAX_SWITCHES => {
                    return Err(Failure::Protocol("the server goes on switching authentication plugins"));
                }
                Some((&SWITCH, rest)) => {
                    switches += 1;
                    Some(self.switch(packet, rest)?)
                }
                Some((&MORE_DATA, data)) => self.more(data)?,
                Some((&NEXT_FACTOR, _)) => {
                    return Err(Failure::AuthPlugin { plugin: "multi-factor authentication".to_owned() });
                }
                _ => return Err(Failure::Protocol("an unknown packet during login")),
            };
            if let Some(answer) = answer {
                stream.write(&answer).await?;
            }
        }
        Err(Failure::Protocol("the login does not come to an end"))
    }

    /// The server wants another plugin. A bare request means the plugin of before 4.1.
    fn switch(&mut self, packet: &[u8], rest: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if rest.is_empty() {
            return Err(Failure::AuthPlugin { plugin: "mysql_old_password".to_owned() });
        }
        let request = AuthSwitchRequest::deserialize((), &mut ParseBuf(packet))
            .map_err(|_| Failure::Protocol("a plugin switch cut short"))?;
        let name = request.auth_plugin();
        self.plugin = Plugin::from_name(name.as_bytes())?;
        self.nonce = request.plugin_data().to_vec();
        self.key_requested = false;
        self.first_data()
    }

    /// Data of the plugin: a verdict on the scramble, or the server's key.
    fn more(&mut self, data: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        if self.key_requested {
            self.key_requested = false;
            let key = PublicKey::from_pem(data)?;
            return self.encrypted(&key).map(Some);
        }
        match (self.plugin, data) {
            (Plugin::CachingSha2, [FAST_OK]) => Ok(None),
            (Plugin::CachingSha2, [FULL]) => self.password(2).map(Some),
            _ => Err(Failure::Protocol("unknown authentication data")),
        }
    }

    /// The password itself, in the one way that is safe here; or the request for the key it needs.
    fn password(&mut self, key_request: u8) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if self.credentials.secure {
            return Ok(Zeroizing::new([self.credentials.password.expose().as_bytes(), &[0]].concat()));
        }
        if let Some(key) = self.credentials.pinned_key.take() {
            return self.encrypted(&key);
        }
        if !self.credentials.ask_for_key {
            return Err(Failure::InsecureAuth { plugin: self.plugin.name().to_owned() });
        }
        self.key_requested = true;
        Ok(Zeroizing::new(vec![key_request]))
    }

    fn encrypted(&self, key: &PublicKey) -> Result<Zeroizing<Vec<u8>>, Failure> {
        key.encrypt(self.credentials.password.expose(), &self.nonce).map(Zeroizing::new)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::time::Duration;

    use super::super::public_key::tests::KEY;
    use super::*;

    const NONCE: &[u8] = b"abcdefghijklmnopqrst";

    /// One step of the scripted server: what it sends, and what it must then hear (`None`: nothing).
    type Step<'a> = (&'a [u8], Option<&'a dyn Fn(&[u8])>);

    struct Setup {
        secure: bool,
        pinned: bool,
        ask: bool,
        password: &'static str,
        plugin: Plugin,
    }

    impl Default for Setup {
        fn default() -> Self {
            Self { secure: false, pinned: false, ask: false, password: "secret", plugin: Plugin::CachingSha2 }
        }
    }

    async fn run(setup: Setup, script: &[Step<'_>]) -> Result<(), Failure> {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let mut stream = PacketStream::new(Box::new(ours), 1 << 16, Duration::from_secs(2));
        let mut peer = PacketStream::new(Box::new(theirs), 1 << 16, Duration::from_secs(2));
        let password = Secret::new(setup.password.to_owned());
        let credentials = Credentials {
            password: &password,
            secure: setup.secure,
            pinned_key: setup.pinned.then(|| PublicKey::from_pem(KEY.as_bytes()).unwrap()),
            ask_for_key: setup.ask,
        };
        let login = Login::new(credentials, setup.plugin, NONCE.to_vec());
        let server = async {
            for (sent, heard) in script {
                peer.write(sent).await.unwrap();
                if let Some(check) = heard {
                    check(peer.read().await.unwrap());
                }
            }
        };
        let (result, ()) = tokio::join!(login.run(&mut stream), server);
        result
    }

    #[tokio::test]
    async fn the_fast_path_needs_nothing_more() {
        run(Setup::default(), &[(&[1, 3], None), (&[0, 0, 0, 2, 0, 0, 0], None)]).await.unwrap();
    }

    #[tokio::test]
    async fn over_a_secure_channel_the_full_path_sends_the_password() {
        let heard = |packet: &[u8]| assert_eq!(packet, b"secret\0");
        run(Setup { secure: true, ..Setup::default() }, &[(&[1, 4], Some(&heard)), (&[0], None)]).await.unwrap();
    }

    #[tokio::test]
    async fn without_a_secure_channel_or_a_key_the_full_path_is_refused() {
        match run(Setup::default(), &[(&[1, 4], None)]).await {
            Err(failure @ Failure::InsecureAuth { .. }) => {
                assert!(failure.hint().unwrap().contains("--get-master-public-key"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_servers_key_is_asked_for_only_when_allowed() {
        let request = |packet: &[u8]| assert_eq!(packet, [2]);
        let block = |packet: &[u8]| assert_eq!(packet.len(), 128);
        let key = [b"\x01", KEY.as_bytes()].concat();
        let script: [Step<'_>; 3] = [(&[1, 4], Some(&request)), (&key, Some(&block)), (&[0], None)];
        run(Setup { ask: true, ..Setup::default() }, &script).await.unwrap();
    }

    #[tokio::test]
    async fn a_pinned_key_is_used_without_asking() {
        let block = |packet: &[u8]| assert_eq!(packet.len(), 128);
        run(Setup { pinned: true, ..Setup::default() }, &[(&[1, 4], Some(&block)), (&[0], None)]).await.unwrap();
    }

    #[tokio::test]
    async fn a_bad_key_from_the_server_is_a_typed_error() {
        let request = |_: &[u8]| {};
        let script: [Step<'_>; 2] = [(&[1, 4], Some(&request)), (b"\x01rubbish", None)];
        let result = run(Setup { ask: true, ..Setup::default() }, &script).await;
        assert!(matches!(result, Err(Failure::PublicKey(_))));
    }

    #[tokio::test]
    async fn a_switch_scrambles_anew_with_the_new_nonce() {
        let nonce = b"TSRQPONMLKJIHGFEDCBA";
        let expected = scramble_native(nonce, b"secret").unwrap();
        let heard = move |packet: &[u8]| assert_eq!(packet, expected);
        let switch = [b"\xfemysql_native_password\0".as_slice(), nonce, b"\0"].concat();
        run(Setup::default(), &[(&switch, Some(&heard)), (&[0], None)]).await.unwrap();
    }

    #[tokio::test]
    async fn endless_switches_end() {
        let switch = [b"\xfemysql_native_password\0".as_slice(), NONCE, b"\0"].concat();
        let heard = |_: &[u8]| {};
        let script: [Step<'_>; 3] = [(&switch, Some(&heard)), (&switch, Some(&heard)), (&switch, None)];
        assert!(matches!(run(Setup::default(), &script).await, Err(Failure::Protocol(_))));
    }

    #[tokio::test]
    async fn the_bare_password_is_never_given_to_a_clear_text_plugin() {
        let script: [Step<'_>; 1] = [(b"\xfemysql_clear_password\0", None)];
        let result = run(Setup { secure: true, ..Setup::default() }, &script).await;
        assert!(matches!(result, Err(Failure::ClearTextRefused { .. })));
    }

    #[tokio::test]
    async fn unknown_plugins_are_named() {
        for (packet, name) in
            [(b"\xfeclient_ed25519\0xyz".as_slice(), "client_ed25519"), (b"\xfe", "mysql_old_password")]
        {
            match run(Setup::default(), &[(packet, None)]).await {
                Err(Failure::AuthPlugin { plugin }) => assert_eq!(plugin, name),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn an_empty_password_gives_an_empty_scramble() {
        let secret = Secret::default();
        for (plugin, expected) in [(Plugin::Native, &b""[..]), (Plugin::CachingSha2, b""), (Plugin::Sha256, b"\0")] {
            let credentials = Credentials { password: &secret, secure: false, pinned_key: None, ask_for_key: false };
            let mut login = Login::new(credentials, plugin, NONCE.to_vec());
            assert_eq!(login.first_data().unwrap().as_slice(), expected);
        }
    }

    #[tokio::test]
    async fn refusals_carry_the_servers_words() {
        match run(Setup::default(), &[(b"\xff\x15\x04#28000Access denied for user", None)]).await {
            Err(Failure::Server(error)) => assert_eq!(error.code, 1045),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn hostile_login_packets_are_typed_errors() {
        let packets: [&[u8]; 8] = [b"", b"\x01", b"\x01\x05", b"\x02", b"\xff", b"\xfe\0", b"\x42", b"\xfb/etc/passwd"];
        for packet in packets {
            assert!(run(Setup::default(), &[(packet, None)]).await.is_err(), "{packet:?}");
        }
    }
}
