import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node.js';

/** Something that an editor underlines; line and column count from 1. */
interface Underlined {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

interface Position {
  readonly line: number;
  readonly character: number;
}

/** yaml-language-server as an editor drives it, over the protocol. */
export interface LanguageServer {
  /** What is red in a file of this text. Relative schemas in its first line start at the file. */
  errors: (file: string, text: string) => Promise<readonly Underlined[]>;
  /** What is shown over the first place at which a text stands. */
  hover: (file: string, text: string, at: string) => Promise<string>;
  /** What is offered behind the first place at which a text stands. */
  completions: (file: string, text: string, behind: string) => Promise<ReadonlyMap<string, string>>;
  close: () => Promise<void>;
}

interface Diagnostics {
  readonly uri: string;
  readonly diagnostics: readonly { readonly range: { readonly start: Position }; readonly message: string }[];
}

const root = fileURLToPath(new URL('../../', import.meta.url));

/** @param schema file for texts that name none in their first line */
export async function startLanguageServer(schema: string): Promise<LanguageServer> {
  const entry = createRequire(import.meta.url).resolve('yaml-language-server/package.json');
  const server = spawn(process.execPath, [join(dirname(entry), 'bin/yaml-language-server'), '--stdio'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const connection = createMessageConnection(
    new StreamMessageReader(server.stdout),
    new StreamMessageWriter(server.stdin),
  );
  const waiting = new Map<string, (diagnostics: Diagnostics) => void>();
  connection.onNotification('textDocument/publishDiagnostics', (told: Diagnostics) => {
    waiting.get(told.uri)?.(told);
  });
  const settings = { validate: true, hover: true, completion: true, schemaStore: { enable: false } };
  connection.onRequest('workspace/configuration', ({ items }: { items: readonly { section?: string }[] }) =>
    items.map(({ section }) =>
      section === 'yaml' ? { ...settings, schemas: { [pathToFileURL(schema).href]: '*.yaml' } } : {},
    ),
  );
  connection.onRequest('client/registerCapability', () => null);
  connection.listen();
  await connection.sendRequest('initialize', {
    processId: process.pid,
    rootUri: pathToFileURL(root).href,
    capabilities: {
      workspace: { configuration: true },
      textDocument: {
        hover: { contentFormat: ['markdown'] },
        completion: { completionItem: { snippetSupport: false, documentationFormat: ['markdown'] } },
      },
    },
  });
  await connection.sendNotification('initialized', {});
  await connection.sendNotification('workspace/didChangeConfiguration', { settings: {} });

  let version = 0;
  const opened = new Set<string>();
  const show = async (file: string, text: string): Promise<string> => {
    const uri = pathToFileURL(file).href;
    version++;
    await (opened.has(uri)
      ? connection.sendNotification('textDocument/didChange', {
          textDocument: { uri, version },
          contentChanges: [{ text }],
        })
      : connection.sendNotification('textDocument/didOpen', {
          textDocument: { uri, languageId: 'yaml', version, text },
        }));
    opened.add(uri);
    return uri;
  };
  const placeOf = (text: string, offset: number): Position => {
    const lines = text.slice(0, offset).split('\n');
    return { line: lines.length - 1, character: lines.at(-1)!.length };
  };
  return {
    errors: async (file, text) => {
      const told = new Promise<Diagnostics>((resolve) => waiting.set(pathToFileURL(file).href, resolve));
      await show(file, text);
      const { diagnostics } = await told;
      return diagnostics.map(({ range: { start }, message }) => ({
        line: start.line + 1,
        column: start.character + 1,
        message,
      }));
    },
    hover: async (file, text, at) => {
      const uri = await show(file, text);
      const shown = await connection.sendRequest<{ contents: { value: string } } | null>(
        'textDocument/hover',
        {
          textDocument: { uri },
          position: placeOf(text, text.indexOf(at)),
        },
      );
      return shown?.contents.value ?? '';
    },
    completions: async (file, text, behind) => {
      const uri = await show(file, text);
      const offered = await connection.sendRequest<{
        items: readonly { label: string; documentation?: string | { value: string } }[];
      }>('textDocument/completion', {
        textDocument: { uri },
        position: placeOf(text, text.indexOf(behind) + behind.length),
      });
      return new Map(
        offered.items.map(({ label, documentation = '' }) => [
          label,
          typeof documentation === 'string' ? documentation : documentation.value,
        ]),
      );
    },
    close: async () => {
      await connection.sendRequest('shutdown');
      await connection.sendNotification('exit');
      connection.dispose();
    },
  };
}
