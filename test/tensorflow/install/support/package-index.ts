import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Wheel } from '../../../../src/tensorflow/install/release.js';

interface Served {
  readonly pin: Wheel;
  readonly body: Buffer;
}

/** A Python package index on this machine that notes what it is asked for, and can be made to misbehave. */
export class PackageIndex {
  /** Paths of the requests so far, with the range where one was asked for. */
  readonly requests: string[] = [];
  url = '';
  format: 'json' | 'html' = 'json';
  /** Called before a wheel is answered: return true when it has answered itself. */
  misbehave: (request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean = () => false;
  private readonly server = createServer((request, response) => {
    this.answer(request, response);
  });

  private constructor(readonly wheels: Served[]) {}

  static async start(...wheels: Served[]): Promise<PackageIndex> {
    const index = new PackageIndex(wheels);
    await new Promise<void>((resolve) => index.server.listen(0, '127.0.0.1', resolve));
    index.url = `http://127.0.0.1:${(index.server.address() as AddressInfo).port}/simple`;
    return index;
  }

  /** How often a wheel was asked for. */
  downloads(wheel: Wheel): number {
    return this.requests.filter((request) => request.includes(wheel.filename)).length;
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
    const path = request.url ?? '';
    const range = request.headers.range;
    this.requests.push(range === undefined ? path : `${path} ${range}`);
    const listed = this.wheels.find(({ pin }) => path === `/simple/${pin.package}/`);
    const served = this.wheels.find(({ pin }) => path === `/files/${pin.filename}`);
    if (listed !== undefined) this.list(listed.pin, response);
    else if (served === undefined) response.writeHead(404).end();
    else if (!this.misbehave(request, response, served.body)) serve(served.body, range, response);
  }

  /** Links are relative, as mirrors write them. */
  private list({ filename, sha256 }: Wheel, response: ServerResponse): void {
    const url = `../../files/${filename}`;
    if (this.format === 'json') {
      response.setHeader('content-type', 'application/vnd.pypi.simple.v1+json');
      const files = [{ filename, url, hashes: { sha256 } }];
      response.end(JSON.stringify({ meta: { 'api-version': '1.0' }, name: 'tiny', files }));
    } else {
      response.setHeader('content-type', 'text/html');
      response.end(
        `<!DOCTYPE html><html><body><a href="../">up</a>\n` +
          `<a data-requires-python="&gt;=3.10" href="${url}#sha256=${sha256}">${filename}</a></body></html>`,
      );
    }
  }
}

function serve(body: Buffer, range: string | undefined, response: ServerResponse): void {
  const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  if (range !== undefined) {
    response.statusCode = 206;
    response.setHeader('content-range', `bytes ${start}-${body.length - 1}/${body.length}`);
  }
  response.setHeader('content-length', body.length - start);
  response.end(body.subarray(start));
}
