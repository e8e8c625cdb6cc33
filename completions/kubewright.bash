_clap_complete_kubewright() {
    local IFS=$'\013'
    COMPREPLY=()
    read -r -d '' -a COMPREPLY < <(
        _CLAP_COMPLETE_INDEX="$COMP_CWORD" \
        _CLAP_COMPLETE_WORD="$2" \
        _CLAP_COMPLETE_COMP_TYPE="$COMP_TYPE" \
        KUBEWRIGHT_COMPLETE="bash" \
        kubewright -- "${COMP_WORDS[@]}" 2> /dev/null
    )
    if [[ ${#COMPREPLY[@]} -eq 1 && ! ${COMPREPLY[0]} =~ [=/:]$ ]]; then
        compopt +o nospace 2> /dev/null
    fi
}
if [[ ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 || ${BASH_VERSINFO[0]} -gt 4 ]]; then
    complete -o nospace -o bashdefault -o nosort -F _clap_complete_kubewright kubewright
else
    complete -o nospace -o bashdefault -F _clap_complete_kubewright kubewright
fi
