/** Shells that completion is offered for. */
export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/**
 * Scripts that a shell runs at its start. The scripts ask the command itself, `pipeline complete`, for each word: a
 * line each with a value, a tab and a description; the line `:files` stands for names of files, `:pipelines` for those
 * of pipelines. Nothing that was typed is evaluated.
 */
export const scripts: Readonly<Record<Shell, string>> = {
  bash: `# Completion of pipeline for bash. In ~/.bashrc:   source <(pipeline completion bash)
_pipeline_complete() {
  local value description
  COMPREPLY=()
  while IFS=$'\\t' read -r value description; do
    if [[ $value == :files ]]; then
      compopt -o default
    elif [[ $value == :pipelines ]]; then
      compopt -o default -o filenames
      while IFS= read -r value; do
        [[ -d $value || ( $value == *.y?(a)ml && $value != *.lock.yaml ) ]] && COMPREPLY+=("$value")
      done < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
    else
      COMPREPLY+=("$value")
    fi
  done < <("\${COMP_WORDS[0]}" complete bash -- "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]]; then
    compopt -o nospace
  fi
}
complete -F _pipeline_complete pipeline
`,
  zsh: `#compdef pipeline
# Completion of pipeline for zsh. In ~/.zshrc, after compinit:   source <(pipeline completion zsh)
_pipeline() {
  local value description files pipelines
  local -a plain open plain_shown open_shown
  while IFS=$'\\t' read -r value description; do
    if [[ $value == :files ]]; then
      files=1
    elif [[ $value == :pipelines ]]; then
      pipelines=1
    elif [[ $value == *= ]]; then
      open+=("$value")
      open_shown+=("$value\${description:+  -- $description}")
    else
      plain+=("$value")
      plain_shown+=("$value\${description:+  -- $description}")
    fi
  done < <("\${words[1]}" complete zsh -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)
  (( $#plain )) && compadd -l -d plain_shown -a plain
  (( $#open )) && compadd -S '' -l -d open_shown -a open
  [[ -n $files ]] && _files
  [[ -n $pipelines ]] && _files -g '(*.yaml|*.yml)~*.lock.yaml'
}
compdef _pipeline pipeline
`,
  fish: `# Completion of pipeline for fish:   pipeline completion fish > ~/.config/fish/completions/pipeline.fish
function __pipeline_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] complete fish -- $words[2..-1] "$current" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$current"
        else if test "$line" = :pipelines
            __fish_complete_path "$current" | string match -r '^.*(?:/|\\.ya?ml)(?:\t.*)?$' | string match -rv '\\.lock\\.yaml(\t|$)'
        else
            echo $line
        end
    end
end
complete -c pipeline -f -a '(__pipeline_complete)'
`,
};

/**
 * Splits the part of a command line before the cursor into words, as a shell would: quotes and backslashes are taken
 * away, nothing is expanded. The last word is the one that is being typed: empty after a space.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote: '"' | "'" | undefined;
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!;
    if (character === '\\' && quote !== "'" && i + 1 < line.length) word += line[++i]!;
    else if (character === quote) quote = undefined;
    else if (quote === undefined && (character === '"' || character === "'")) quote = character;
    else if (quote !== undefined || !/\s/.test(character)) word += character;
    else if (word !== '') {
      words.push(word);
      word = '';
    }
  }
  return [...words, word];
}
