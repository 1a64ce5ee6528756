//! The keys of the machine itself and of its loader.

use super::Key;

pub(super) const KEYS: &[Key] = &[
    // what puts the guest's code into memory
    Key::command("loader", "", "-l bootrom for uefi, nothing for others"),
    // keep the firmware's variables in a file
    Key::command("uefi_vars", "no", "the second item of -l bootrom"),
    // the loader inside the guest
    Key::command("bhyveload_loader", "/boot/userboot.so", "-l of bhyveload"),
    // more arguments for bhyveload
    Key::command("bhyveload_args", "", "bhyveload"),
    // seconds that bhyveload and grub-bhyve wait
    Key::command("loader_timeout", "3", "-e autoboot_delay= of bhyveload"),
    // grub's commands for the installer
    Key::command("grub_installN", "", "the input of grub-bhyve"),
    // grub's commands for the guest
    Key::command("grub_runN", "", "the input of grub-bhyve"),
    // the partition of disk 0 with grub's files
    Key::command("grub_run_partition", "1", "-r of grub-bhyve"),
    // the folder with grub's files
    Key::command("grub_run_dir", "/boot/grub", "-d of grub-bhyve"),
    // grub's configuration file
    Key::command("grub_run_file", "grub.cfg", "-g of grub-bhyve"),
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
