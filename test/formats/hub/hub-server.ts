import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Files of a repository by name; `large` ones are kept as large files are, by their SHA-256. */
export type Files = Readonly<Record<string, { readonly content: Buffer; readonly large?: boolean }>>;

export const commit = '0123456789abcdef0123456789abcdef01234567';

/** A hub on this machine, with one repository: it notes its requests, and can be made to misbehave. */
export class HubServer {
  readonly requests: {
    readonly path: string;
    readonly range: string | undefined;
    readonly token: string | undefined;
  }[] = [];
  url = '';
  /** Called before a file is answered: return true when it has answered itself. */
  misbehave: (request: IncomingMessage, response: ServerResponse, content: Buffer) => boolean = () => false;
  /** What the description of a file says in place of the truth. */
  lie: (name: string, bytes: number) => number = (_, bytes) => bytes;
  /** Another address that files are sent from, by redirection. */
  elsewhere: string | undefined;
  /** Needed to see the repository at all. */
  token: string | undefined;
  /** Accepted conditions are needed for the files, and nobody has accepted them. */
  gated = false;
  /** Branches and tags; any other revision than these and the commit is none. */
  branches: readonly string[] | undefined;
  private readonly server: Server;

  private constructor(
    readonly id: string,
    readonly files: Files,
    private readonly kind: 'models' | 'datasets',
  ) {
    this.server = createServer((request, response) => {
      this.answer(request, response);
    });
  }

  static async start(id: string, files: Files, kind: 'models' | 'datasets' = 'models'): Promise<HubServer> {
    const server = new HubServer(id, files, kind);
    await new Promise<void>((resolve) => server.server.listen(0, '127.0.0.1', resolve));
    server.url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
    return server;
  }

  paths(part: string): string[] {
    return this.requests.map(({ path }) => path).filter((path) => path.includes(part));
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => {
      this.server.close(() => {
        resolve();
      });
    });
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(request.url ?? '');
    const { range, authorization } = request.headers;
    this.requests.push({ path, range, token: authorization });
    if (this.token !== undefined && authorization !== `Bearer ${this.token}`) response.writeHead(401).end();
    else if (path === `/api/${this.kind}/${this.id}/refs`)
      response.end(JSON.stringify({ branches: this.branches?.map((name) => ({ name })), tags: [] }));
    else if (path.startsWith(`/api/${this.kind}/${this.id}/revision/`))
      this.describe(/revision\/([^?]+)/.exec(path)![1]!, response);
    else if (this.gated) response.writeHead(403, { 'x-error-code': 'GatedRepo' }).end();
    else this.send(path, request, response);
  }

  private describe(revision: string, response: ServerResponse): void {
    if (revision !== commit && this.branches?.includes(revision) === false) {
      response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end();
      return;
    }
    const siblings = Object.entries(this.files).map(([rfilename, { content, large }]) => {
      const size = this.lie(rfilename, content.length);
      const blobId = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
      const sha256 = createHash('sha256').update(content).digest('hex');
      return { rfilename, size, blobId, ...(large === true && { lfs: { sha256, size, pointerSize: 134 } }) };
    });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id: this.id, sha: commit, siblings }));
  }

  private send(path: string, request: IncomingMessage, response: ServerResponse): void {
    const folder = `${this.kind === 'models' ? '' : `/${this.kind}`}/${this.id}/resolve/${commit}/`;
    const file = path.startsWith(folder) ? this.files[path.slice(folder.length)] : undefined;
    if (file === undefined) response.writeHead(404).end();
    else if (this.elsewhere !== undefined) response.writeHead(302, { location: this.elsewhere + path }).end();
    else if (!this.misbehave(request, response, file.content))
      serve(file.content, request.headers.range, response);
  }
}

export function serve(content: Buffer, range: string | undefined, response: ServerResponse): void {
  const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  if (range !== undefined)
    response.writeHead(206, {
      'content-range': `bytes ${start}-${content.length - 1}/${content.length}`,
      'content-length': content.length - start,
    });
  else response.writeHead(200, { 'content-length': content.length });
  response.end(content.subarray(start));
}
