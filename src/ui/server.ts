import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UserError } from '../base/errors.js';
import { RunList } from '../runner/runs/find-runs.js';
import { messagePage } from './pages/message-page.js';
import { type Route, routeOf, sendLive } from './routes.js';

/** A server of pages about all runs. */
interface RunsServer {
  /** The address that lets in, with its token. */
  readonly address: string;
  readonly port: number;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** Ports that are tried from the one that was asked for. */
const portsTried = 20;

const securityHeaders = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

/**
 * Serves the runs in a folder on 127.0.0.1, and only reads.
 *
 * @param port where to listen: 0 for any free one; where another is taken, the next free one after it
 * @throws UserError `no-free-port`.
 */
export async function serveRuns(runsRoot: string, port: number): Promise<RunsServer> {
  const stopping = new AbortController();
  const list = new RunList(runsRoot);
  const server = createServer();
  await listen(server, port);
  const own = (server.address() as AddressInfo).port;
  const access = new Access(own);
  server.on('request', (request, response) => {
    answer(request, response, { runsRoot, list, access, signal: stopping.signal }).catch((error: unknown) => {
      respond(response, 500, 'Something went wrong', error instanceof Error ? error.message : String(error));
    });
  });
  return {
    address: `http://127.0.0.1:${own}/?token=${access.token}`,
    port: own,
    close: () =>
      new Promise((resolve) => {
        stopping.abort();
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

interface Context {
  readonly runsRoot: string;
  readonly list: RunList;
  readonly access: Access;
  readonly signal: AbortSignal;
}

async function answer(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const { access, runsRoot, list, signal } = context;
  for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
  if (!access.isForUs(request)) {
    respond(response, 421, 'Not here', 'This server answers to its own address only.');
    return;
  }
  if (access.isFromElsewhere(request)) {
    respond(response, 403, 'Not from there', 'This server answers to its own pages only.');
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    respond(response, 405, 'Only reading', 'This server only shows runs.');
    return;
  }
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  if (url.host !== '127.0.0.1') {
    respond(response, 404, 'Nothing here', 'This server has pages of its own only.');
    return;
  }
  if (access.isToken(url.searchParams.get('token') ?? '')) {
    url.searchParams.delete('token');
    response.writeHead(303, { 'Set-Cookie': access.cookie, Location: `${url.pathname}${url.search}` });
    response.end();
    return;
  }
  if (!access.isKnown(request)) {
    respond(
      response,
      401,
      'Who is there?',
      'Open the address that npx pipeline ui printed: it holds the key.',
    );
    return;
  }
  const isLive = url.pathname === '/events';
  const route = await routeOf(isLive ? pageOf(url) : url, runsRoot, list);
  if (route === undefined || (isLive && route.live === undefined))
    respond(response, 404, 'Nothing here', 'There is no such page, or no such run any more.');
  else if (isLive) await sendLive(response, route.live!, signal);
  else await sendPage(request, response, route);
}

/** The page whose events are asked for, as an address of this server whatever was asked. */
function pageOf(url: URL): URL {
  const page = url.searchParams.get('page') ?? '/';
  return new URL(page.startsWith('/') && !page.startsWith('//') ? page : '/nowhere', 'http://127.0.0.1');
}

async function sendPage({ method }: IncomingMessage, response: ServerResponse, route: Route): Promise<void> {
  const text = await route.page();
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
  response.end(method === 'HEAD' ? undefined : text);
}

function respond(response: ServerResponse, status: number, title: string, text: string): void {
  if (response.headersSent) {
    response.end();
    return;
  }
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' });
  response.end(messagePage(title, text));
}

/** Listens on the first free port. */
async function listen(server: Server, port: number): Promise<void> {
  const last = port === 0 ? 0 : Math.min(port + portsTried - 1, 65_535);
  for (let candidate = port; candidate <= last; candidate++) if (await tryListen(server, candidate)) return;
  throw new UserError({
    code: 'no-free-port',
    message: `No port from ${port} to ${last} is free.`,
    remedy: 'Choose another with --port, or leave it out for any free one.',
  });
}

function tryListen(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      server.off('listening', succeed);
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(error);
    };
    const succeed = (): void => {
      server.off('error', fail);
      resolve(true);
    };
    server.once('error', fail);
    server.once('listening', succeed);
    server.listen({ host: '127.0.0.1', port });
  });
}

/** Guard of the pages: it admits whoever came with the address that was printed, from a page or tab of this machine. */
class Access {
  /** Part of the printed address. 256 bits. */
  readonly token = randomBytes(32).toString('base64url');
  private readonly port: number;

  constructor(port: number) {
    this.port = port;
  }

  /**
   * True when the request was sent to this server by its own name. A page elsewhere whose name was made to mean
   * 127.0.0.1 (DNS rebinding) sends its own name here.
   */
  isForUs({ headers }: IncomingMessage): boolean {
    return this.names.some((name) => headers.host === name);
  }

  /** True when a page of another site has the browser ask, as far as it tells. */
  isFromElsewhere({ headers: { origin } }: IncomingMessage): boolean {
    return origin !== undefined && !this.names.some((name) => origin === `http://${name}`);
  }

  private get names(): readonly string[] {
    return [`127.0.0.1:${this.port}`, `localhost:${this.port}`];
  }

  /** True when the request brings the cookie that the printed address gave. */
  isKnown({ headers }: IncomingMessage): boolean {
    const prefix = `${this.cookieName}=`;
    const cookies = (headers.cookie ?? '').split(/;\s*/).filter((cookie) => cookie.startsWith(prefix));
    return cookies.some((cookie) => this.isToken(cookie.slice(prefix.length)));
  }

  /** Compares in a time that does not depend on how much of the token is right. */
  isToken(candidate: string): boolean {
    const [given, own] = [Buffer.from(candidate), Buffer.from(this.token)];
    return given.length === own.length && timingSafeEqual(given, own);
  }

  get cookie(): string {
    return `${this.cookieName}=${this.token}; HttpOnly; SameSite=Strict; Path=/`;
  }

  /** Browsers send cookies to every port of a host: servers beside each other need names of their own. */
  private get cookieName(): string {
    return `pipeline-ui-${this.port}`;
  }
}
