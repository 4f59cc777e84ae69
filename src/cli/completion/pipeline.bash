# Completion of `npx pipeline`, and of `pipeline` where that is on the PATH, for bash:
#   npx pipeline completion bash > ~/.pipeline.bash, and `source` that in ~/.bashrc
_pipeline_complete() {
  local value description line="${COMP_LINE:0:COMP_POINT}"
  local -a command=("${COMP_WORDS[0]}")
  if [[ $command == npx ]]; then
    [[ ${COMP_WORDS[1]} == pipeline && $COMP_CWORD -gt 1 ]] || return
    command=(npx --no-install pipeline)
    line="pipeline${line#*pipeline}"
  fi
  COMPREPLY=()
  while IFS=$'\t' read -r value description; do
    if [[ $value == :files ]]; then
      compopt -o default
    elif [[ $value == :pipelines ]]; then
      compopt -o default -o filenames
      while IFS= read -r value; do
        [[ -d $value || ( $value == *.y?(a)ml && $value != *.lock.yaml ) ]] && COMPREPLY+=("$value")
      done < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    else
      COMPREPLY+=("$value")
    fi
  done < <("${command[@]}" complete bash -- "$line" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
    compopt -o nospace
  fi
}
complete -F _pipeline_complete pipeline
complete -o bashdefault -o default -F _pipeline_complete npx
