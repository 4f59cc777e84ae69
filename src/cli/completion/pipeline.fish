# Completion of `npx pipeline`, and of `pipeline` where that is on the PATH, for fish:
#   npx pipeline completion fish > ~/.config/fish/conf.d/pipeline.fish
function __pipeline_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l command $words[1]
    if test "$words[1]" = npx
        set command npx --no-install pipeline
        set -e words[1]
    end
    for line in ($command complete fish -- $words[2..-1] "$current" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$current"
        else if test "$line" = :pipelines
            __fish_complete_path "$current" | string match -r '^.*(?:/|\.ya?ml)(?:\t.*)?$' | string match -rv '\.lock\.yaml(\t|$)'
        else
            echo $line
        end
    end
end
complete -c pipeline -f -a '(__pipeline_complete)'
complete -c npx -f -n 'test (count (commandline -opc)) -gt 1; and test (commandline -opc)[2] = pipeline' -a '(__pipeline_complete)'
