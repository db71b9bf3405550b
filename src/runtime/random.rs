//! Randomness from the kernel.

/// `N` bytes that nobody can guess.
///
/// # Errors
/// When the kernel gives none (not seen on a machine that is up).
pub fn random_bytes<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}
