#compdef yijian
_yijian() {
    local -a found
    found=("${(@f)$(timeout 1 ${words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -- $found || _files
}
compdef _yijian yijian
