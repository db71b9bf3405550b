//! An endless stream of bytes of which each can be foretold from its place: nothing that is lost,
//! doubled or moved can go unseen.

use anyhow::{Result, bail};

/// How much is made at a time, in bytes.
const BLOCK: usize = 64 * 1024;

pub(crate) struct Pattern {
    seed: u64,
    /// The place in the stream of the block's first byte.
    at: u64,
    block: Box<[u8]>,
    used: usize,
}

impl Pattern {
    pub(crate) fn new(seed: u64) -> Self {
        let mut pattern = Self {
            seed,
            at: 0,
            block: vec![0; BLOCK].into_boxed_slice(),
            used: 0,
        };
        pattern.make();
        pattern
    }

    /// The next bytes, at least one and at most `len`.
    pub(crate) fn next(&mut self, len: usize) -> &[u8] {
        if self.used == BLOCK {
            self.at += BLOCK as u64;
            self.used = 0;
            self.make();
        }
        let start = self.used;
        self.used = BLOCK.min(start + len);
        &self.block[start..self.used]
    }

    /// Fails when `bytes` are not what comes next.
    pub(crate) fn check(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let expected = self.next(bytes.len());
            let (head, tail) = bytes.split_at(expected.len());
            if head != expected {
                let place = self.at + (self.used - head.len()) as u64;
                bail!("wrong bytes behind byte {place} of the stream");
            }
            bytes = tail;
        }
        Ok(())
    }

    fn make(&mut self) {
        let first = self.at / 8;
        let words = self.block.as_chunks_mut::<8>().0;
        for (word, index) in words.iter_mut().zip(first..) {
            *word = mixed(index ^ self.seed).to_le_bytes();
        }
    }
}

/// SplitMix64's finish: neighbours come out unlike.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value ^ (value >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_doubled_or_moved_is_seen() {
        let mut stream = Vec::new();
        let mut says = Pattern::new(7);
        while stream.len() < 3 * BLOCK {
            stream.extend_from_slice(says.next(10_007));
        }
        for cut in [1, 17, 10_000] {
            let mut checks = Pattern::new(7);
            assert!(stream.chunks(cut).all(|part| checks.check(part).is_ok()));
        }
        assert!(Pattern::new(7).check(&stream[1..]).is_err());
        assert!(Pattern::new(8).check(&stream).is_err());
        let doubled = [&stream[..BLOCK], &stream[..BLOCK]].concat();
        assert!(Pattern::new(7).check(&doubled).is_err());
    }
}
