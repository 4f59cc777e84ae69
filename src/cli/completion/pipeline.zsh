#compdef pipeline
# Completion of pipeline for zsh. In ~/.zshrc, after compinit:   source <(pipeline completion zsh)
_pipeline() {
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
  done < <("${words[1]}" complete zsh -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)
  (( $#plain )) && compadd -l -d plain_shown -a plain
  (( $#open )) && compadd -S '' -l -d open_shown -a open
  [[ -n $files ]] && _files
  [[ -n $pipelines ]] && _files -g '(*.yaml|*.yml)~*.lock.yaml'
}
compdef _pipeline pipeline
