//! The mask on what a browser sends (RFC 6455 §5.3).

/// The mask of a frame, turned to the place in its payload that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask([u8; 4]);

impl Mask {
    pub fn new(key: [u8; 4]) -> Self {
        Self(key)
    }

    /// Takes the mask off the next bytes of the payload (or puts it on), in place.
    pub fn apply(&mut self, payload: &mut [u8]) {
        let [a, b, c, d] = self.0;
        let wide = u128::from_ne_bytes([a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d]);
        // Sixteen bytes at a time, which the compiler turns into vector registers.
        let (blocks, rest) = payload.as_chunks_mut::<16>();
        for block in blocks {
            *block = (u128::from_ne_bytes(*block) ^ wide).to_ne_bytes();
        }
        for (byte, key) in rest.iter_mut().zip(self.0.into_iter().cycle()) {
            *byte ^= key;
        }
        self.0.rotate_left(rest.len() % 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_split_of_a_payload_comes_off_alike() {
        let key = [0x11, 0x22, 0x44, 0x88];
        let plain: Vec<u8> = (0..100).collect();
        let masked: Vec<u8> = (plain.iter().zip(key.iter().cycle()))
            .map(|(byte, key)| byte ^ key)
            .collect();
        for split in 0..=plain.len() {
            let mut payload = masked.clone();
            let mut mask = Mask::new(key);
            let (head, tail) = payload.split_at_mut(split);
            mask.apply(head);
            mask.apply(tail);
            assert_eq!(payload, plain, "split at {split}");
        }
    }
}
