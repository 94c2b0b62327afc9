//! The server's RSA public key: checked before use, and what the password is encrypted with.
//!
//! The key comes from the network; its DER is walked here with every length checked, so that the arithmetic behind
//! only ever sees a key of sane size. RFC 5280 (SubjectPublicKeyInfo), RFC 8017 (RSAPublicKey, OAEP).
//!
//! ```text
//! SEQUENCE { SEQUENCE { algorithm }, BIT STRING { 0, SEQUENCE { INTEGER modulus, INTEGER exponent } } }
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

use super::error::Failure;

/// Bytes that OAEP with SHA-1 takes from the modulus, and one for the sign byte.
const OAEP_OVERHEAD: usize = 43;
/// Sizes of modulus that are taken, in bytes: 1024 to 16384 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 128..=2048;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// A checked RSA public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    /// The key alone, as PEM.
    pem: String,
    modulus_len: usize,
}

impl PublicKey {
    /// Reads the first public key of a PEM text.
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, Failure> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem)
            .map_err(|error| Failure::PublicKey(format!("not a PEM public key: {error}")))?;
        let modulus_len =
            modulus_len(&der).ok_or_else(|| Failure::PublicKey("not an RSA key of 1024 to 16384 bits".to_owned()))?;
        let body = STANDARD.encode(&der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        Ok(Self { pem, modulus_len })
    }

    /// Encrypts what the server is to decrypt: the password with its closing zero, hidden by the nonce.
    pub(super) fn encrypt(&self, password: &str, nonce: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut block = zeroize::Zeroizing::new([password.as_bytes(), &[0]].concat());
        if block.len().saturating_add(OAEP_OVERHEAD) > self.modulus_len {
            return Err(Failure::PublicKey("the password is too long for the server's key".to_owned()));
        }
        if nonce.is_empty() {
            return Err(Failure::Protocol("the server sent no nonce"));
        }
        for (byte, mask) in block.iter_mut().zip(nonce.iter().cycle()) {
            *byte ^= mask;
        }
        Ok(mysql_common::crypto::encrypt(&block, self.pem.as_bytes()))
    }
}

/// One DER element: its content, and what follows it. Lengths of up to four bytes, as a key needs.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = der.split_first_chunk()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=127 => (usize::from(length), rest),
        129..=132 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0_usize, |value, &byte| value << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// Walks a key; the modulus's bytes without leading zeros.
fn modulus_len(der: &[u8]) -> Option<usize> {
    let (info, after) = element(SEQUENCE, der)?;
    let (_algorithm, info) = element(SEQUENCE, info)?;
    let (bits, after_bits) = element(BIT_STRING, info)?;
    let (&unused, key) = bits.split_first()?;
    let (key, after_key) = element(SEQUENCE, key)?;
    let (modulus, key) = element(INTEGER, key)?;
    let (exponent, rest) = element(INTEGER, key)?;
    let length = modulus.len().checked_sub(modulus.iter().take_while(|&&byte| byte == 0).count())?;
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    let sane = [after, after_bits, after_key, rest].iter().all(|rest| rest.is_empty())
        && unused == 0
        && MODULUS.contains(&length)
        && odd(modulus)
        && odd(exponent)
        && exponent.len() <= 8;
    sane.then_some(length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
pub(super) mod tests {
    use super::*;

    /// A key made for these tests (`openssl genrsa 1024 | openssl rsa -pubout`).
    pub(in crate::source) const KEY: &str = include_str!("test_public_key.pem");

    #[test]
    fn a_servers_key_encrypts_to_a_block_of_its_own_size() {
        let key = PublicKey::from_pem(KEY.as_bytes()).unwrap();
        let block = key.encrypt("secret", b"abcdefghijklmnopqrst").unwrap();
        assert_eq!(block.len(), key.modulus_len);
        assert_ne!(block, key.encrypt("secret", b"abcdefghijklmnopqrst").unwrap());
    }

    #[test]
    fn a_password_longer_than_the_key_can_carry_is_an_error() {
        let key = PublicKey::from_pem(KEY.as_bytes()).unwrap();
        for length in 0..300 {
            let result = key.encrypt(&"x".repeat(length), b"abcdefghijklmnopqrst");
            assert_eq!(result.is_ok(), length + 1 + OAEP_OVERHEAD <= key.modulus_len, "{length}");
        }
    }

    #[test]
    fn a_damaged_key_never_panics() {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(KEY.as_bytes()).unwrap().to_vec();
        let try_der = |der: &[u8]| {
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
            if let Ok(key) = PublicKey::from_pem(pem.as_bytes()) {
                let _ = key.encrypt("secret", b"abcdefghijklmnopqrst");
            }
        };
        for length in 0..der.len() {
            try_der(&der[..length]);
        }
        for at in 0..der.len() {
            for value in [0, 1, 0x30, 0x7f, 0x80, 0x81, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = value;
                try_der(&changed);
            }
        }
        for text in ["", "-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\n%%%\n-----END PUBLIC KEY-----\n"] {
            assert!(PublicKey::from_pem(text.as_bytes()).is_err(), "{text}");
        }
    }
}
