//! Buffers that a connection holds only while it has something in them: an idle one holds none.

use std::cell::RefCell;

/// The longest RFB message that is kept whole and the most that one read takes, in bytes.
pub(super) const PAYLOAD: usize = 64 * 1024;

/// The room beside the payload for the heads of frames.
pub(super) const MARGIN: usize = 64;

/// How many buffers a thread keeps for the next connection that needs one: one for each
/// direction of the connection that it works on.
const SPARES: usize = 2;

thread_local! {
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of [`PAYLOAD`] + [`MARGIN`] bytes, or none. What stands in it when it comes is left
/// over from others and must not be sent.
#[derive(Default)]
pub(super) struct Buffer(Option<Box<[u8]>>);

impl Buffer {
    /// The buffer, taken from the thread's spare ones when it is not held already.
    pub(super) fn hold(&mut self) -> &mut [u8] {
        self.0.get_or_insert_with(|| {
            let spare = SPARE.with_borrow_mut(Vec::pop);
            spare.unwrap_or_else(|| vec![0; PAYLOAD + MARGIN].into_boxed_slice())
        })
    }

    pub(super) fn is_held(&self) -> bool {
        self.0.is_some()
    }

    /// Gives it back.
    pub(super) fn release(&mut self) {
        if let Some(buffer) = self.0.take() {
            SPARE.with_borrow_mut(|spare| {
                if spare.len() < SPARES {
                    spare.push(buffer);
                }
            });
        }
    }
}
