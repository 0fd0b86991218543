# fish completion of yijian
function __yijian_complete
    set -l words (commandline -opc) (commandline -ct)
    timeout 1 yijian __complete $words[2..-1] 2>/dev/null
end
complete -c yijian -f -a '(__yijian_complete)'
