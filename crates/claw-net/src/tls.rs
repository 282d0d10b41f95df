//! Which cryptography TLS uses.

/// Makes ring the process's cryptography. The binary calls it once, before any client is built;
/// a second call changes nothing.
pub fn install_crypto() {
    // An error means that somebody was first, and there is only ring in the house.
    let _was_first = rustls::crypto::ring::default_provider().install_default();
}
