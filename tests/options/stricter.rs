//! What vmrun refuses and bhyve takes, with the reasons.

/// Pieces of vmrun's messages, and why it refuses although bhyve starts.
const REASONS: &[(&str, &[&str])] = &[
    (
        "bhyve stores a key that it does not know, or not yet, and never reads it",
        &[
            "has no key `",
            "there is no key `",
            "needs FreeBSD ",
            " does not read `",
            "is not a PCI slot",
            "is no key of a device",
            "bhyve ignores `",
            "has an option without a name",
            "is no key: a part of it is empty",
            "is no number of a text of SMBIOS",
            "has a value that virtio-scsi does not know",
        ],
    ),
    (
        "bhyve takes whatever comes first for a path or a backend, and assumes that it is there only here",
        &[
            "stands where the path of",
            "is not a backend for a serial port",
            "stands where the backend of",
            "is not a network backend",
            "is not an interface name",
            "the interface name ",
            "the path \"\" is empty",
            "is no backend of type",
        ],
    ),
    (
        "the guest would not have what it is told to have",
        &[
            "hangs on an LPC bridge",
            "has no function 0 beside it",
            "firmware sees `",
            "firmware sees the items of `",
            "needs a boot ROM",
            "has no target",
            "is there without a boot ROM",
            "at least one port",
            "needs to know what it is",
            "that ahci does not know",
            "is there without `",
            "needs what it is plugged into",
            "it would run without any VNC server",
            "`gdb` needs a `port`",
            "boot order knows slot",
            "too little for a guest to boot",
            "is less than 1 MiB",
        ],
    ),
    (
        "bhyve reads as much of a value as it can, cuts it or wraps it, and says nothing",
        &[
            "out of range",
            "which VNC uses",
            "is none of its values",
            "is not an address for VNC",
            "is not an address to listen on",
            "is not a MAC address",
            "is not a rule for `hostfwd`",
            "holds a `=`",
            "is not a sector size",
            "is not a register",
            "is not a PCI device of the host",
            "is not an EUI-64",
            "bytes",
            "follows the numbers",
            "is not a whole number",
            "neither true nor false",
        ],
    ),
    (
        "a processor or domain that is not there is never asked for",
        &[
            "to pin: the machine has",
            "and the machine has",
            "follows no domain",
            "bhyve cannot pin vCPU",
            "is not a set of CPUs",
            "needs `cpus`",
            "there is no domain",
            "is no policy of a NUMA domain",
        ],
    ),
    (
        "two of one kind cannot both be meant",
        &[
            "contradict each other",
            "have the same MAC address",
            "both plugged into",
            "both use stdio",
            "is given twice",
            "are two names of one option",
            " is in domain ",
            "two ports have the socket",
            "both write ",
        ],
    ),
    ("a value that a later one overwrites is read all the same", &["is not a size"]),
    ("a comma in a path is taken for its end wherever options follow", &["holds a comma"]),
    ("the kernel judges names, and not on the command line", &["is not a machine's name"]),
    ("bhyve would take an option for the device", &["takes the first option of virtio-scsi for its device"]),
    ("an option that does nothing there is a mistake", &["takes no options", "has no value", "` is empty"]),
];

/// Why vmrun refuses what bhyve takes, by what vmrun says.
pub(crate) fn reason(message: &str) -> Option<&'static str> {
    let of = |(reason, pieces): &(&'static str, &[&str])| {
        pieces.iter().any(|piece| message.contains(piece)).then_some(*reason)
    };
    REASONS.iter().find_map(of)
}
