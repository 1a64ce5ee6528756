//! What vmrun writes for others, as their own programs read it.

mod answers;
mod dhcp;
mod editor;
mod images;
mod manual;
mod monitoring;
mod roms;
