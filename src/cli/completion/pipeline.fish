# Completion of pipeline for fish:   pipeline completion fish > ~/.config/fish/completions/pipeline.fish
function __pipeline_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] complete fish -- $words[2..-1] "$current" 2>/dev/null)
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
