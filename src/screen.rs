//! Screens of guests: what a VNC server sends and takes (RFC 6143), pictures, the text on them, and keys. Pure: bytes come in
//! and go out, and `host` carries them.

pub(crate) mod glyphs;
pub(crate) mod keys;
pub(crate) mod picture;
pub(crate) mod rfb;
pub(crate) mod serial;
pub(crate) mod text;
