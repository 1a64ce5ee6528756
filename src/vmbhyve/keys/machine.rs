//! The keys of the machine itself and of its loader.

use super::Key;

const GRUB: &str = "grub-bhyve is not run: boot the guest by UEFI, whose loader is on its disk";
const BHYVELOAD: &str = "bhyveload is not run: boot the guest by UEFI, and set it in the guest's /boot/loader.conf";

pub(super) const KEYS: &[Key] = &[
    // what puts the guest's code into memory
    Key::command("loader", "", "-l bootrom for uefi, nothing for others"),
    // keep the firmware's variables in a file
    Key::command("uefi_vars", "no", "the second item of -l bootrom"),
    // the loader inside the guest
    Key::instead("bhyveload_loader", "/boot/userboot.so", BHYVELOAD),
    // more arguments for bhyveload
    Key::instead("bhyveload_args", "", BHYVELOAD),
    // seconds that bhyveload and grub-bhyve wait
    Key::instead("loader_timeout", "3", "neither loader is run: the guest's own loader has its own delay"),
    // grub's commands for the installer
    Key::instead("grub_installN", "", GRUB),
    // grub's commands for the guest
    Key::instead("grub_runN", "", GRUB),
    // the partition of disk 0 with grub's files
    Key::instead("grub_run_partition", "1", GRUB),
    // the folder with grub's files
    Key::instead("grub_run_dir", "/boot/grub", GRUB),
    // grub's configuration file
    Key::instead("grub_run_file", "grub.cfg", GRUB),
    // the number of virtual CPUs; required
    Key::command("cpu", "", "-c"),
    // the sockets that they are in
    Key::command("cpu_sockets", "", "-c N,sockets="),
    // the cores of a socket
    Key::command("cpu_cores", "", "-c N,cores="),
    // the threads of a core
    Key::command("cpu_threads", "", "-c N,threads="),
    // the memory; required
    Key::command("memory", "", "-m"),
    // wire the memory
    Key::command("wired_memory", "no", "-S"),
    // standard, amd, or none
    Key::command("hostbridge", "standard", "-s 0,hostbridge"),
    // the firmware's interface: bhyve or qemu
    Key::command("fwcfg", "", "-s 31,lpc,fwcfg="),
    // the serial ports, separated by blanks
    Key::command("comports", "com1", "-l com1"),
    // the clock shows UTC
    Key::command("utctime", "yes", "-u"),
    // the UUID that SMBIOS shows
    Key::command("uuid", "one that is made up and written into the file", "-U"),
    // ignore unknown model specific registers
    Key::command("ignore_msr", "no", "-w, which vm-bhyve gives always"),
    // ignore unknown model specific registers
    Key::nothing("ignore_bad_msr", "vm-bhyve reads it nowhere, and always gives `-w`, which does it"),
    // more arguments for bhyve
    Key::command("bhyve_options", "", "after -l bootrom"),
    // the slot of the first device
    Key::command("start_slot", "4", "the slots of -s"),
    // the slot of the installer's CD
    Key::command("install_slot", "3", "the installer's -s"),
    // an empty CD, for old guests that ask for one
    Key::command("nulliso_fix", "no", "-s 3:0,ahci-cd"),
];
