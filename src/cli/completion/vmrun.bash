# Completes vmrun in bash, with the names that this host has.

_vmrun() {
    # bash takes words apart at = and :, which parameters and hosts have: they are joined again where no space is between them.
    local rest=${COMP_LINE:0:COMP_POINT} words=() part at found one
    for ((at = 0; at <= COMP_CWORD; at++)); do
        part=${COMP_WORDS[at]}
        if [[ $at == 0 || $rest == [[:space:]]* ]]; then
            rest=${rest#"${rest%%[![:space:]]*}"}
            words+=("")
        fi
        ((at < COMP_CWORD)) || part=$rest
        words[${#words[@]} - 1]+=$part
        rest=${rest#"$part"}
    done
    local last=$((${#words[@]} - 1))
    # What of the word bash counts as done.
    local done=${words[last]%"$2"}
    found=$(VMRUN_COMPLETE=bash VMRUN_COMPLETE_AT=$last "$1" -- "${words[@]}" 2>/dev/null)
    COMPREPLY=()
    while IFS= read -r one; do
        [[ -n $one ]] || continue
        [[ $one != *[[:space:]\'\"\$\\\&\;\(\)\<\>\|\*\?]* ]] || printf -v one %q "$one"
        COMPREPLY+=("${one#"$done"}")
    done <<<"$found"
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *[=/:,] ]] || compopt -o nospace 2>/dev/null
}

complete -o bashdefault -o nosort -F _vmrun vmrun 2>/dev/null || complete -o bashdefault -F _vmrun vmrun
