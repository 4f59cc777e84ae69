# Completion of pipeline for bash. In ~/.bashrc:   source <(pipeline completion bash)
_pipeline_complete() {
  local value description
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
  done < <("${COMP_WORDS[0]}" complete bash -- "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
    compopt -o nospace
  fi
}
complete -F _pipeline_complete pipeline
