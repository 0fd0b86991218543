# fish completion of yijian: the candidates and what they are come from the program itself
function __yijian_complete
    set -l words (commandline -opc) (commandline -ct)
    timeout 1 yijian __describe $words[2..-1] 2>/dev/null
end
complete -c yijian -f -a '(__yijian_complete)'
