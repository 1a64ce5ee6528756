//! Files that pass for programs of UEFI.

/// The smallest one for a machine that knows `autoexec.ipxe`.
pub fn application(machine: u16) -> Vec<u8> {
    let mut file = vec![0; 0x200];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &[0x40]);
    put(0x40, b"PE\0\0");
    put(0x44, &machine.to_le_bytes());
    put(0x46, &[1]);
    put(0x54, &[240]);
    put(0x58, &[0x0b, 2]);
    put(0x9c, &[10]);
    put(0x148, b".text");
    put(0x158, &[14]);
    put(0x15c, &[0, 2]);
    file.extend_from_slice(b"autoexec.ipxe\0");
    file
}

/// The smallest file that passes for an iPXE.
pub fn ipxe(machine: u16) -> Vec<u8> {
    let mut file = application(machine);
    file.extend_from_slice(b"iPXE");
    file
}
