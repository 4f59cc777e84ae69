import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import * as vscode from 'vscode';
import {
  commandFor,
  type Hint,
  hintsOf,
  isPipeline,
  planArgs,
  problemsOf,
  type Stage,
  stagesFor,
  stagesOf,
  validateArgs,
} from './pipeline.js';

const pauseMs = 300;
const selector = { language: 'yaml', scheme: 'file' };

export function activate(context: vscode.ExtensionContext): void {
  const problems = vscode.languages.createDiagnosticCollection('mediator-sit');
  const stages = new Map<string, readonly Stage[]>();
  const hints = new Map<string, readonly Hint[]>();
  const changed = new vscode.EventEmitter<void>();
  const waiting = new Map<string, NodeJS.Timeout>();

  const check = async (document: vscode.TextDocument): Promise<void> => {
    const { version } = document;
    const output = await answer(document.fileName, validateArgs(document.fileName), document.getText());
    if (output === undefined || document.version !== version) return;
    problems.set(document.uri, problemsOf(output, document.fileName).map(asDiagnostic));
    const found = stagesOf(output);
    // While its YAML is broken, those from before may be meant.
    if (found.length > 0) stages.set(document.fileName, found);
  };
  const plan = async (document: vscode.TextDocument): Promise<void> => {
    const { version } = document;
    const output = await answer(document.fileName, planArgs(document.fileName));
    if (document.version !== version) return;
    hints.set(document.fileName, output === undefined ? [] : hintsOf(output, document.getText()));
    changed.fire();
  };
  const soon = (document: vscode.TextDocument, alsoPlan: boolean): void => {
    if (document.languageId !== 'yaml' || !isPipeline(document.getText())) {
      problems.delete(document.uri);
      return;
    }
    clearTimeout(waiting.get(document.fileName));
    waiting.set(
      document.fileName,
      setTimeout(() => void check(document), pauseMs),
    );
    if (alsoPlan) void plan(document);
  };

  context.subscriptions.push(
    problems,
    changed,
    vscode.workspace.onDidOpenTextDocument((document) => {
      soon(document, true);
    }),
    vscode.workspace.onDidSaveTextDocument((document) => {
      soon(document, true);
    }),
    vscode.workspace.onDidChangeTextDocument(({ document }) => {
      hints.delete(document.fileName);
      changed.fire();
      soon(document, false);
    }),
    vscode.workspace.onDidCloseTextDocument(({ uri, fileName }) => {
      problems.delete(uri);
      hints.delete(fileName);
    }),
    vscode.languages.registerCompletionItemProvider(
      selector,
      {
        provideCompletionItems(document, { line, character }) {
          const before = document.lineAt(line).text.slice(0, character);
          return stagesFor(before, stages.get(document.fileName) ?? [])?.map(
            ({ id, kind }) =>
              new vscode.CompletionItem(
                { label: id, description: kind },
                vscode.CompletionItemKind.Reference,
              ),
          );
        },
      },
      ' ',
      '[',
      ',',
    ),
    vscode.languages.registerInlayHintsProvider(selector, {
      onDidChangeInlayHints: changed.event,
      provideInlayHints: (document) =>
        (hints.get(document.fileName) ?? []).map(({ line, text, because }) => {
          const hint = new vscode.InlayHint(document.lineAt(line).range.end, text);
          hint.paddingLeft = true;
          hint.tooltip = because;
          return hint;
        }),
    }),
  );
  for (const document of vscode.workspace.textDocuments) soon(document, true);
}

const asDiagnostic = ({
  range: { line, start, end },
  isError,
  code,
  message,
}: ReturnType<typeof problemsOf>[number]) => {
  const { Error, Warning } = vscode.DiagnosticSeverity;
  const found = new vscode.Diagnostic(
    new vscode.Range(line, start, line, end),
    message,
    isError ? Error : Warning,
  );
  found.code = code;
  found.source = 'pipeline';
  return found;
};

/** What the command line prints as JSON; nothing where it cannot be run, or fails without an answer. */
async function answer(file: string, args: readonly string[], input = ''): Promise<string | undefined> {
  const written = vscode.workspace.getConfiguration('mediatorSit').get<string[]>('command', []);
  const [program, ...first] = written.length > 0 ? written : await commandFor(dirname(file));
  return new Promise((resolve) => {
    const child = execFile(
      program!,
      [...first, ...args],
      { cwd: dirname(file), maxBuffer: 2 ** 26 },
      (_, stdout) => {
        resolve(stdout.startsWith('{') ? stdout : undefined);
      },
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
