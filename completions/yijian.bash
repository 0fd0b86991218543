# bash completion of yijian: the candidates come from the program itself
_yijian() {
    # Of the line as it stands: bash itself would part a word at its colons.
    local line=${COMP_LINE:0:COMP_POINT} cur prefix
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    cur=${words[-1]}
    mapfile -t COMPREPLY < <(timeout 1 "${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
    [ ${#COMPREPLY[@]} -eq 0 ] && mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then # it replaces what is behind the last one
        prefix=${cur%"${cur##*:}"}
        COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    fi
}
complete -F _yijian yijian
