//! Screens of guests: what a VNC server sends and takes (RFC 6143), pictures, the text on them, and keys. Pure: bytes come in
//! and go out, and `host` carries them.

pub mod glyphs;
pub mod keys;
pub mod picture;
pub mod rfb;
pub mod serial;
pub mod text;
