# Completes vmrun in fish, with the names that this host has.

function __vmrun_complete
    set -l before (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    VMRUN_COMPLETE=fish VMRUN_COMPLETE_AT=(count $before) $before[1] -- $before "$current" 2>/dev/null
end

complete --command vmrun --no-files --keep-order --arguments '(__vmrun_complete)'
