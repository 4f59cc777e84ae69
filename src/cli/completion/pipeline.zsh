#compdef pipeline
# Completion of `npx pipeline`, and of `pipeline` where that is on the PATH, for zsh:
#   npx pipeline completion zsh > ~/.pipeline.zsh, and `source` that in ~/.zshrc after compinit
_pipeline() {
  local -a command=("${words[1]}")
  if [[ ${words[1]} == npx ]]; then
    if [[ ${words[2]} != pipeline || $CURRENT -lt 3 ]]; then
      _files
      return
    fi
    command=(npx --no-install pipeline)
    shift words
    (( CURRENT-- ))
  fi
  local value description files pipelines
  local -a plain open plain_shown open_shown
  while IFS=$'\t' read -r value description; do
    if [[ $value == :files ]]; then
      files=1
    elif [[ $value == :pipelines ]]; then
      pipelines=1
    elif [[ $value == *= ]]; then
      open+=("$value")
      open_shown+=("$value${description:+  -- $description}")
    else
      plain+=("$value")
      plain_shown+=("$value${description:+  -- $description}")
    fi
  done < <("${command[@]}" complete zsh -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)
  (( $#plain )) && compadd -l -d plain_shown -a plain
  (( $#open )) && compadd -S '' -l -d open_shown -a open
  [[ -n $files ]] && _files
  [[ -n $pipelines ]] && _files -g '(*.yaml|*.yml)~*.lock.yaml'
}
compdef _pipeline pipeline npx
