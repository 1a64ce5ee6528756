; Written by packaging/editors/queries.mjs from the words of vmrun; make editors does it again.

(shebang) @comment
(line_comment) @comment
(block_comment) @comment
(doc_comment) @comment @comment.documentation

(text) @string
(character) @string
(template "`" @string)
(content) @string
(substitution "${" @punctuation.special "}" @punctuation.special)

(number) @number @constant.numeric
(unit) @type
(boolean) @boolean @constant.builtin.boolean
(keyword) @keyword
(storage) @keyword
"fn" @keyword.function

(identifier) @variable
(field name: (identifier) @property @variable.other.member)
(namespace (identifier) @module @namespace)
(call function: (identifier) @function)
(function name: (identifier) @function)

((identifier) @variable.builtin
  (#any-of? @variable.builtin "init" "params" "platform" "hostname" "vm_dir"))

((call function: (identifier) @function.builtin)
  (#any-of? @function.builtin "add" "after" "ahci" "ahci_cd" "ahci_hd" "allow" "amd_hostbridge" "args" "bhyve" "bhyvectl" "bhyveload" "bootrom" "bridge" "cloud_seed" "convert" "default_router" "defer" "destroy" "disk" "e1000" "env" "epair" "exists" "expect" "fbuf" "fetch" "grub_bhyve" "hda" "helper" "host_ip" "hostbridge" "ifconfig" "instance" "ipxe_image" "ipxe_loader" "iscsi" "known_keys" "limits" "lpc" "netboot" "nvme" "on" "option" "param" "passthru" "permit" "query" "ready" "refuse" "restart" "run" "secret" "secret_param" "send" "shows" "sleep" "slot" "snapshot_before_init" "ssh_host_key" "system_image" "tap" "truncate" "type" "uart" "uefi" "umask" "uptime" "virtio_9p" "virtio_blk" "virtio_console" "virtio_input" "virtio_net" "virtio_rnd" "virtio_scsi" "vlan" "vxlan" "write_file" "xhci" "zvol"))

(operator) @operator
(separator) @punctuation.delimiter
["#{" "{" "}" "[" "]" "(" ")"] @punctuation.bracket
