//! The keys of the machine itself and of its loader.

use super::Key;

const GRUB: &str = "grub-bhyve is not run: boot the guest by UEFI, whose loader is on its disk";
const BHYVELOAD: &str = "bhyveload is not run: boot the guest by UEFI, and set it in the guest's /boot/loader.conf";

pub(super) const KEYS: &[Key] = &[
    Key::command("loader", "what puts the guest's code into memory", "", "-l bootrom for uefi, nothing for others"),
    Key::command("uefi_vars", "keep the firmware's variables in a file", "no", "the second item of -l bootrom"),
    Key::instead("bhyveload_loader", "the loader inside the guest", "/boot/userboot.so", BHYVELOAD),
    Key::instead("bhyveload_args", "more arguments for bhyveload", "", BHYVELOAD),
    Key::instead(
        "loader_timeout",
        "seconds that bhyveload and grub-bhyve wait",
        "3",
        "neither loader is run: the guest's own loader has its own delay",
    ),
    Key::instead("grub_installN", "grub's commands for the installer", "", GRUB),
    Key::instead("grub_runN", "grub's commands for the guest", "", GRUB),
    Key::instead("grub_run_partition", "the partition of disk 0 with grub's files", "1", GRUB),
    Key::instead("grub_run_dir", "the folder with grub's files", "/boot/grub", GRUB),
    Key::instead("grub_run_file", "grub's configuration file", "grub.cfg", GRUB),
    Key::command("cpu", "the number of virtual CPUs; required", "", "-c"),
    Key::command("cpu_sockets", "the sockets that they are in", "", "-c N,sockets="),
    Key::command("cpu_cores", "the cores of a socket", "", "-c N,cores="),
    Key::command("cpu_threads", "the threads of a core", "", "-c N,threads="),
    Key::command("memory", "the memory; required", "", "-m"),
    Key::command("wired_memory", "wire the memory", "no", "-S"),
    Key::command("hostbridge", "standard, amd, or none", "standard", "-s 0,hostbridge"),
    Key::command("fwcfg", "the firmware's interface: bhyve or qemu", "", "-s 31,lpc,fwcfg="),
    Key::command("comports", "the serial ports, separated by blanks", "com1", "-l com1"),
    Key::command("utctime", "the clock shows UTC", "yes", "-u"),
    Key::command("uuid", "the UUID that SMBIOS shows", "one that is made up and written into the file", "-U"),
    Key::command("ignore_msr", "ignore unknown model specific registers", "no", "-w, which vm-bhyve gives always"),
    Key::nothing(
        "ignore_bad_msr",
        "ignore unknown model specific registers",
        "vm-bhyve reads it nowhere, and always gives `-w`, which does it",
    ),
    Key::command("bhyve_options", "more arguments for bhyve", "", "after -l bootrom"),
    Key::command("start_slot", "the slot of the first device", "4", "the slots of -s"),
    Key::command("install_slot", "the slot of the installer's CD", "3", "the installer's -s"),
    Key::command("nulliso_fix", "an empty CD, for old guests that ask for one", "no", "-s 3:0,ahci-cd"),
];
