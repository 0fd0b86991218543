#compdef yijian
# zsh completion of yijian: the candidates and what they are come from the program itself
_yijian() {
    local -a found told
    local line word
    found=("${(@f)$(timeout 1 ${words[1]} __describe "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for line in $found; do
        word=${${line%%$'\t'*}//:/\\:}
        [[ $line == *$'\t'* ]] && word+=:${line#*$'\t'}
        told+=("$word")
    done
    (( $#told )) && _describe yijian told || _files
}
compdef _yijian yijian
