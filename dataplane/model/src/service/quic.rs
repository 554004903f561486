// SPDX-License-Identifier: Apache-2.0
//! Servers that QUIC connection ids name (QUIC-LB, draft-ietf-quic-load-balancers-21, plaintext):
//! a client that changes its address is known by the id that its server gave it.

/// How the servers of a service write their ids into connection ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quic {
    /// The configuration id, 0 to 6: connection ids that carry another one name nobody here.
    pub config: u8,
    /// Bytes of a server's id, 1 to 15.
    pub server_id_len: u8,
}

/// The id of a server in connection ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuicServerId {
    len: u8,
    bytes: [u8; Self::LEN_MAX],
}

impl QuicServerId {
    /// Bytes of the longest.
    pub const LEN_MAX: usize = 15;

    /// The id of these bytes; `None` if there are none, or more than [`Self::LEN_MAX`].
    #[must_use]
    pub fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LEN_MAX];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        let len = u8::try_from(id.len()).ok().filter(|len| *len > 0)?;
        Some(Self { len, bytes })
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl core::fmt::Display for QuicServerId {
    /// Hexadecimal, as in the configuration.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn an_id_has_one_to_fifteen_bytes() {
        assert_eq!(QuicServerId::new(&[]), None);
        assert_eq!(QuicServerId::new(&[0; 16]), None);
        let id = QuicServerId::new(&[0x0a, 0xb0]).unwrap();
        assert_eq!(id.as_bytes(), [0x0a, 0xb0]);
        assert_eq!(id.to_string(), "0ab0");
        assert_ne!(Some(id), QuicServerId::new(&[0x0a, 0xb0, 0]));
        assert_eq!(QuicServerId::new(&[7; 15]).unwrap().as_bytes(), [7; 15]);
    }
}
