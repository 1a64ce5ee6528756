#compdef vmrun
# Completes vmrun in zsh, with the names that this host has.

_vmrun() {
    local -a found open closed
    local one
    found=("${(@f)$(VMRUN_COMPLETE=zsh VMRUN_COMPLETE_AT=$((CURRENT - 1)) ${(Q)words[1]} -- "${(@Q)words[1,CURRENT]}" 2>/dev/null)}")
    for one in "${found[@]}"; do
        case ${${one//\\:/}%%:*} in
            '') ;;
            *[=/,]) open+=("$one") ;;
            *) closed+=("$one") ;;
        esac
    done
    (( ! $#open )) || _describe -V 'vmrun' open -S ''
    (( ! $#closed )) || _describe -V 'vmrun' closed
}

if [[ $funcstack[1] == _vmrun ]]; then
    _vmrun "$@"
else
    compdef _vmrun vmrun
fi
