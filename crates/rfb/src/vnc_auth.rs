//! VNC Authentication (RFC 6143 §7.2.2): DES over a challenge, keyed by eight characters of a
//! password. It keeps nobody out for long; it is here because attached VNC servers ask for it.

use std::fmt;

use des::Des;
use des::cipher::{Block, BlockCipherEncrypt as _, KeyInit as _};
use zeroize::Zeroize;

/// The length of the challenge and of the answer, in bytes.
pub const CHALLENGE_LEN: usize = 16;

/// The part of a VNC password that counts: eight bytes, as the DES key that they make.
///
/// `Debug` prints `MASKED`, and the memory is overwritten when it is dropped.
pub struct Password([u8; 8]);

impl Password {
    /// The first eight bytes of `password`, filled up with zeros.
    pub fn new(password: &[u8]) -> Self {
        let mut key = [0; 8];
        for (key, byte) in key.iter_mut().zip(password) {
            // VNC's oldest peculiarity: each byte with its lowest bit first.
            *key = byte.reverse_bits();
        }
        Self(key)
    }

    /// The answer to a server's challenge.
    pub fn answer(&self, challenge: &[u8; CHALLENGE_LEN]) -> [u8; CHALLENGE_LEN] {
        let des = Des::new(&self.0.into());
        let mut answer = *challenge;
        let (blocks, _) = answer.as_chunks_mut::<8>();
        for block in blocks {
            let mut sealed = Block::<Des>::from(*block);
            des.encrypt_block(&mut sealed);
            *block = sealed.into();
        }
        answer
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MASKED")
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// The answers come from `openssl enc -des-ecb -nopad`, with the password's bits turned
    /// round in each byte for the key.
    #[test]
    fn answers_as_another_des_does() {
        let answers: [(&str, u128); 4] = [
            ("secret", 0xee22_539f_33a5_983e_c12f_9c2e_dbc9_95dd),
            ("password", 0xb866_9241_25c8_eebb_9deb_c1db_61c5_38e2),
            // Only eight bytes count.
            (
                "password and more",
                0xb866_9241_25c8_eebb_9deb_c1db_61c5_38e2,
            ),
            ("a", 0x4494_07fb_6f71_bd51_7aca_7686_6568_a4e2),
        ];
        for (password, answer) in answers {
            let ours = Password::new(password.as_bytes()).answer(&CHALLENGE);
            assert_eq!(u128::from_be_bytes(ours), answer, "{password}");
        }
    }

    #[test]
    fn is_not_printed() {
        assert_eq!(format!("{:?}", Password::new(b"secret")), "MASKED");
    }
}
