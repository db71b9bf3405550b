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
